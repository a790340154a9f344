"""Python's Process and Pool: microseconds of one. pool_calls.py apply|async|imap|map|process COUNT"""
import multiprocessing
import statistics
import sys
import time


def work(i):
    return i + 1


def median_us(count, call):
    times = []
    for i in range(count):
        begin = time.perf_counter()
        call(i)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def apply(count):
    with multiprocessing.Pool(2) as pool:
        pool.apply(work, (1,))
        return median_us(count, lambda i: pool.apply(work, (i,)))


def run_async(count):
    pool = multiprocessing.Pool(2)
    pool.apply(work, (1,))
    results = []
    begin = time.perf_counter()
    for i in range(count):
        pool.apply_async(work, (i,), callback=results.append)
    pool.close()
    pool.join()
    assert len(results) == count
    return (time.perf_counter() - begin) / count * 1e6


def run_imap(count):
    with multiprocessing.Pool(2) as pool:
        pool.apply(work, (1,))
        begin = time.perf_counter()
        last = 0
        for last in pool.imap(work, range(count), 1):
            pass
        assert last == count
        return (time.perf_counter() - begin) / count * 1e6


def run_map(count):
    with multiprocessing.Pool(2) as pool:
        pool.apply(work, (1,))
        items = list(range(count))
        begin = time.perf_counter()
        results = pool.map(work, items)
        assert results[-1] == count
        return (time.perf_counter() - begin) / count * 1e6


def process(count):
    def one(i):
        child = multiprocessing.Process(target=work, args=(i,))
        child.start()
        child.join()

    return median_us(count, one)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    kinds = {"apply": apply, "async": run_async, "imap": run_imap, "map": run_map, "process": process}
    print("%.4f" % kinds[sys.argv[1]](int(sys.argv[2])))
