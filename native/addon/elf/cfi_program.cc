// SPDX-License-Identifier: Apache-2.0
#include "cfi_program.h"

#include "byte_reader.h"

namespace otelprof {
namespace {

/// DWARF register numbers.
struct Registers {
  uint64_t fp;
  uint64_t sp;
};
constexpr Registers kX86Registers = {6, 7};         // rbp, rsp
constexpr Registers kAarch64Registers = {29, 31};  // x29, sp; the return address is in x30

const Registers& RegistersOf(Machine machine) {
  return machine == Machine::Aarch64 ? kAarch64Registers : kX86Registers;
}

constexpr size_t kMaxRememberDepth = 64;

using Cfa = CfiState::Cfa;
using Saved = RegisterRule::Kind;
using State = CfiState;

bool FitsWords(int64_t bytes, int64_t lowWords, int64_t highWords) {
  return (bytes & 7) == 0 && bytes / 8 >= lowWords && bytes / 8 <= highWords;
}

/// The return address in the link register or below the CFA; the frame pointer next to it or unchanged.
uint32_t EncodeAarch64Rule(const State& state, bool signalFrame) {
  if (signalFrame) return OP_RULE(OP_RULE_SIGNAL, 0, 0);
  if (state.ra.kind == Saved::Undefined) return OP_RULE(OP_RULE_END, 0, 0);
  if (state.cfa != Cfa::Register || !FitsWords(state.cfaOffset, INT16_MIN, INT16_MAX)) return OP_RULE_NONE;
  int64_t raBytes = 0;
  if (state.ra.kind == Saved::AtCfa) {
    if (!FitsWords(state.ra.offset, -OP_RULE_MAX_RA_WORDS, -1)) return OP_RULE_NONE;
    raBytes = -state.ra.offset;
  } else if (state.ra.kind != Saved::Same) {
    return OP_RULE_NONE;
  }
  const bool record = state.fp.kind == Saved::AtCfa;
  if (record && (!raBytes || state.fp.offset != -raBytes - 8)) return OP_RULE_NONE;
  if (!record && state.fp.kind != Saved::Same) return OP_RULE_NONE;
  const uint16_t cfaWords = static_cast<uint16_t>(state.cfaOffset / 8);
  const uint32_t raWords = static_cast<uint32_t>(raBytes / 8);
  if (state.cfaRegister == kAarch64Registers.sp) return OP_RULE_AARCH64(OP_RULE_SP, cfaWords, raWords, record);
  if (state.cfaRegister == kAarch64Registers.fp) return OP_RULE_AARCH64(OP_RULE_FP, cfaWords, raWords, record);
  return OP_RULE_NONE;
}

/// The rule word of the kernel program, OP_RULE_NONE for what it cannot express.
uint32_t EncodeX86Rule(const State& state, bool signalFrame) {
  if (signalFrame) return OP_RULE(OP_RULE_SIGNAL, 0, 0);
  if (state.ra.kind == Saved::Undefined) return OP_RULE(OP_RULE_END, 0, 0);
  if (state.ra.kind != Saved::AtCfa || state.ra.offset != -8) return OP_RULE_NONE;
  const int64_t offset = state.cfa == Cfa::Register ? state.cfaOffset : state.cfaOperand;
  if (!FitsWords(offset, INT16_MIN, INT16_MAX)) return OP_RULE_NONE;
  const uint16_t cfaWords = static_cast<uint16_t>(offset / 8);
  if (state.cfa == Cfa::FpDeref) {
    if (state.fp.kind != Saved::AtFp || state.fp.offset != 0) return OP_RULE_NONE;
    return OP_RULE(OP_RULE_FP_DEREF, cfaWords, 0);
  }

  const bool isSp = state.cfa == Cfa::Register && state.cfaRegister == kX86Registers.sp;
  uint32_t fpWords = 0;
  if (state.fp.kind == Saved::AtCfa) {
    if (!FitsWords(-state.fp.offset, 1, OP_RULE_MAX_FP_WORDS)) return OP_RULE_NONE;
    fpWords = static_cast<uint32_t>(-state.fp.offset / 8);
  } else if (state.fp.kind == Saved::AtFp && isSp && offset == 8) {
    // The return of a function that realigned its stack: GCC does not say that rbp is the caller's again.
  } else if (state.fp.kind == Saved::Unsupported || state.fp.kind == Saved::AtFp) {
    return OP_RULE_NONE;
  }
  switch (state.cfa) {
    case Cfa::Register:
      if (isSp) return OP_RULE(OP_RULE_SP, cfaWords, fpWords);
      if (state.cfaRegister == kX86Registers.fp) return OP_RULE(OP_RULE_FP, cfaWords, fpWords);
      return OP_RULE_NONE;
    case Cfa::Plt:
      return OP_RULE(OP_RULE_PLT, cfaWords, fpWords);
    case Cfa::SpDeref:
      return OP_RULE(OP_RULE_SP_DEREF, cfaWords, fpWords);
    default:
      return OP_RULE_NONE;
  }
}

/// The few CFA expressions compilers and linkers emit.
void DecodeCfaExpression(std::span<const uint8_t> expression, State* state) {
  constexpr uint8_t kBreg6 = 0x76, kBreg7 = 0x77, kDeref = 0x06, kPlusUconst = 0x23;
  state->cfa = Cfa::Unsupported;
  state->cfaOperand = 0;
  // Linker-made PLT: breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus
  if (expression.size() == 11 && expression[0] == kBreg7 && expression[1] == 8 && expression[2] == 0x80 &&
      expression[3] == 0 && expression[4] == 0x3f && expression[5] == 0x1a && expression[6] >= 0x30 &&
      expression[6] <= 0x3f && expression[7] == 0x2a && expression[8] == 0x33 && expression[9] == 0x24 &&
      expression[10] == 0x22) {
    state->cfa = Cfa::Plt;
    state->cfaOperand = (expression[6] - 0x30) * 8;
    return;
  }
  ByteReader in(expression);
  const uint8_t op = in.Read<uint8_t>();
  const int64_t offset = in.Sleb();
  if (in.Read<uint8_t>() != kDeref || !in.ok()) return;
  if (op == kBreg6 && in.done()) {
    state->cfa = Cfa::FpDeref;  // GCC: stack realigned, CFA kept in a slot
    state->cfaOperand = offset;
  } else if (op == kBreg7 && in.Read<uint8_t>() == kPlusUconst && in.Uleb() == 8 && in.ok() && in.done()) {
    state->cfa = Cfa::SpDeref;  // OpenSSL's assembly
    state->cfaOperand = offset;
  }
}

/// Interprets one instruction stream; `Advance` hands out the row that ends.
class Interpreter {
 public:
  Interpreter(const Cie& cie, uint64_t start, uint64_t end, const CfiRowSink* sink)
      : cie_(cie), registers_(RegistersOf(cie.machine)), pc_(start), end_(end), sink_(sink), state_(cie.initial) {}

