// SPDX-License-Identifier: Apache-2.0
#include "sections.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace otelprof {
namespace {

constexpr std::array<std::string_view, DwarfSections::kCount> kNames = {
    ".debug_info",        ".debug_abbrev", ".debug_line",   ".debug_line_str", ".debug_str",
    ".debug_str_offsets", ".debug_addr",   ".debug_ranges", ".debug_rnglists", ".debug_aranges"};
constexpr uint64_t kMaxUnpackedBytes = 256ull << 20;  // of one file's sections together
constexpr uint64_t kMaxTextBytes = 16 * 1024;

/// `.debug_x`, or the `.zdebug_x` of older tool chains.
const ElfFile::Section* FindSection(const ElfFile& elf, std::string_view name) {
  const auto* section = elf.section(name);
  return section ? section : elf.section(".z" + std::string(name.substr(1)));
}

}  // namespace

bool DwarfSections::Has(const ElfFile& elf) {
  const auto* info = FindSection(elf, ".debug_info");
  return info != nullptr && info->type != SHT_NOBITS && info->size > 0;
}

std::unique_ptr<DwarfSections> DwarfSections::Open(const ElfFile& elf, DwarfErrors* errors, UnpackedSections* kept) {
  if (!Has(elf)) return nullptr;
  if (elf.section(".gnu_debugaltlink") != nullptr) {
    errors->alternate++;
    return nullptr;
  }
  std::unique_ptr<DwarfSections> out(new DwarfSections());
  out->errors_ = errors;
  out->kept_ = kept;
  out->elf_ = elf.reopen();
  if (!out->elf_) return nullptr;
  for (size_t id = 0; id < kCount; id++) {
    const auto* section = FindSection(*out->elf_, kNames[id]);
    if (section == nullptr || section->type == SHT_NOBITS) continue;
    Entry& entry = out->sections_[id];
    entry.offset = section->offset;
    entry.packedSize = section->size;
    entry.packing = PackingOf(*out->elf_, *section);
  }
  for (const auto& segment : out->elf_->segments()) {
    if (segment.type != PT_LOAD || !(segment.flags & PF_X) || segment.memsz > UINT64_MAX - segment.vaddr) continue;
    out->code_.push_back({segment.vaddr, segment.vaddr + segment.memsz});
  }
  std::sort(out->code_.begin(), out->code_.end());
  if (out->code_.empty()) return nullptr;
  out->codeStart_ = out->code_.front().first;
  return out;
}

DwarfSections::~DwarfSections() {
  if (kept_ != nullptr) kept_->Release();
}

bool DwarfSections::IsCode(uint64_t address) const {
  if (address == 0) return false;
  for (const auto& [start, end] : code_)
    if (address >= start && address < end) return true;
  return false;
}

bool DwarfSections::UnpackEntry(Id id) {
  Entry* const entry = &sections_[id];
  if (!entry->bytes.empty()) return true;
  if (entry->broken) return false;
  if (kept_ != nullptr) entry->bytes = kept_->Find(id);
  if (!entry->bytes.empty()) return true;
  entry->broken = true;  // until it succeeds
  const uint64_t left = kMaxUnpackedBytes - std::min<uint64_t>(unpackedBytes_, kMaxUnpackedBytes);
  switch (Unpack(entry->packing, elf_->bytes(entry->offset, entry->packedSize), left, &entry->unpacked)) {
    case UnpackOutcome::OverLimit:
      return errors_->overLimit++, false;
    case UnpackOutcome::Malformed:
      return errors_->compressed++, false;
    case UnpackOutcome::Done:
      break;
  }
  entry->broken = false;
  if (kept_ != nullptr && kept_->Keep(id, entry->unpacked)) entry->bytes = kept_->Find(id);
  if (entry->bytes.empty()) {
    entry->bytes = entry->unpacked;
    unpackedBytes_ += entry->packing.size;
  } else {
    entry->unpacked = {};
  }
  return true;
}

std::span<const uint8_t> DwarfSections::Read(Id id, uint64_t offset, uint64_t length) {
  Entry& entry = sections_[id];
  if (offset > entry.packing.size || length > entry.packing.size - offset) return {};
  if (entry.packing.kind == Packing::Kind::None) {
    if (offset > UINT64_MAX - entry.offset) return {};
    return elf_->bytes(entry.offset + offset, length);
  }
  return UnpackEntry(id) ? entry.bytes.subspan(offset, length) : std::span<const uint8_t>();
}

std::string_view DwarfSections::Text(Id id, uint64_t offset) {
  if (offset >= Size(id)) return {};
  const auto bytes = Read(id, offset, std::min(kMaxTextBytes, Size(id) - offset));
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return bytes.empty() ? std::string_view() : std::string_view(text, strnlen(text, bytes.size()));
}

void DwarfSections::Trim(size_t maxBytes) {
  if (residentBytes() <= maxBytes) return;
  for (Entry& entry : sections_) {
    entry.unpacked = {};
    entry.bytes = {};
  }
  if (kept_ != nullptr) kept_->Release();
  unpackedBytes_ = 0;
  if (auto fresh = elf_->reopen()) elf_ = std::move(fresh);
}

}  // namespace otelprof
