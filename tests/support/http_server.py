#!/usr/bin/env python3
"""A little HTTP server for tests, on 127.0.0.1: one thread a connection.

http_server.py PORT_FILE [CERTIFICATE KEY]   writes its port there; ends with its parent.

/bytes/N      N bytes           /slow/MS/N  the same after MS milliseconds
/redirect/P   302 to /P         /status/N   that status
/echo         JSON of the method, the headers and the body
/stall        nothing, ever     /endless    a body without an end
"""
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, _, rest = self.path[1:].partition("/")
        if kind == "bytes":
            self.answer(200, b"x" * int(rest))
        elif kind == "slow":
            wait, size = rest.split("/")
            time.sleep(int(wait) / 1000)
            self.answer(200, b"x" * int(size))
        elif kind == "redirect":
            self.answer(302, b"", [("Location", "/" + rest)])
        elif kind == "status":
            self.answer(int(rest), b"so be it")
        elif kind == "echo":
            told = {"method": self.command, "headers": dict(self.headers), "body": body.decode()}
            self.answer(200, json.dumps(told).encode())
        elif kind == "stall":
            time.sleep(3600)
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                self.close_connection = True
        else:
            self.answer(404, b"")

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_):  # a client that hangs up is no error here
        pass


def main():
    threading.stack_size(256 * 1024)
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
        file.write(str(server.server_port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


main()
