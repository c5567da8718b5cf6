/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * Registers by machine: how the kernel calls them, and which of them unwinding begins with. `mode` is the register that
 * tells user mode from kernel mode.
 */
#if defined(__TARGET_ARCH_arm64)

#define OP_MODE(regs) ((regs)->pstate)
#define OP_READ_MODE(regs) BPF_CORE_READ(regs, pstate)
#define OP_KERNEL_MODE 5 /* EL1h */

#define OP_SET_REGISTERS(s, from)  \
  do {                             \
    (s)->ip = (from)->pc;          \
    (s)->sp = (from)->sp;          \
    (s)->fp = (from)->regs[29];    \
    (s)->lr = (from)->regs[30];    \
  } while (0)
#define OP_READ_REGISTERS(s, from)               \
  do {                                           \
    (s)->ip = BPF_CORE_READ(from, pc);           \
    (s)->sp = BPF_CORE_READ(from, sp);           \
    (s)->fp = BPF_CORE_READ(from, regs[29]);     \
    (s)->lr = BPF_CORE_READ(from, regs[30]);     \
  } while (0)

/* The stack pointer at the entry of the function whose caller's is `sp`. */
#define OP_ENTRY_SP(sp) (sp)

static __always_inline bool is_user_mode(__u64 mode) { return !(mode & 0xf); }
static __always_inline bool is_user_64(__u64 mode) { return !(mode & 0x1f); }
static __always_inline __u64 thread_pointer(struct task_struct *task) {
  return BPF_CORE_READ(task, thread.uw.tp_value);
}

#else

#define OP_MODE(regs) ((regs)->cs)
#define OP_READ_MODE(regs) BPF_CORE_READ(regs, cs)
#define OP_KERNEL_MODE 0

#define OP_SET_REGISTERS(s, from) \
  do {                            \
    (s)->ip = (from)->ip;         \
    (s)->sp = (from)->sp;         \
    (s)->fp = (from)->bp;         \
  } while (0)
#define OP_READ_REGISTERS(s, from)      \
  do {                                  \
    (s)->ip = BPF_CORE_READ(from, ip);  \
    (s)->sp = BPF_CORE_READ(from, sp);  \
    (s)->fp = BPF_CORE_READ(from, bp);  \
  } while (0)

/* The stack pointer at the entry of the function whose caller's is `sp`: there is the return address. */
#define OP_ENTRY_SP(sp) ((sp)-8)

#define OP_USER_CS_64 0x33
static __always_inline bool is_user_mode(__u64 mode) { return (mode & 3) == 3; }
static __always_inline bool is_user_64(__u64 mode) { return mode == OP_USER_CS_64; }
static __always_inline __u64 thread_pointer(struct task_struct *task) { return BPF_CORE_READ(task, thread.fsbase); }

#endif
