// SPDX-License-Identifier: Apache-2.0
#include "symbol_store.h"

#include <algorithm>

namespace otelprof {

std::shared_ptr<const FileSymbols> SymbolStore::Load(const std::shared_ptr<ProfiledFile>& file, DwarfErrors* errors) {
  if (auto known = file->UseSymbols()) return known;
  const auto image = file->OpenImage();
  if (!image) {
    file->symbolState = SymbolState::Failed;
    return nullptr;
  }
  auto debug = OpenDebugFile(*image, file->directory(), file->root());
  if (!debug) debug = OpenDebugFile(*image, file->directory(), "");
  std::shared_ptr<const FileSymbols> symbols = FileSymbols::Load(*image, mode_, debug.get(), cache_);
  // Go's own table has lines and inlined functions already. DWARF has a budget of its own and stays.
  if (!file->dwarf() && !symbols->isGo()) file->SetDwarf(DwarfFile::Open(*image, debug.get(), errors));
  file->SetSymbols(symbols);
  file->UseSymbols();
  file->symbolState = SymbolState::Loaded;
  stats_.loads++;
  loaded_.push_back(file);
  MakeRoom(file.get());
  return symbols;
}

void SymbolStore::MakeRoom(const ProfiledFile* keep) {
  struct Held {
    std::shared_ptr<ProfiledFile> file;
    uint64_t bytes;
    uint64_t mapped;
  };
  std::vector<Held> held;
  uint64_t bytes = 0, mapped = 0;
  for (const auto& weak : loaded_) {
    const auto file = weak.lock();
    const auto symbols = file ? file->symbols() : nullptr;
    if (!symbols) continue;
    held.push_back({file, symbols->sizeBytes(), symbols->mappedBytes()});
    bytes += held.back().bytes;
    mapped += held.back().mapped;
  }
  std::sort(held.begin(), held.end(),
            [](const Held& a, const Held& b) { return a.file->symbolsUsed() < b.file->symbolsUsed(); });
  loaded_.clear();
  for (const auto& [file, fileBytes, fileMapped] : held) {
    if (bytes + mapped <= maxBytes_ || file.get() == keep) {
      loaded_.push_back(file);
      continue;
    }
    file->SetSymbols(nullptr);
    file->symbolState = SymbolState::Evicted;
    bytes -= fileBytes;
    mapped -= fileMapped;
    stats_.evictions++;
  }
  stats_.files = loaded_.size();
  stats_.bytes = bytes;
  stats_.mappedBytes = mapped;
}

}  // namespace otelprof
