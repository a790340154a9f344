# tine in a container: tined --init is PID 1, the state is a volume, `docker exec NAME tine ...` is the client.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
COPY configs/debian-packages.txt /src/configs/debian-packages.txt
RUN apt-get update -qq \
 && sed 's/#.*//' /src/configs/debian-packages.txt \
  | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y -qq --no-install-recommends >/dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN cd /src && cmake --preset release -B /build >/dev/null \
 && cmake --build /build --target tine tined tine_manual \
 && cmake --install /build --prefix /usr/local --component programs --strip

FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libstdc++6 libsqlite3-0 libspdlog1.10 libfmt9 libboost-context1.74.0 liblmdb0 \
      libsimdjson14 libcurl4 ca-certificates >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 999 tine \
 && useradd --system --uid 999 --gid tine --home-dir /var/lib/tine --shell /usr/sbin/nologin tine \
 && install -d -o tine -g tine -m 0700 /var/lib/tine
COPY --from=build /usr/local /usr/local
ENV TINE_STATE_DIR=/var/lib/tine TINE_AUTOSTART=0
VOLUME /var/lib/tine
USER tine
WORKDIR /var/lib/tine
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["tine", "ping"]
ENTRYPOINT ["tined", "--init"]