  bool Run(std::span<const uint8_t> code) {
    ByteReader in(code);
    while (!in.done() && pc_ < end_)
      if (!Step(in)) return false;
    return in.ok();
  }

  const State& state() const { return state_; }
  void Flush() { Emit(); }

 private:
  void Emit() {
    if (pc_ >= end_ || pc_ > UINT32_MAX) return;
    const uint32_t rule = cie_.machine == Machine::Aarch64 ? EncodeAarch64Rule(state_, cie_.signalFrame)
                                                           : EncodeX86Rule(state_, cie_.signalFrame);
    if (rule == OP_RULE_NONE) (*sink_->unsupported)++;
    auto& rows = *sink_->rows;
    const uint32_t pc = static_cast<uint32_t>(pc_);
    if (!rows.empty() && rows.back().pc == pc) rows.pop_back();
    if (rows.empty() || rows.back().rule != rule) rows.push_back({pc, rule});
  }

  bool Advance(uint64_t units) {
    if (!sink_) return false;  // a CIE has no addresses
    if (units == 0) return true;
    Emit();
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(units, cie_.codeAlign, &bytes) || __builtin_add_overflow(pc_, bytes, &pc_))
      pc_ = end_;
    return true;
  }

  void Set(uint64_t reg, RegisterRule rule) {
    if (reg == registers_.fp) state_.fp = rule;
    if (reg == cie_.returnRegister) state_.ra = rule;
  }

  void Restore(uint64_t reg) {
    if (reg == registers_.fp) state_.fp = cie_.initial.fp;
    if (reg == cie_.returnRegister) state_.ra = cie_.initial.ra;
  }

  int64_t Scaled(int64_t value) const {
    int64_t out = 0;
    // An overflowing offset fits no rule word, as INT64_MAX does not either.
    return __builtin_mul_overflow(value, cie_.dataAlign, &out) ? INT64_MAX : out;
  }

  void SetCfa(uint64_t reg, int64_t offset) {
    state_.cfa = Cfa::Register;
    state_.cfaRegister = reg;
    state_.cfaOffset = offset;
  }

  bool Step(ByteReader& in);
  bool StepExtended(ByteReader& in, uint8_t op);
  void SavedByExpression(ByteReader& in);

