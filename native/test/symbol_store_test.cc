// SPDX-License-Identifier: Apache-2.0
// The byte budget of symbol tables in memory, and names that outlive their table.
#include <fcntl.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "block.h"
#include "symbol_store.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

std::string folder;

std::shared_ptr<ProfiledFile> BuildProgram(uint32_t id) {
  const std::string source = folder + "/" + std::to_string(id) + ".c", program = folder + "/" + std::to_string(id);
  std::ofstream out(source);
  for (int i = 0; i < 300; i++) out << "void function_" << i << "_of_" << id << "(void) {}\n";
  out << "int main(void) { return 0; }\n";
  out.close();
  CHECK(std::system(("gcc -O0 -o " + program + " " + source).c_str()) == 0);
  UniqueFd fd(open(program.c_str(), O_RDONLY | O_CLOEXEC));
  const auto image = ElfFile::Open(fd.get(), nullptr);
  return std::make_shared<ProfiledFile>(id, ProfiledFile::Identity{}, program, "", std::move(fd),
                                        ExecutableSegments(*image));
}

uint64_t AddressOf(const FileSymbols& symbols, const ProfiledFile& file, const std::string& name) {
  const auto* text = file.OpenImage()->section(".text");
  std::vector<ResolvedFrame> frames;
  for (uint64_t va = text->addr; va < text->addr + text->size; va++)
    if (symbols.Lookup(va, &frames) && frames.front().name == name) return va;
  return 0;
}

void EvictsWhatWasAskedForLongestAgo() {
  const auto a = BuildProgram(1), b = BuildProgram(2), c = BuildProgram(3);
  DwarfErrors errors;
  uint64_t one = 0;
  {
    SymbolStore measured(1 << 30, DemangleMode::Full, nullptr);
    one = measured.Load(a, &errors)->sizeBytes();
    CHECK(one > 5000);
    CHECK_EQ(measured.stats().bytes.load(), one);
    a->SetSymbols(nullptr);
  }
  SymbolStore store(one * 5 / 2, DemangleMode::Full, nullptr);
  store.Load(a, &errors);
  store.Load(b, &errors);
  CHECK_EQ(store.stats().evictions.load(), 0u);
  a->UseSymbols();
  const auto held = b->symbols();
  store.Load(c, &errors);
  CHECK_EQ(store.stats().evictions.load(), 1u);
  CHECK_EQ(store.stats().files.load(), 2u);
  CHECK(store.stats().bytes <= one * 5 / 2);
  CHECK(b->symbols() == nullptr && b->symbolState == SymbolState::Evicted);
  CHECK(a->symbols() != nullptr && c->symbols() != nullptr);
  CHECK(AddressOf(*held, *b, "function_7_of_2") != 0);  // who holds it may use it still
  CHECK(store.Load(b, &errors) != nullptr);
  CHECK(b->symbols() != nullptr && b->symbolState == SymbolState::Loaded);
  CHECK_EQ(store.stats().evictions.load(), 2u);
  CHECK_EQ(store.stats().loads.load(), 4u);
  // A budget too small for one: it is there until the next, or until it was used.
  SymbolStore tiny(1, DemangleMode::Full, nullptr);
  a->SetSymbols(nullptr);
  CHECK(tiny.Load(a, &errors) != nullptr);
  CHECK(a->symbols() != nullptr);
  tiny.Trim();
  CHECK(a->symbols() == nullptr);
  CHECK_EQ(tiny.stats().bytes.load(), 0u);
}

struct Named {
  std::string bytes;
  explicit Named(const std::vector<uint8_t>& block)
      : bytes(reinterpret_cast<const char*>(block.data()), block.size()) {}
  bool has(const std::string& name) const { return bytes.find(name) != std::string::npos; }
};

void NamesOutliveTheirTable() {
  const auto file = BuildProgram(4);
  DwarfErrors errors;
  SymbolStore store(1, DemangleMode::Full, nullptr);
  const auto symbols = store.Load(file, &errors);
  const std::vector<uint64_t> addresses{AddressOf(*symbols, *file, "function_5_of_4"),
                                        AddressOf(*symbols, *file, "function_6_of_4")};
  store.Trim();
  CHECK(file->symbols() == nullptr);
  const auto windowOf = [&](uint64_t address) {
    auto window = std::make_unique<SampleWindow>(0);
    op_frame frame{};
    frame.kind = OP_FRAME_FILE;
    frame.file = file->id();
    frame.addr = address;
    window->KeepFile(file);
    SampleWindow::Sample sample{};
    sample.process = window->ProcessIndex(std::make_shared<ProcessInfo>());
    window->Add(sample, {&frame, 1}, 1, 0);
    return window;
  };
  BlockWriter writer(DemangleMode::Full, 4);
  const auto first = windowOf(addresses[0]);
  CHECK(!Named(writer.Write(*first, 1, 0)).has("function_5_of_4"));
  // Not known is not known to have no name: it is asked for again.
  CHECK_EQ(writer.Unnamed(*first).size(), 1u);
  writer.Name(*file, *symbols, addresses);
  CHECK_EQ(writer.Unnamed(*first).size(), 0u);
  CHECK(Named(writer.Write(*first, 1, 0)).has("function_5_of_4"));
  CHECK(!Named(writer.Write(*first, 1, 0)).has("function_6_of_4"));
  CHECK(Named(writer.Write(*windowOf(addresses[1]), 1, 0)).has("function_6_of_4"));
  CHECK(file->symbols() == nullptr);
  // Names that are used stay; the others make room.
  std::vector<uint64_t> many;
  for (uint64_t va = addresses[1] + 1; va < addresses[1] + 60; va++) many.push_back(va);
  for (const uint64_t va : many) {
    writer.Forget();
    writer.Name(*file, *symbols, {va, addresses[0]});
    CHECK(writer.namesKept() <= 4);
  }
  writer.Forget();
  CHECK_EQ(writer.Unnamed(*first).size(), 0u);
  CHECK_EQ(writer.Unnamed(*windowOf(addresses[1])).size(), 1u);
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-store-XXXXXX";
  folder = mkdtemp(name);
  EvictsWhatWasAskedForLongestAgo();
  NamesOutliveTheirTable();
  std::filesystem::remove_all(folder);
  return testResult("symbol_store_test");
}
