// SPDX-License-Identifier: Apache-2.0
// The user-space unwinder, which takes the same steps as the kernel program: made-up stacks for every
// rule and error, then this very program's stack against libgcc's unwinder.
#include <fcntl.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "elf/eh_frame.h"
#include "proc_fs.h"
#include "profiled_file.h"
#include "unique_fd.h"
#include "unwind/unwind.h"
#include "unwind_check.h"

namespace otelprof {
namespace {

constexpr uint64_t kCode = 0x400000;
constexpr uint64_t kStack = 0x7ffc00000000;

/// One mapping of code at kCode (file 1, bias 0) and a stack of words at kStack.
class MadeUp {
 public:
  explicit MadeUp(std::vector<op_row> rows) : table_(IndexRows(rows, nullptr)) {}

  UnwindResult Run(UnwindRegisters registers, const std::vector<uint64_t>& words) {
    frames.clear();
    const auto lookup = [this](uint64_t pc, UnwindMapping* out) {
      if (pc < kCode || pc >= kCode + 0x10000) return false;
      *out = {kCode, kCode + 0x10000, 0, 1, hasTable ? &table_ : nullptr};
      return true;
    };
    return UnwindStack(registers, {reinterpret_cast<const uint8_t*>(words.data()), words.size() * 8}, lookup,
                       &frames, Machine::X86_64, ~uint64_t{0});
  }

  std::vector<op_frame> frames;
  bool hasTable = true;

 private:
  UnwindTable table_;
};

constexpr uint64_t At(uint64_t offset) { return kCode + offset; }
op_row Row(uint64_t offset, uint32_t rule) { return {static_cast<uint32_t>(At(offset)), rule}; }

void TestRules() {
  // leaf 0x100 (rsp+16) ← 0x200 (rbp+16, rbp saved) ← 0x300 (outermost)
  MadeUp code({Row(0x100, OP_RULE(OP_RULE_SP, 2, 0)), Row(0x200, OP_RULE(OP_RULE_FP, 2, 2)),
               Row(0x300, OP_RULE(OP_RULE_END, 0, 0)), Row(0x400, OP_RULE(OP_RULE_PLT, 11, 0)),
               Row(0x500, OP_RULE(OP_RULE_SIGNAL, 0, 0)), Row(0x600, OP_RULE(OP_RULE_SP_DEREF, 1, 0)),
               Row(0x700, OP_RULE(OP_RULE_FP_DEREF, -1, 0)), Row(0x800, OP_RULE_NONE)});
  std::vector<uint64_t> stack = {0, At(0x210), 1, 2, /*rbp:*/ 77, At(0x310), 0, 0};
  auto result = code.Run({At(0x110), kStack, kStack + 32}, stack);
  CHECK_EQ(result.error, 0u);
  CHECK(result.flags & OP_SAMPLE_COMPLETE);
  CHECK_EQ(code.frames.size(), size_t{3});
  CHECK_EQ(code.frames[0].flags, 0);
  CHECK_EQ(code.frames[2].addr, At(0x310));
  CHECK_EQ(code.frames[2].flags, OP_FRAME_RETURN_ADDRESS);

  // A call at the very end of a function: the return address lies in the next one.
  stack[1] = At(0x300);
  result = code.Run({At(0x110), kStack, kStack + 32}, stack);
  CHECK_EQ(code.frames.size(), size_t{3});

  // PLT: before and after the push.
  result = code.Run({At(0x405), kStack, 0}, {At(0x310)});
  CHECK_EQ(code.frames.size(), size_t{2});
  result = code.Run({At(0x40b), kStack, 0}, {5, At(0x310)});
  CHECK_EQ(code.frames.size(), size_t{2});

  // Signal frame: registers come from the ucontext, and its pc is not a return address.
  std::vector<uint64_t> context(64);
  context[15] = 0;                 // rbp
  context[20] = kStack + 60 * 8;   // rsp
  context[21] = At(0x300);         // rip
  result = code.Run({At(0x500), kStack, 0}, context);
  CHECK_EQ(code.frames.size(), size_t{2});
  CHECK_EQ(code.frames[1].flags, 0);
  CHECK(result.flags & OP_SAMPLE_COMPLETE);

  result = code.Run({At(0x600), kStack, 0}, {0, kStack + 24, 0, At(0x310), 0});
  CHECK_EQ(code.frames.size(), size_t{2});
  result = code.Run({At(0x700), kStack, kStack + 16}, {0, kStack + 48, 0, 0, 0, At(0x310)});
  CHECK_EQ(code.frames.size(), size_t{2});
  CHECK(result.flags & OP_SAMPLE_COMPLETE);
}

void TestFramePointers() {
  MadeUp code({Row(0x100, OP_RULE_NONE)});
  auto result = code.Run({At(0x110), kStack, kStack + 16}, {0, 0, kStack + 40, At(0x210), 0, 0, At(0x310), 0});
  CHECK_EQ(code.frames.size(), size_t{3});
  CHECK(result.flags & OP_SAMPLE_COMPLETE);
  CHECK_EQ(result.error, 0u);
  // A return address outside of known code is no frame.
  result = code.Run({At(0x110), kStack, kStack}, {kStack + 16, 0x1234});
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_PC));
  CHECK_EQ(code.frames.size(), size_t{1});
  result = code.Run({At(0x110), kStack, kStack + 3}, {0, 0});
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_FP));
  result = code.Run({At(0x110), kStack, kStack + 800}, {0, 0});
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_READ));
  // Without a table the walk is a guess and says so.
  code.hasTable = false;
  result = code.Run({At(0x110), kStack, 0}, {0});
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_TABLE_MISSING));
}

