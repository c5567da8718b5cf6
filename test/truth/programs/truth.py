# SPDX-License-Identifier: Apache-2.0
# A program that knows its own stack.
import functools
import time

PHASES = 4
RUNGS = 100


def even_leaf(x):
    for _ in range(300):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def even_middle(x):
    return even_leaf(x) ^ 1


def even_outer(x):
    return even_middle(x) ^ 1


def odd_leaf(x):
    for _ in range(300):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def odd_middle(x):
    return odd_leaf(x) ^ 2


def odd_outer(x):
    return odd_middle(x) ^ 2


def ladder_leaf(x):
    for _ in range(300):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def ladder_rung(n, x):
    return (ladder_leaf(x) if n == 1 else ladder_rung(n - 1, x)) ^ 3


def ladder_outer(x):
    return ladder_rung(RUNGS, x) ^ 3


# Python below C below Python.
def sandwich_leaf(x):
    for _ in range(300):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def sandwich_outer(x):
    return functools.reduce(lambda a, b: a, sorted([x, x ^ 1, x ^ 2], key=sandwich_leaf))


x = 1
while True:
    phase = int(time.time() * 2) % PHASES
    if phase == 0:
        x = even_outer(x)
    elif phase == 1:
        x = odd_outer(x)
    elif phase == 2:
        x = ladder_outer(x)
    else:
        x = sandwich_outer(x)
