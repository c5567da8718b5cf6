// SPDX-License-Identifier: Apache-2.0
#include "unwind.h"

#include <cstring>

namespace otelprof {
namespace {

// As in the kernel program: see there for the reasons.
constexpr uint64_t kMaxFrameBytes = 16u << 20;
constexpr int kMaxStackSwitches = 3;

class Unwinder {
 public:
  Unwinder(UnwindRegisters registers, std::span<const uint8_t> stack, const MappingLookup& lookup, Machine machine,
           uint64_t codeMask)
      : machine_(machine), codeMask_(codeMask), regs_(registers), base_(registers.sp), stack_(stack), lookup_(lookup),
        returnAddress_(registers.returnAddress), viaFp_(registers.viaFp), stackSwitches_(registers.stackSwitches),
        linkRegister_(!registers.called), guessedSp_(registers.guessedSp) {}

  UnwindResult Run(std::vector<op_frame>* frames) {
    bool more = true;
    for (int i = regs_.depth; more && i < OP_LEAF_SLOTS; i++) more = Step(frames);
    if (tableMissing_) result_.error = OP_COUNT_TABLE_MISSING;
    if (more) result_.flags |= OP_SAMPLE_TRUNCATED;
    if (result_.error) result_.flags |= OP_SAMPLE_ERROR;
    return result_;
  }

 private:
  bool Read(uint64_t address, uint64_t* out) const {
    if (address < base_ || stack_.size() < sizeof(*out) || address - base_ > stack_.size() - sizeof(*out)) return false;
    std::memcpy(out, stack_.data() + (address - base_), sizeof(*out));
    return true;
  }
  bool StopWith(uint32_t error) {
    result_.error = error;
    return false;
  }
  bool StopComplete() {
    result_.flags |= OP_SAMPLE_COMPLETE;
    return false;
  }
  bool Step(std::vector<op_frame>* frames);
  bool StepFramePointer();
  bool StepX86Signal();
  bool StepX86(uint32_t rule);
  bool StepAarch64Signal();
  bool StepAarch64(uint32_t rule);
  void Enter(uint64_t ip, uint64_t sp, bool viaFp) {
    regs_.ip = ip & codeMask_;
    regs_.sp = sp;
    returnAddress_ = true;
    viaFp_ = viaFp;
    linkRegister_ = false;
    // On aarch64 the frame record may lie anywhere in its frame.
    guessedSp_ = viaFp && machine_ == Machine::Aarch64;
  }
  void Interrupted(const UnwindRegisters& registers) {
    regs_ = registers;
    returnAddress_ = false;
    viaFp_ = false;
    linkRegister_ = true;
    guessedSp_ = false;
  }

