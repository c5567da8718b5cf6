// SPDX-License-Identifier: Apache-2.0
// Input: minor version, flags, address of a code object, then pieces of a process's memory: address, length (two
// bytes), bytes. With flag 1 the first piece is the interpreter's table of offsets.
#include "fuzz.h"
#include "runtimes/python/detect.h"
#include "runtimes/python/symbolize.h"

using namespace otelprof;
using namespace otelprof::fuzz;

namespace {

constexpr size_t kBudgetBytes = 128u << 10;

class Memory final : public RemoteMemory {
 public:
  explicit Memory(Input* in) : RemoteMemory(0, kBudgetBytes) {
    while (in->remaining() > 10) {
      const auto address = in->Take<uint64_t>();
      pieces_.push_back({address, in->Piece()});
    }
  }

 protected:
  bool ReadRaw(uint64_t address, std::span<uint8_t> out) override {
    for (const auto& [start, bytes] : pieces_) {
      if (address < start || address - start > bytes.size() || out.size() > bytes.size() - (address - start)) continue;
      std::memcpy(out.data(), bytes.data() + (address - start), out.size());
      return true;
    }
    return false;
  }

 private:
  std::vector<std::pair<uint64_t, std::span<const uint8_t>>> pieces_;
};

/// The key that the kernel program would have made of this memory.
FunctionKey KeyOf(Memory& memory, const python::Layout& layout, uint64_t address) {
  FunctionKey key{address, 0, 0};
  uint64_t name = 0, hash = 0;
  memory.Read(address + layout.kernel.code_name, &name);
  memory.Read(address + layout.kernel.code_first_line, &key.cookie2);
  memory.Read(name + OP_PYTHON_STRING_HASH, &hash);
  key.cookie = OP_PYTHON_COOKIE(name, hash);
  return key;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  const uint32_t version = 3u << 8 | in.Take<uint8_t>();
  const uint8_t flags = in.Take<uint8_t>();
  const uint64_t address = in.Take<uint64_t>();
  const auto table = flags & 1 ? in.Piece() : std::span<const uint8_t>();
  python::DecodeThreadAccessor(table, address);
  const auto layout = flags & 1 ? python::LayoutFromDebugOffsets(table) : python::LayoutOf(version);
  if (!layout) return 0;
  FUZZ_CHECK(layout->kernel.frame_bytes <= 120);
  Memory memory(&in);
  const FunctionKey key = KeyOf(memory, *layout, address);
  std::shared_ptr<const RuntimeFunction> function;
  const ReadOutcome outcome = python::ReadCode(memory, *layout, key, &function);
  FUZZ_CHECK((outcome == ReadOutcome::Named) == (function != nullptr));
  if (!function) return 0;
  FUZZ_CHECK(function->sizeBytes() < kBudgetBytes);
  for (uint32_t position = 0; position < 200; position++) {
    const ResolvedFrame frame = function->At(position << (position % 24));
    FUZZ_CHECK(ValidUtf8(frame.name) == frame.name && ValidUtf8(frame.file, kBudgetBytes) == frame.file);
  }
  return 0;
}
