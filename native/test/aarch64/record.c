// SPDX-License-Identifier: Apache-2.0
// An aarch64 program without a C library that dumps its own registers and stack at known points. record.sh makes
// recording.txt of it. At a `brk` the kernel hands the registers to a handler, so that a function can be recorded
// anywhere, and the handler itself, too.
typedef unsigned long u64;

struct context {
  u64 before_registers[22];  // flags, link, alternate stack, mask and its reserve up to the aligned mcontext
  u64 fault_address;
  u64 x[31];
  u64 sp;
  u64 pc;
};

struct action {
  void (*handler)(int, void *, struct context *);
  u64 flags;
  void (*restorer)(void);
  u64 mask;
};

enum { SIGTRAP = 5, SIGUSR1 = 10 };
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_NODEFER = 0x40000000 };
enum { SYS_WRITE = 64, SYS_EXIT = 93, SYS_KILL = 129, SYS_SIGACTION = 134, SYS_GETPID = 172 };

static u64 stack_top;
static const char *point;

static u64 call(u64 number, u64 a, u64 b, u64 c, u64 d) {
  register u64 x8 __asm__("x8") = number;
  register u64 x0 __asm__("x0") = a;
  register u64 x1 __asm__("x1") = b;
  register u64 x2 __asm__("x2") = c;
  register u64 x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}

static void text(const char *s) {
  u64 length = 0;
  while (s[length]) length++;
  call(SYS_WRITE, 1, (u64)s, length, 0);
}

static void number(u64 value) {
  char digits[17];
  int at = sizeof(digits);
  do digits[--at] = "0123456789abcdef"[value & 15];
  while (value >>= 4);
  digits[--at] = ' ';
  call(SYS_WRITE, 1, (u64)digits + at, sizeof(digits) - at, 0);
}

static void dump(u64 pc, u64 sp, u64 fp, u64 lr) {
  text("point ");
  text(point);
  number(pc);
  number(sp);
  number(fp);
  number(lr);
  text("\nstack");
  for (u64 at = sp; at < stack_top; at += 8) number(*(u64 *)at);
  text("\n");
}

static void on_trap(int signal, void *info, struct context *context) {
  (void)signal, (void)info;
  dump(context->pc, context->sp, context->x[29], context->x[30]);
  context->pc += 4;
}

#define RECORD(name)    \
  do {                  \
    point = name;       \
    __asm__ volatile("brk #1" ::: "memory"); \
  } while (0)

#define FUNCTION __attribute__((noinline, noclone))

static volatile u64 sink;

/* Calls nobody and has no frame: the return address stays in the link register. */
FUNCTION static u64 leaf(u64 n) {
  RECORD("leaf");
  return n * 3;
}

/* Saves the link register; the frame pointer is one of the registers it may use. */
FUNCTION static u64 inner(u64 n) {
  u64 got = leaf(n + 1);
  RECORD("after the leaf");
  return got + n;
}

/* A frame whose size is known at run time: the CFA comes from the frame pointer. */
FUNCTION static u64 variable(u64 n) {
  volatile char *area = __builtin_alloca(n * 16);
  area[0] = 1;
  u64 got = inner(n + area[0]);
  return got + area[0];
}

/* A large frame: the saved registers are far from the CFA. */
FUNCTION static u64 large(u64 n) {
  volatile u64 area[128];
  area[n & 127] = n;
  u64 got = variable(n + 1);
  return got + area[n & 127];
}

FUNCTION static void on_user(int signal, void *info, struct context *context) {
  (void)info, (void)context;
  sink += inner((u64)signal);
}

/* Interrupted where nothing is saved. */
FUNCTION static void interrupted(u64 pid) {
  register u64 x8 __asm__("x8") = SYS_KILL;
  register u64 x0 __asm__("x0") = pid;
  register u64 x1 __asm__("x1") = SIGUSR1;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
}

FUNCTION static u64 outer(u64 n) {
  u64 got = large(n);
  interrupted(call(SYS_GETPID, 0, 0, 0, 0));
  return got + sink;
}

/* What the vDSO has: two instructions, no call frame information, and one before them that nobody executes. */
void restorer(void);
__asm__(
    ".text\n nop\n .globl restorer\n .type restorer, %function\n"
    "restorer:\n mov x8, #139\n svc #0\n .size restorer, . - restorer\n");

__attribute__((used)) static void run(u64 top) {
  stack_top = top;
  struct action action = {on_trap, SA_SIGINFO | SA_RESTORER | SA_NODEFER, restorer, 0};
  call(SYS_SIGACTION, SIGTRAP, (u64)&action, 0, 8);
  action.handler = on_user;
  call(SYS_SIGACTION, SIGUSR1, (u64)&action, 0, 8);
  sink = outer(5);
  call(SYS_EXIT, 0, 0, 0, 0);
}

__asm__(
    ".text\n .globl _start\n .type _start, %function\n"
    "_start:\n .cfi_startproc\n .cfi_undefined x30\n mov x29, #0\n mov x30, #0\n mov x0, sp\n bl run\n brk #2\n"
    ".cfi_endproc\n .size _start, . - _start\n");
