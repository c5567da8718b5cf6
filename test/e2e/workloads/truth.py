# SPDX-License-Identifier: Apache-2.0
# Programs that know their own stack: truth.py PART. Each runs until it is killed.
import functools
import sys
import threading
import time


def spin(seconds):
    end = time.perf_counter() + seconds
    x = 1
    while time.perf_counter() < end:
        for _ in range(50):
            x = (x * 1664525 + 1013904223) % 4294967296
    return x


# Even seconds run even_*, odd seconds odd_*, equally deep and equally long: only what a frame means differs.
def even_leaf(x):
    for _ in range(300):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def odd_leaf(x):
    for _ in range(300):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def even_middle(x):
    return even_leaf(x) + 1


def odd_middle(x):
    return odd_leaf(x) + 1


def even_outer(x):
    return even_middle(x) + 1


def odd_outer(x):
    return odd_middle(x) + 1


def alternator():
    x = 1
    while True:
        x = even_outer(x) if int(time.time()) % 2 == 0 else odd_outer(x)


# Code that lives for 50 ms: its successor takes its address, and that of its name.
def churn():
    while True:
        tick = int(time.time() * 20)
        scope = {"time": time}
        name = "tick_%d" % tick
        exec(
            "def %s():\n"
            "  while int(time.time() * 20) == %d:\n"
            "    for _ in range(300): pass\n" % (name, tick),
            scope,
        )
        scope[name]()


def rung(n):
    return spin(3600) if n == 1 else rung(n - 1)


def ladder():
    rung(120)


# As deep as the second argument says, below a function of its own.
def deep():
    sys.setrecursionlimit(100000)
    rung(int(sys.argv[2]))


# Python below C below Python.
def sort_key(x):
    spin(0.01)
    return x


def reduce_callback(a, b):
    return sorted([a, b], key=sort_key)[0]


def sandwich():
    while True:
        functools.reduce(reduce_callback, range(4))


def first_thread():
    spin(3600)


def second_thread():
    spin(3600)


def third_thread():
    spin(3600)


def threads():
    for target in (first_thread, second_thread, third_thread):
        threading.Thread(target=target, daemon=True).start()
    while True:
        time.sleep(60)


def doze():
    time.sleep(0.005)


def waits():
    while True:
        doze()


class Nested:
    def count_up(self, n):
        for i in range(n):
            spin(0.001)
            yield i

    def umfärben(self):
        return sum(self.count_up(5))


def generators():
    while True:
        Nested().umfärben()


def short():
    spin(0.2)


{
    "alternator": alternator,
    "churn": churn,
    "ladder": ladder,
    "deep": deep,
    "sandwich": sandwich,
    "threads": threads,
    "waits": waits,
    "generators": generators,
    "short": short,
}[sys.argv[1]]()
