// SPDX-License-Identifier: Apache-2.0
// The byte budget of symbol tables in memory, and names that outlive their table.
#include <fcntl.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
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

std::unique_ptr<SampleWindow> WindowOf(const std::shared_ptr<ProfiledFile>& file, uint64_t address) {
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
}

void NamesOutliveTheirTable() {
  const auto file = BuildProgram(4);
  DwarfErrors errors;
  SymbolStore store(1, DemangleMode::Full, nullptr);
  const auto symbols = store.Load(file, &errors);
  const std::vector<uint64_t> addresses{AddressOf(*symbols, *file, "function_5_of_4"),
                                        AddressOf(*symbols, *file, "function_6_of_4")};
  store.Trim();
  CHECK(file->symbols() == nullptr);
  const auto windowOf = [&](uint64_t address) { return WindowOf(file, address); };
  BlockWriter writer(DemangleMode::Full, 4, true);
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

/// A stripped program: its functions are told apart by their starts, and named once its debug file is there.
void FunctionsOfAStrippedFile() {
  const auto whole = BuildProgram(5);
  const std::string stripped = folder + "/stripped", debug = folder + "/stripped.debug";
  CHECK(std::system(("strip -o " + stripped + " " + whole->path()).c_str()) == 0);
  CHECK(std::system(("objcopy --only-keep-debug " + whole->path() + " " + debug).c_str()) == 0);
  UniqueFd fd(open(stripped.c_str(), O_RDONLY | O_CLOEXEC));
  const auto image = ElfFile::Open(fd.get(), nullptr);
  const auto file = std::make_shared<ProfiledFile>(6, ProfiledFile::Identity{}, stripped, "", std::move(fd),
                                                   ExecutableSegments(*image));
  DwarfErrors errors;
  SymbolStore store(1 << 20, DemangleMode::Full, nullptr, true);
  const auto named = store.Load(whole, &errors);
  const auto bare = store.Load(file, &errors);
  size_t functions = 0, differing = 0;
  std::vector<ResolvedFrame> frames;
  const auto* text = image->section(".text");
  for (uint64_t va = text->addr; va < text->addr + text->size; va++) {
    if (!named->Lookup(va, &frames) || !frames.front().name.starts_with("function_")) continue;
    functions++;
    differing += bare->FunctionAt(va).start != named->FunctionAt(va).start;
    differing += bare->FunctionAt(va).size != named->FunctionAt(va).size;
    differing += bare->Lookup(va, &frames) || !frames.empty();
  }
  CHECK(functions > 1000);
  CHECK_EQ(differing, 0u);

  const uint64_t start = named->FunctionAt(AddressOf(*named, *whole, "function_9_of_5")).start;
  char expected[64];
  snprintf(expected, sizeof(expected), "stripped+0x%lx", start);
  BlockWriter grouping(DemangleMode::Full, 100, true), leaving(DemangleMode::Full, 100, false);
  for (auto* writer : {&grouping, &leaving}) writer->Name(*file, *bare, {start, start + 5});
  for (const uint64_t va : {start, start + 5}) {
    CHECK(Named(grouping.Write(*WindowOf(file, va), 1, 0)).has(expected));
    CHECK(!Named(leaving.Write(*WindowOf(file, va), 1, 0)).has("stripped+0x"));
  }

  const std::string id = image->gnuBuildId();
  CHECK(id.size() == 40);
  const auto asked = store.TakeBare();
  CHECK_EQ(std::count(asked.begin(), asked.end(), id), 2);
  CHECK(store.TakeBare().empty());
  const auto window = WindowOf(file, start + 5);
  CHECK_EQ(grouping.Unnamed(*window).size(), 0u);
  store.UseDebugFile(id, "/bin/true", &errors);
  CHECK_EQ(store.stats().debugFilesUsed.load(), 0u);
  CHECK(store.stats().debugFilesRefused > 0);
  file->SetSymbols(nullptr);  // as if evicted: what is loaded again is met again
  store.Load(file, &errors);
  CHECK_EQ(store.TakeBare().size(), 1u);
  store.UseDebugFile(id, debug, &errors);
  CHECK_EQ(store.stats().debugFilesUsed.load(), 1u);
  // The addresses are asked for again, and have the names of the debug file now.
  CHECK_EQ(grouping.Unnamed(*window).size(), 1u);
  grouping.Name(*file, *file->UseSymbols(), {start + 5});
  CHECK_EQ(grouping.Unnamed(*window).size(), 0u);
  CHECK(Named(grouping.Write(*window, 1, 0)).has("function_9_of_5"));
  file->SetSymbols(nullptr);
  CHECK(AddressOf(*store.Load(file, &errors), *file, "function_9_of_5") != 0);
  CHECK(store.TakeBare().empty());
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-store-XXXXXX";
  folder = mkdtemp(name);
  EvictsWhatWasAskedForLongestAgo();
  NamesOutliveTheirTable();
  FunctionsOfAStrippedFile();
  std::filesystem::remove_all(folder);
  return testResult("symbol_store_test");
}
