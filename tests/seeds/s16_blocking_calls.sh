# S16: three URLs at once, of a server of our own; its port is told as PORT.
python3 "$seeds/../support/http_server.py" port &
tries=0
until [ -s port ]; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || exit 1
  sleep 0.05
done
base=http://127.0.0.1:$(cat port)/slow/400
printf '%s\n' "$base/1000" "$base/20" "$base/300000" >urls
sed "s/^/GET: /; s/:$(cat port)/:PORT/" urls
tine map --pool io --fn http.get --text <urls | sed 's/.*"bytes":\([0-9]*\).*/\1 bytes received from/' |
  paste -d ' ' - urls | sed "s/\$/./; s/:$(cat port)/:PORT/"
kill $!
