"""What Python's multiprocessing takes for the same, ns each: Array add, Manager().dict, Queue 1 to 1."""
import multiprocessing as mp
import time


def ns_each(count, body):
    begin = time.perf_counter()
    body(count)
    return (time.perf_counter() - begin) / count * 1e9


def put(queue, count):
    for i in range(count):
        queue.put(i)


def add(array, count):
    for _ in range(count):
        with array.get_lock():
            array[1] += 1


def set_all(shared, count):
    for i in range(count):
        shared["key%d" % (i % 1000)] = i


def get_all(shared, count):
    for i in range(count):
        shared["key%d" % (i % 1000)]


def queue_one_to_one(count):
    queue = mp.Queue()
    child = mp.Process(target=put, args=(queue, count))
    child.start()
    for _ in range(count):
        queue.get()
    child.join()


if __name__ == "__main__":
    array = mp.Array("l", 4)
    shared = mp.Manager().dict()
    for name, count, body in (
        ("mp.Array add", 100000, lambda n: add(array, n)),
        ("Manager().dict set", 2000, lambda n: set_all(shared, n)),
        ("Manager().dict get", 2000, lambda n: get_all(shared, n)),
        ("mp.Queue 1 to 1, an item", 50000, queue_one_to_one),
    ):
        print("%-28s %9.1f ns" % (name, sorted(ns_each(count, body) for _ in range(3))[1]))
