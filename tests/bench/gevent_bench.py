"""greenlet and gevent beside tine: gevent_bench.py switch | tasks | urls PORT N. As coroutine_bench tells."""
import resource
import sys
import time

import gevent
import gevent.socket
import greenlet


def seconds(f):
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def switch():
    count = 300_000

    def run():
        back = greenlet.getcurrent().parent
        while True:
            back.switch()

    other = greenlet.greenlet(run)

    def there_and_back():
        for _ in range(count):
            other.switch()

    print("%.2f" % (seconds(there_and_back) * 1e9 / count / 2))


def tasks():
    def once():
        gevent.joinall([gevent.spawn(gevent.sleep, 0) for _ in range(10_000)])

    print("%.2f %.2f" % (seconds(once) * 1e3, seconds(once) * 1e3))


def urls(port, count):
    got = []

    def fetch():
        s = gevent.socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        size = 0
        while data := s.recv(1024):
            size += len(data)
        s.close()
        got.append(size)

    def once():
        gevent.joinall([gevent.spawn(fetch) for _ in range(count)])

    first, again = seconds(once), seconds(once)
    assert len(got) == 2 * count and min(got) > 100
    print("%.4f %.4f %d" % (first, again, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


what = sys.argv[1]
if what == "urls":
    urls(int(sys.argv[2]), int(sys.argv[3]))
else:
    {"switch": switch, "tasks": tasks}[what]()
