// SPDX-License-Identifier: Apache-2.0
// Inlined calls three deep, a loop, a cold branch and two functions in one line, for lines and inline trees.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inlined.h"

struct item { unsigned key; char text[24]; };

static inline unsigned mix(unsigned x) { return rotate(x * 2654435761u, 13) ^ x; }
static inline unsigned digest(const char *text) {
  unsigned sum = 0;
  for (; *text; text++) sum = mix(sum + (unsigned char)*text);
  return sum;
}

static int by_key(const void *a, const void *b) {
  const struct item *x = a, *y = b;
  return (x->key > y->key) - (x->key < y->key);
}

__attribute__((noinline)) static void fill(struct item *items, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    snprintf(items[i].text, sizeof items[i].text, "item %u", clamp(mix(i), 0, 9999));
    items[i].key = digest(items[i].text);
  }
}

static inline void complain(const char *what) {
  fprintf(stderr, "%s\n", what);
  abort();
}

__attribute__((noinline)) unsigned total(struct item *items, unsigned count) {
  unsigned sum = 0;
  for (unsigned i = 0; i < count; i++) {
    if (items[i].text[0] != 'i') complain("not an item");
    sum += clamp(rotate(items[i].key, i & 31), 10, 1u << 30);
  }
  return sum;
}

int main(int argc, char **argv) {
  unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
  struct item *items = calloc(count, sizeof *items);
  if (items == NULL) complain("no memory");
  fill(items, count);
  qsort(items, count, sizeof *items, by_key);
  printf("%u\n", total(items, count));
  free(items);
  return 0;
}
