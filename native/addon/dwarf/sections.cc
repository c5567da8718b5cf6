// SPDX-License-Identifier: Apache-2.0
#include "sections.h"

#include <elf.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace otelprof {
namespace {

constexpr std::array<std::string_view, DwarfSections::kCount> kNames = {
    ".debug_info",        ".debug_abbrev", ".debug_line",   ".debug_line_str", ".debug_str",
    ".debug_str_offsets", ".debug_addr",   ".debug_ranges", ".debug_rnglists", ".debug_aranges"};
constexpr uint64_t kMaxUnpackedBytes = 256ull << 20;  // of one file's sections together
constexpr uint64_t kMaxRatio = 1032;                  // deflate's best; debug sections come to about 10
constexpr uint64_t kMaxTextBytes = 16 * 1024;
constexpr uint32_t kCompressZstd = 2;  // ELFCOMPRESS_ZSTD, younger than some <elf.h>

bool UnpackZlib(std::span<const uint8_t> packed, std::vector<uint8_t>* out) {
  z_stream stream{};
  if (packed.size() > UINT32_MAX || inflateInit(&stream) != Z_OK) return false;
  stream.next_in = const_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = out->data();
  stream.avail_out = static_cast<uInt>(out->size());
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  return whole;
}

bool UnpackZstd(std::span<const uint8_t> packed, std::vector<uint8_t>* out) {
  return ZSTD_decompress(out->data(), out->size(), packed.data(), packed.size()) == out->size();
}

}  // namespace

bool DwarfSections::Has(const ElfFile& elf) {
  const auto* info = elf.section(".debug_info");
  return info != nullptr && info->type != SHT_NOBITS && info->size > 0;
}

std::unique_ptr<DwarfSections> DwarfSections::Open(const ElfFile& elf, DwarfErrors* errors) {
  if (!Has(elf)) return nullptr;
  if (elf.section(".gnu_debugaltlink") != nullptr) {
    errors->alternate++;
    return nullptr;
  }
  std::unique_ptr<DwarfSections> out(new DwarfSections());
  out->errors_ = errors;
  out->elf_ = elf.reopen();
  if (!out->elf_) return nullptr;
  for (size_t id = 0; id < kCount; id++) {
    const auto* section = out->elf_->section(kNames[id]);
    if (section == nullptr || section->type == SHT_NOBITS) continue;
    Entry& entry = out->sections_[id];
    entry.offset = section->offset;
    entry.size = entry.packedSize = section->size;
    if (!(section->flags & SHF_COMPRESSED)) continue;
    entry.compressed = true;
    const auto head = out->elf_->bytes(section->offset, sizeof(Elf64_Chdr));
    Elf64_Chdr chdr{};
    if (!head.empty()) std::memcpy(&chdr, head.data(), sizeof(chdr));
    entry.size = chdr.ch_size;
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

bool DwarfSections::IsCode(uint64_t address) const {
  if (address == 0) return false;
  for (const auto& [start, end] : code_)
    if (address >= start && address < end) return true;
  return false;
}

bool DwarfSections::Unpack(Entry* entry) {
  if (!entry->unpacked.empty()) return true;
  if (entry->broken) return false;
  entry->broken = true;  // until it succeeds
  const auto raw = elf_->bytes(entry->offset, entry->packedSize);
  Elf64_Chdr chdr;
  if (raw.size() <= sizeof(chdr)) return errors_->compressed++, false;
  std::memcpy(&chdr, raw.data(), sizeof(chdr));
  const auto packed = raw.subspan(sizeof(chdr));
  // The size is only what the file says: memory is not taken for what cannot come out of these bytes.
  if (entry->size == 0 || entry->size / kMaxRatio > packed.size() ||
      entry->size > kMaxUnpackedBytes - std::min<uint64_t>(unpackedBytes_, kMaxUnpackedBytes))
    return errors_->overLimit++, false;
  std::vector<uint8_t> out(entry->size);
  const bool whole = chdr.ch_type == ELFCOMPRESS_ZLIB ? UnpackZlib(packed, &out)
                     : chdr.ch_type == kCompressZstd  ? UnpackZstd(packed, &out)
                                                      : false;
  if (!whole) return errors_->compressed++, false;
  entry->unpacked = std::move(out);
  entry->broken = false;
  unpackedBytes_ += entry->size;
  return true;
}

std::span<const uint8_t> DwarfSections::Read(Id id, uint64_t offset, uint64_t length) {
  Entry& entry = sections_[id];
  if (offset > entry.size || length > entry.size - offset) return {};
  if (!entry.compressed) {
    if (offset > UINT64_MAX - entry.offset) return {};
    return elf_->bytes(entry.offset + offset, length);
  }
  if (!Unpack(&entry)) return {};
  return std::span<const uint8_t>(entry.unpacked).subspan(offset, length);
}

std::string_view DwarfSections::Text(Id id, uint64_t offset) {
  if (offset >= Size(id)) return {};
  const auto bytes = Read(id, offset, std::min(kMaxTextBytes, Size(id) - offset));
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return bytes.empty() ? std::string_view() : std::string_view(text, strnlen(text, bytes.size()));
}

void DwarfSections::Trim(size_t maxBytes) {
  if (residentBytes() <= maxBytes) return;
  for (Entry& entry : sections_) entry.unpacked = {};
  unpackedBytes_ = 0;
  if (auto fresh = elf_->reopen()) elf_ = std::move(fresh);
}

}  // namespace otelprof
