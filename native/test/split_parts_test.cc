// SPDX-License-Identifier: Apache-2.0
// The parts of functions that the compiler moved away, against the symbols of this program, which are not read.
#include <elf.h>
#include <fcntl.h>

#include <cstring>
#include <map>
#include <string>

#include "../addon/elf/eh_frame.h"
#include "../addon/unique_fd.h"
#include "test_macros.h"

namespace otelprof {
namespace {

std::map<std::string, CodeRange> FunctionsOf(const ElfFile& image) {
  std::map<std::string, CodeRange> out;
  const auto* section = image.section(".symtab");
  if (!section || section->link >= image.sections().size()) return out;
  const auto symbols = image.data(*section);
  const auto names = image.data(image.sections()[section->link]);
  for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols.size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, symbols.data() + at, sizeof(symbol));
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_size == 0 || symbol.st_name >= names.size()) continue;
    out[reinterpret_cast<const char*>(names.data()) + symbol.st_name] = {symbol.st_value,
                                                                        symbol.st_value + symbol.st_size};
  }
  return out;
}

void TestOwnFunctions() {
  std::string error;
  const UniqueFd fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto image = ElfFile::Open(fd.get(), &error);
  CHECK(image != nullptr);
  if (!image) return;
  const auto functions = FunctionsOf(*image);
  size_t split = 0, found = 0, wrong = 0;
  for (const auto& [name, range] : functions) {
    if (name.ends_with(".cold")) continue;
    const auto cold = functions.find(name + ".cold");
    const auto parts = FindSplitParts(*image, range);
    split += cold != functions.end();
    for (const CodeRange& part : parts) {
      if (cold != functions.end() && part.start == cold->second.start && part.end == cold->second.end)
        found++;
      else
        wrong++;
    }
  }
#ifndef __SANITIZE_ADDRESS__
  CHECK(split >= 5);
#endif
  // What begins before anything was pushed looks like a function of its own.
  CHECK(found * 10 >= split * 9);
  CHECK_EQ(wrong, 0u);
  std::printf("split_parts: %zu of %zu found, %zu wrong\n", found, split, wrong);
}

void TestHostileRanges() {
  std::string error;
  const UniqueFd fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto image = ElfFile::Open(fd.get(), &error);
  if (!image) return;
  CHECK(FindSplitParts(*image, {0, 0}).empty());
  CHECK(FindSplitParts(*image, {0x2000, 0x1000}).empty());
  CHECK(FindSplitParts(*image, {0, UINT64_MAX}).empty());
  CHECK(FindSplitParts(*image, {UINT64_MAX - 16, UINT64_MAX}).empty());
}

}  // namespace
}  // namespace otelprof

int main() {
  otelprof::TestOwnFunctions();
  otelprof::TestHostileRanges();
  return testResult("split_parts");
}
