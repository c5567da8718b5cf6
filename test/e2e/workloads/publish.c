// SPDX-License-Identifier: Apache-2.0
// Publishes resource attributes as OpenTelemetry's process context (OTEP 4719), then burns CPU. argv[1] says how:
// "well", "wrapped" (the Resource is field 1 of another message), or what is wrong with it. With "well" each line
// of standard input is a new service.name, published by the protocol for updates, and answered by a line.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

struct header {
  char signature[8];
  uint32_t version;
  uint32_t payload_size;
  volatile uint64_t published_ns;
  const void *payload;
};

static struct header *context;
static unsigned char payloads[2][4096];
static int which;
static volatile unsigned sink;

static unsigned char *put_bytes(unsigned char *at, int field, const void *bytes, size_t size) {
  *at++ = (unsigned char)(field << 3 | 2);
  *at++ = (unsigned char)size; /* all of them are below 128 */
  memcpy(at, bytes, size);
  return at + size;
}

static unsigned char *put_attribute(unsigned char *at, const char *key, const unsigned char *value, size_t size) {
  unsigned char pair[128];
  unsigned char *end = put_bytes(pair, 1, key, strlen(key));
  end = put_bytes(end, 2, value, size);
  return put_bytes(at, 1, pair, (size_t)(end - pair));
}

static uint32_t encode(unsigned char *out, const char *service, int wrapped) {
  unsigned char value[128], resource[1024], *at = resource;
  unsigned char *end = put_bytes(value, 1, service, strlen(service));
  at = put_attribute(at, "service.name", value, (size_t)(end - value));
  const unsigned char replicas[] = {3 << 3, 42};
  at = put_attribute(at, "shop.replicas", replicas, sizeof(replicas));
  const unsigned char canary[] = {2 << 3, 1};
  at = put_attribute(at, "shop.canary", canary, sizeof(canary));
  const unsigned char pid[] = {3 << 3, 1};
  at = put_attribute(at, "process.pid", pid, sizeof(pid));
  const size_t size = (size_t)(at - resource);
  if (!wrapped) {
    memcpy(out, resource, size);
    return (uint32_t)size;
  }
  out[0] = 1 << 3 | 2;
  out[1] = (unsigned char)(size & 127) | 128;
  out[2] = (unsigned char)(size >> 7);
  memcpy(out + 3, resource, size);
  return (uint32_t)size + 3;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void publish(const char *service, int wrapped) {
  unsigned char *payload = payloads[which ^= 1];
  const uint32_t size = encode(payload, service, wrapped);
  context->published_ns = 0;
  __sync_synchronize();
  context->payload = payload;
  context->payload_size = size;
  __sync_synchronize();
  context->published_ns = now();
}

static void *listen_for_names(void *unused) {
  char line[64];
  while (fgets(line, sizeof(line), stdin)) {
    line[strcspn(line, "\n")] = 0;
    publish(line, 0);
    puts(line);
    fflush(stdout);
  }
  return unused;
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "well";
  const int file = memfd_create("OTEL_CTX", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, 4096) != 0) return 1;
  context = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (context == MAP_FAILED) return 1;
  close(file);
  madvise(context, 4096, MADV_DONTFORK);
  context->version = 2;
  publish("checkout", !strcmp(how, "wrapped"));
  if (!strcmp(how, "version")) context->version = 77;
  if (!strcmp(how, "size")) context->payload_size = 0xfffffff0u;
  if (!strcmp(how, "pointer")) context->payload = (const void *)0xdeadbeef000;
  if (!strcmp(how, "busy")) context->published_ns = 0;
  if (!strcmp(how, "garbage")) memset(payloads[which], 0xff, 512), context->payload_size = 512;
  __sync_synchronize();
  memcpy(context->signature, strcmp(how, "signature") ? "OTEL_CTX" : "OTHERCTX", 8);
  prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, context, 4096, "OTEL_CTX");
  pthread_t thread;
  pthread_create(&thread, NULL, listen_for_names, NULL);
  for (;;) sink = sink * 1664525u + 1013904223u;
}