  const Machine machine_;
  const uint64_t codeMask_;
  UnwindRegisters regs_;
  uint64_t base_;
  std::span<const uint8_t> stack_;
  const MappingLookup& lookup_;
  UnwindMapping mapping_;
  UnwindResult result_;
  bool returnAddress_;
  bool viaFp_;
  int stackSwitches_;
  bool linkRegister_;  // lr is this frame's: nothing was called since
  bool guessedSp_;     // sp is lower than the frame's
  bool tableMissing_ = false;
};

bool Unwinder::StepFramePointer() {
  uint64_t fp = 0, ra = 0;
  if (regs_.fp == 0) return StopComplete();
  if (regs_.fp & 7) return StopWith(OP_COUNT_ERR_FP);
  if (regs_.fp < regs_.sp || regs_.fp - regs_.sp > kMaxFrameBytes)
    if (!mapping_.file || ++stackSwitches_ > kMaxStackSwitches) return StopWith(OP_COUNT_ERR_FP);
  if (!Read(regs_.fp, &fp) || !Read(regs_.fp + 8, &ra)) return StopWith(OP_COUNT_ERR_READ);
  if (ra == 0) return StopComplete();
  Enter(ra, regs_.fp + 16, true);
  regs_.fp = fp;
  return true;
}

bool Unwinder::StepX86Signal() {
  UnwindRegisters next;
  if (!Read(regs_.sp + OP_X86_UCONTEXT_RBP, &next.fp) || !Read(regs_.sp + OP_X86_UCONTEXT_RSP, &next.sp) ||
      !Read(regs_.sp + OP_X86_UCONTEXT_RIP, &next.ip))
    return StopWith(OP_COUNT_ERR_READ);
  Interrupted(next);
  return true;
}

bool Unwinder::StepAarch64Signal() {
  UnwindRegisters next;
  const uint64_t x29 = regs_.sp + OP_AARCH64_SIGNAL_X29;
  if (!Read(x29, &next.fp) || !Read(x29 + 8, &next.lr) || !Read(x29 + 16, &next.sp) || !Read(x29 + 24, &next.ip))
    return StopWith(OP_COUNT_ERR_READ);
  Interrupted(next);
  return true;
}

bool Unwinder::StepAarch64(uint32_t rule) {
  const uint32_t kind = OP_RULE_KIND(rule);
  if (kind == OP_RULE_SIGNAL) return guessedSp_ ? StepFramePointer() : StepAarch64Signal();
  if (kind == OP_RULE_END) return StopComplete();
  // The frame record is what is certain after a frame-pointer step.
  if (kind != OP_RULE_FP && guessedSp_) return StepFramePointer();
  const uint64_t cfa = (kind == OP_RULE_FP ? regs_.fp : regs_.sp) + static_cast<uint64_t>(int64_t{static_cast<int16_t>(rule >> 16)} * 8);
  const uint64_t saved = OP_RULE_RA_WORDS(rule) * 8;
  uint64_t ra = regs_.lr;
  if (!saved) {
    // Only a frame that has called nobody has its return address in the register; it need not have a stack.
    if (!linkRegister_ || cfa < regs_.sp || (cfa & 7)) return StopWith(OP_COUNT_ERR_CFA);
  } else {
    if (cfa <= regs_.sp || (cfa & 7)) return StopWith(OP_COUNT_ERR_CFA);
    if (!Read(cfa - saved, &ra)) return StopWith(OP_COUNT_ERR_READ);
    if ((rule & OP_RULE_RECORD) && !Read(cfa - saved - 8, &regs_.fp)) return StopWith(OP_COUNT_ERR_READ);
  }
  if (ra == 0) return StopComplete();
  Enter(ra, cfa, false);
  return true;
}

bool Unwinder::StepX86(uint32_t rule) {
  const uint32_t kind = OP_RULE_KIND(rule);
  const int64_t words = static_cast<int16_t>(rule >> 16);
  const uint64_t offset = static_cast<uint64_t>(words * 8);
  const uint64_t saved = OP_RULE_FP_WORDS(rule) * 8;
  uint64_t cfa = 0, ra = 0;
  switch (kind) {
    case OP_RULE_SP:
      cfa = regs_.sp + offset;
      break;
    case OP_RULE_FP:
      cfa = regs_.fp + offset;
      break;
    case OP_RULE_PLT:
      cfa = regs_.sp + 8 + ((regs_.ip & 15) >= static_cast<uint64_t>(words) ? 8 : 0);
      break;
    case OP_RULE_SIGNAL:
      return StepX86Signal();
    case OP_RULE_END:
      return StopComplete();
    default:
      if (!Read((kind == OP_RULE_FP_DEREF ? regs_.fp : regs_.sp) + offset, &cfa)) return StopWith(OP_COUNT_ERR_READ);
      if (kind == OP_RULE_SP_DEREF) cfa += 8;
  }
  if (cfa <= regs_.sp || (cfa & 7)) return StopWith(OP_COUNT_ERR_CFA);
  if (!Read(cfa - 8, &ra)) return StopWith(OP_COUNT_ERR_READ);
  if (kind == OP_RULE_FP_DEREF || saved) {
    const uint64_t slot = kind == OP_RULE_FP_DEREF ? regs_.fp : cfa - saved;
    // Epilogues pop the register and keep the row: what lies below the stack pointer is back in the register.
    if (!Read(slot, &regs_.fp) && slot >= regs_.sp) return StopWith(OP_COUNT_ERR_READ);
  }
  if (ra == 0) return StopComplete();
  Enter(ra, cfa, false);
  return true;
}

bool Unwinder::Step(std::vector<op_frame>* frames) {
  const uint64_t pc = regs_.ip - (returnAddress_ ? 1 : 0);
  bool mapped = pc >= mapping_.start && pc < mapping_.end;
  if (!mapped) {
    mapping_ = {};
    mapped = lookup_(pc, &mapping_);
  }
  if (!mapped) {
    mapping_ = {};
    result_.flags |= OP_SAMPLE_UNKNOWN_MAPPING;
    if (viaFp_) return StopWith(OP_COUNT_ERR_PC);
  }
  op_frame frame{};
  const bool hasFile = mapped && mapping_.file;
  frame.addr = hasFile ? regs_.ip - mapping_.bias : regs_.ip;
  frame.file = hasFile ? mapping_.file : 0;
  frame.kind = hasFile ? OP_FRAME_FILE : mapped ? OP_FRAME_JIT : OP_FRAME_PC;
  frame.flags = returnAddress_ ? OP_FRAME_RETURN_ADDRESS : 0;
  frames->push_back(frame);

  if (hasFile) {
    if (!mapping_.table) {
      tableMissing_ = true;
    } else if (const uint32_t rule = FindRule(*mapping_.table, pc - mapping_.bias); OP_RULE_KIND(rule) != OP_RULE_NONE) {
      if (OP_RULE_KIND(rule) == OP_RULE_SIGNAL) frames->back().flags = 0;
      return machine_ == Machine::Aarch64 ? StepAarch64(rule) : StepX86(rule);
    }
  }
  return StepFramePointer();
}

}  // namespace

UnwindResult UnwindStack(UnwindRegisters registers, std::span<const uint8_t> stack, const MappingLookup& lookup,
                         std::vector<op_frame>* frames, Machine machine, uint64_t codeMask) {
  return Unwinder(registers, stack, lookup, machine, codeMask).Run(frames);
}

}  // namespace otelprof
