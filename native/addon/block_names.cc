// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_set>

#include "block.h"
#include "symbols/source_lines.h"

namespace otelprof {
namespace {

// kallsyms costs tens of ms; a missed address (new module, new eBPF program) may ask for it again.
constexpr uint64_t kKernelReloadNs = 60'000'000'000;

bool IsMovedLoop(const op_runtime& runtime, uint64_t va) {
  return std::any_of(runtime.loop + 1, runtime.loop + OP_LOOP_PARTS,
                     [va](const op_code_range& part) { return va >= part.start && va < part.end; });
}

}  // namespace

const BlockWriter::CachedNames* BlockWriter::Known(const ProfiledFile& file, uint64_t va) const {
  for (const NameMap* names : {&names_, &olderNames_})
    if (const auto found = names->find({file.id(), va}); found != names->end())
      return found->second.generation == file.symbolGeneration ? &found->second : nullptr;
  return nullptr;
}

const BlockWriter::CachedNames& BlockWriter::Names(const ProfiledFile& file, const FileSymbols* symbols, uint64_t va) {
  const NameKey key{file.id(), va};
  const auto [it, isNew] = names_.try_emplace(key);
  CachedNames& names = it->second;
  if (isNew) {
    if (auto older = olderNames_.extract(key)) names = std::move(older.mapped());
  }
  if (symbols && names.generation != file.symbolGeneration) {
    names = {};
    names.generation = file.symbolGeneration;
  }
  if (!names.named && symbols) {
    if (!symbols->Lookup(va, &names.frames)) {
      // The parts of a runtime's loop that the compiler moved away have no symbol in a stripped file.
      if (const auto runtime = file.runtime(); runtime && IsMovedLoop(runtime->kernel(), va))
        symbols->Lookup(runtime->kernel().loop[0].start, &names.frames);
      if (names.frames.empty()) names.functionStart = symbols->FunctionAt(va).start;
    }
    if (symbols->isGo() && symbols->goOwns(va)) names.kind = FrameKind::Go;
    names.named = true;
  }
  if (!names.named || names.final) return names;
  const auto dwarf = file.dwarf();
  names.final = !dwarf || AddSourceLines(*dwarf, va, demangle_, &names.frames);
  return names;
}

void BlockWriter::Name(const ProfiledFile& file, const FileSymbols& symbols, const std::vector<uint64_t>& addresses) {
  for (const uint64_t va : addresses) Names(file, &symbols, va);
}

void BlockWriter::Forget() {
  if (names_.size() > maxNames_ / 2) {
    olderNames_ = std::move(names_);
    names_.clear();
  }
  if (names_.size() + olderNames_.size() > maxNames_) olderNames_.clear();
  namesKept_ = names_.size() + olderNames_.size();
}

template <typename F>
BlockWriter::AddressesByFile BlockWriter::Addresses(const SampleWindow& window, F isWanted) const {
  AddressesByFile out;
  if (!Keeps(FrameKind::Native) && !Keeps(FrameKind::Go)) return out;
  std::unordered_set<NameKey, NameKeyHash> seen;
  for (size_t i = 0; i < window.stackCount(); i++) {
    for (const op_frame& frame : window.stack(i)) {
      if (frame.kind != OP_FRAME_FILE) continue;
      const NameKey key{frame.file, frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS)};
      if (!seen.insert(key).second) continue;
      const auto file = window.files().find(frame.file);
      if (file == window.files().end() || !isWanted(*file->second, Known(*file->second, key.va))) continue;
      out[file->second].push_back(key.va);
    }
  }
  return out;
}

BlockWriter::AddressesByFile BlockWriter::Unnamed(const SampleWindow& window) const {
  return Addresses(window, [](const ProfiledFile& file, const CachedNames* known) {
    return (!known || !known->named) && file.symbolState != SymbolState::Failed;
  });
}

BlockWriter::AddressesByFile BlockWriter::Unresolved(const SampleWindow& window) const {
  return Addresses(window, [](const ProfiledFile& file, const CachedNames* known) {
    return (!known || !known->final) && file.dwarf() != nullptr;
  });
}

void BlockWriter::RefreshKernel(uint64_t nowNs) {
  const bool due = kernelLoadedNs_ == 0 || (kernelMissed_ && nowNs > kernelLoadedNs_ + kKernelReloadNs);
  if (!due) return;
  kernelLoadedNs_ = nowNs;
  kernelMissed_ = false;
  kernel_.Load();
}

}  // namespace otelprof
