# SPDX-License-Identifier: Apache-2.0
# Burns CPU in the interpreter and in a C function below it.
def inner_work(x):
    for _ in range(200):
        x = (x * 1664525 + 1013904223) % 4294967296
    return x


def outer_work(x):
    return inner_work(x) ^ 1


x = 1
while True:
    x = outer_work(x)
    sorted(range(200), key=abs)