  const Cie& cie_;
  const Registers& registers_;
  uint64_t pc_;
  uint64_t end_;
  const CfiRowSink* sink_;  // nullptr while a CIE is run
  State state_;
  std::vector<State> remembered_;
};

bool Interpreter::Step(ByteReader& in) {
  const uint8_t op = in.Read<uint8_t>();
  const uint8_t low = op & 0x3f;
  switch (op >> 6) {
    case 1:  // advance_loc
      return Advance(low);
    case 2:  // offset
      Set(low, {Saved::AtCfa, Scaled(static_cast<int64_t>(in.Uleb()))});
      return in.ok();
    case 3:  // restore
      Restore(low);
      return true;
    default:
      return StepExtended(in, low);
  }
}

void Interpreter::SavedByExpression(ByteReader& in) {
  const uint64_t reg = in.Uleb();
  ByteReader expression(in.Take(in.Uleb()));
  const bool viaRbp = expression.Read<uint8_t>() == 0x76;  // breg6
  const int64_t offset = expression.Sleb();
  const bool simple = viaRbp && expression.ok() && expression.done();
  Set(reg, {simple ? Saved::AtFp : Saved::Unsupported, offset});
}

bool Interpreter::StepExtended(ByteReader& in, uint8_t op) {
  switch (op) {
    case 0x00:  // nop
      return true;
    case 0x02:
      return Advance(in.Read<uint8_t>());
    case 0x03:
      return Advance(in.Read<uint16_t>());
    case 0x04:
      return Advance(in.Read<uint32_t>());
    case 0x05: {  // offset_extended
      const uint64_t reg = in.Uleb();
      Set(reg, {Saved::AtCfa, Scaled(static_cast<int64_t>(in.Uleb()))});
      return in.ok();
    }
    case 0x06:  // restore_extended
      Restore(in.Uleb());
      return in.ok();
    case 0x07:  // undefined
      Set(in.Uleb(), {Saved::Undefined, 0});
      return in.ok();
    case 0x08:  // same_value
      Set(in.Uleb(), {Saved::Same, 0});
      return in.ok();
    case 0x09:  // register
      Set(in.Uleb(), {Saved::Unsupported, 0});
      in.Uleb();
      return in.ok();
    case 0x0a:  // remember_state
      if (remembered_.size() >= kMaxRememberDepth) return false;
      remembered_.push_back(state_);
      return true;
    case 0x0b:  // restore_state
      if (remembered_.empty()) return false;
      state_ = remembered_.back();
      remembered_.pop_back();
      return true;
    case 0x0c: {  // def_cfa
      const uint64_t reg = in.Uleb();
      SetCfa(reg, static_cast<int64_t>(in.Uleb()));
      return in.ok();
    }
    case 0x0d:  // def_cfa_register
      SetCfa(in.Uleb(), state_.cfaOffset);
      return in.ok();
    case 0x0e:  // def_cfa_offset
      state_.cfaOffset = static_cast<int64_t>(in.Uleb());
      return in.ok();
    case 0x0f:  // def_cfa_expression
      DecodeCfaExpression(in.Take(in.Uleb()), &state_);
      return in.ok();
    case 0x10:  // expression
      SavedByExpression(in);
      return in.ok();
    case 0x11: {  // offset_extended_sf
      const uint64_t reg = in.Uleb();
      Set(reg, {Saved::AtCfa, Scaled(in.Sleb())});
      return in.ok();
    }
    case 0x12: {  // def_cfa_sf
      const uint64_t reg = in.Uleb();
      SetCfa(reg, Scaled(in.Sleb()));
      return in.ok();
    }
    case 0x13:  // def_cfa_offset_sf
      state_.cfaOffset = Scaled(in.Sleb());
      return in.ok();
    case 0x14:  // val_offset
      Set(in.Uleb(), {Saved::Unsupported, 0});
      in.Uleb();
      return in.ok();
    case 0x15:  // val_offset_sf
      Set(in.Uleb(), {Saved::Unsupported, 0});
      in.Sleb();
      return in.ok();
    case 0x16:  // val_expression
      Set(in.Uleb(), {Saved::Unsupported, 0});
      in.Skip(in.Uleb());
      return in.ok();
    case 0x2c:  // AARCH64_negate_ra_state_with_pc
    case 0x2d:  // AARCH64_negate_ra_state: the unwinder drops an authentication code wherever there may be one
      return cie_.machine == Machine::Aarch64;
    case 0x2e:  // GNU_args_size
      in.Uleb();
      return in.ok();
    case 0x2f: {  // GNU_negative_offset_extended
      const uint64_t reg = in.Uleb();
      Set(reg, {Saved::AtCfa, -Scaled(static_cast<int64_t>(in.Uleb()))});
      return in.ok();
    }
    default:  // also set_loc (0x01), which no producer emits for these machines
      return false;
  }
}

}  // namespace

bool RunCieProgram(std::span<const uint8_t> instructions, Cie* cie) {
  Interpreter interpreter(*cie, 0, UINT64_MAX, nullptr);
  const bool ok = interpreter.Run(instructions);
  cie->initial = interpreter.state();
  return ok;
}

bool RunCfiProgram(const Cie& cie, std::span<const uint8_t> instructions, uint64_t start, uint64_t end,
                   CfiRowSink sink) {
  Interpreter interpreter(cie, start, end, &sink);
  const bool ok = interpreter.Run(instructions);
  interpreter.Flush();
  return ok;
}

}  // namespace otelprof
