// SPDX-License-Identifier: Apache-2.0
#include "symbol_store.h"

#include <algorithm>
#include <utility>

namespace otelprof {

std::shared_ptr<const FileSymbols> SymbolStore::Load(const std::shared_ptr<ProfiledFile>& file, DwarfErrors* errors) {
  if (auto known = file->UseSymbols()) return known;
  const auto image = file->OpenImage();
  if (!image) {
    file->symbolState = SymbolState::Failed;
    return nullptr;
  }
  const auto debug = FindDebug(*file, *image);
  std::shared_ptr<const FileSymbols> symbols = FileSymbols::Load(*image, mode_, debug.get(), cache_);
  // Go's own table has lines and inlined functions already. DWARF has a budget of its own and stays.
  if (!file->dwarf() && !symbols->isGo())
    file->SetDwarf(DwarfFile::Open(*image, debug.get(), errors, cache_ ? cache_->Scratch() : nullptr));
  if (reportBare_ && !file->dwarf() && !symbols->isGo()) NoteBare(file, *image);
  file->SetSymbols(symbols);
  file->UseSymbols();
  file->symbolState = SymbolState::Loaded;
  stats_.loads++;
  loaded_.push_back(file);
  MakeRoom(file.get());
  return symbols;
}

std::unique_ptr<ElfFile> SymbolStore::FindDebug(const ProfiledFile& file, const ElfFile& image) const {
  if (auto given = OpenDebugFileAt(image, file.debugPath())) return given;
  auto debug = OpenDebugFile(image, file.directory(), file.root());
  return debug ? std::move(debug) : OpenDebugFile(image, file.directory(), "");
}

void SymbolStore::NoteBare(const std::shared_ptr<ProfiledFile>& file, const ElfFile& image) {
  const std::string buildId = image.gnuBuildId();
  if (buildId.empty() || file->path() == "[vdso]" || !file->debugPath().empty()) return;
  const std::lock_guard lock(mutex_);
  if (bare_.size() >= kMaxBare) return;
  bare_.push_back(buildId);
  std::erase_if(bareFiles_, [&](const auto& item) {
    const auto known = item.second.lock();
    return !known || known == file;
  });
  bareFiles_.emplace(buildId, file);
}

std::vector<std::string> SymbolStore::TakeBare() {
  const std::lock_guard lock(mutex_);
  return std::exchange(bare_, {});
}

void SymbolStore::UseDebugFile(const std::string& buildId, const std::string& path, DwarfErrors* errors) {
  std::vector<std::shared_ptr<ProfiledFile>> files;
  const auto [begin, end] = bareFiles_.equal_range(buildId);
  for (auto it = begin; it != end; ++it)
    if (auto file = it->second.lock()) files.push_back(std::move(file));
  bareFiles_.erase(begin, end);
  for (const auto& file : files) {
    const auto image = file->OpenImage();
    if (!image || !OpenDebugFileAt(*image, path)) {
      stats_.debugFilesRefused++;
      continue;
    }
    stats_.debugFilesUsed++;
    file->SetDebugPath(path);
    file->SetSymbols(nullptr);
    Load(file, errors);
    file->symbolGeneration++;
  }
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