void TestErrors() {
  MadeUp code({Row(0x100, OP_RULE(OP_RULE_SP, 1, 0)), Row(0x200, OP_RULE(OP_RULE_FP, 0, 0))});
  auto result = code.Run({At(0x210), kStack + 8, kStack}, {0, 0, 0});
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_CFA));
  result = code.Run({At(0x110), kStack, 0}, {});
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_READ));
  const std::vector<uint64_t> deep(5000, At(0x110));
  result = code.Run({At(0x110), kStack, 0}, deep);
  CHECK(result.flags & OP_SAMPLE_TRUNCATED);
  CHECK_EQ(code.frames.size(), size_t{OP_LEAF_SLOTS});
}

struct LoadedMapping {
  uint32_t number;  // stands for the file id
  ProcMapsLine line;
  uint64_t bias;
  std::shared_ptr<UnwindTable> table;
};

std::vector<LoadedMapping> OwnMappings() {
  std::vector<LoadedMapping> out;
  std::vector<ProcMapsLine> lines;
  CHECK(ReadExecutableMappings(static_cast<int>(getpid()), &lines));
  for (const auto& line : lines) {
    const UniqueFd fd(open(line.path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string error;
    const auto image = fd ? ElfFile::Open(fd.get(), &error) : nullptr;
    if (!image) continue;
    const ProfiledFile file(1, {}, line.path, "", UniqueFd(), ExecutableSegments(*image));
    uint64_t va = 0;
    CHECK(file.AddressOfOffset(line.offset, &va));
    out.push_back({static_cast<uint32_t>(out.size()) + 1, line, line.start - va, std::make_shared<UnwindTable>(CompileUnwindTable(*image, nullptr))});
  }
  return out;
}

const std::vector<LoadedMapping>* g_mappings;
std::vector<uint64_t> g_expected;
std::vector<op_frame> g_frames;
UnwindResult g_result;

/// Return addresses above the caller, as libgcc's unwinder finds them.
__attribute__((noinline)) void FramesByLibgcc(std::vector<uint64_t>* out) {
  _Unwind_Backtrace(
      [](_Unwind_Context* context, void* list) {
        if (const uint64_t pc = _Unwind_GetIP(context)) static_cast<std::vector<uint64_t>*>(list)->push_back(pc);
        return _URC_NO_REASON;
      },
      out);
}

/// Copies the live stack and unwinds it, then asks libgcc.
__attribute__((noinline, no_sanitize("address"))) int Compare(const void* a, const void* b) {
  if (g_expected.empty()) {
    UnwindRegisters registers;
#if defined(__aarch64__)
    asm volatile("adr %0, .\n mov %1, sp\n mov %2, x29\n mov %3, x30"
                 : "=r"(registers.ip), "=r"(registers.sp), "=r"(registers.fp), "=r"(registers.lr));
#else
    asm volatile("leaq 0(%%rip), %0\n movq %%rsp, %1\n movq %%rbp, %2"
                 : "=r"(registers.ip), "=r"(registers.sp), "=r"(registers.fp));
#endif
    std::vector<uint64_t> copy(4096);
    // libc's start code lies within a few KiB; environ marks memory that is surely mapped above it.
    const uint64_t top = reinterpret_cast<uint64_t>(environ[0]);
    const size_t bytes = std::min<uint64_t>(copy.size() * 8, top - registers.sp) & ~7ull;
    const auto* from = reinterpret_cast<const volatile uint64_t*>(registers.sp);
    for (size_t i = 0; i < bytes / 8; i++) copy[i] = from[i];
    const auto lookup = [](uint64_t pc, UnwindMapping* out) {
      for (const auto& m : *g_mappings) {
        if (pc < m.line.start || pc >= m.line.end) continue;
        *out = {m.line.start, m.line.end, m.bias, m.number, m.table.get()};
        return true;
      }
      return false;
    };
    g_result = UnwindStack(registers, {reinterpret_cast<const uint8_t*>(copy.data()), bytes}, lookup, &g_frames);
    FramesByLibgcc(&g_expected);
  }
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

void TestLiveStack() {
  const auto mappings = OwnMappings();
  g_mappings = &mappings;
  int numbers[] = {5, 3, 9, 1, 7, 2, 8, 4, 6, 0};
  qsort(numbers, std::size(numbers), sizeof(int), Compare);
  std::printf("live stack: %zu frames, libgcc says %zu, error %u\n", g_frames.size(), g_expected.size(), g_result.error);
  CHECK(g_result.flags & OP_SAMPLE_COMPLETE);
  CHECK_EQ(g_result.error, 0u);
  CHECK(g_frames.size() >= 5);
  // From the root down every return address must agree; what is innermost depends on inlining.
  for (size_t i = 1; i < g_frames.size() && i < g_expected.size(); i++) {
    const op_frame& frame = g_frames[g_frames.size() - i];
    if (!(frame.flags & OP_FRAME_RETURN_ADDRESS)) break;
    const auto it = std::find_if(mappings.begin(), mappings.end(),
                                 [&](const LoadedMapping& m) { return m.number == frame.file; });
    CHECK(it != mappings.end());
    if (it == mappings.end()) break;
    CHECK_EQ(frame.addr + it->bias, g_expected[g_expected.size() - i]);
  }
}

}  // namespace
}  // namespace otelprof

int main() {
  using namespace otelprof;
  TestRules();
  TestFramePointers();
  TestErrors();
  TestLiveStack();
  return failures() != 0;
}
