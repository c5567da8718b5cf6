// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

namespace otelprof::fuzz {
namespace {

template <typename T>
void Store(std::vector<uint8_t>* out, size_t at, const T& value) {
  if (out->size() < at + sizeof(value)) out->resize(at + sizeof(value));
  std::memcpy(out->data() + at, &value, sizeof(value));
}

size_t AppendBytes(std::vector<uint8_t>* out, std::span<const uint8_t> bytes) {
  out->resize((out->size() + 15) & ~size_t{15});
  const size_t at = out->size();
  out->insert(out->end(), bytes.begin(), bytes.end());
  return at;
}

}  // namespace

ScratchFile::ScratchFile() : path_("/tmp/otelprof-fuzz-XXXXXX") { fd_ = mkstemp(path_.data()); }

ScratchFile::~ScratchFile() {
  if (fd_ >= 0) close(fd_);
  unlink(path_.c_str());
}

void ScratchFile::Write(std::span<const uint8_t> bytes) {
  FUZZ_CHECK(ftruncate(fd_, 0) == 0 && lseek(fd_, 0, SEEK_SET) == 0);
  Append(bytes);
}

void ScratchFile::Append(std::span<const uint8_t> bytes) {
  FUZZ_CHECK(write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

std::vector<uint8_t> MakeImage(std::span<const Part> parts, uint64_t ehFrameHeader) {
  std::vector<uint8_t> out;
  const size_t segments = parts.size() + 1;
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(segments);
  header.e_shentsize = sizeof(Elf64_Shdr);
  out.resize(sizeof(header) + segments * sizeof(Elf64_Phdr));

  std::string names(1, '\0');
  std::vector<Elf64_Shdr> sections(1);
  for (size_t i = 0; i < parts.size(); i++) {
    const Part& part = parts[i];
    const size_t at = AppendBytes(&out, part.bytes);
    sections.push_back({static_cast<uint32_t>(names.size()), part.type, part.flags, part.address, at,
                        part.bytes.size(), 0, 0, 1, 0});
    (names += part.name) += '\0';
    Elf64_Phdr segment{};
    segment.p_type = part.address ? PT_LOAD : PT_NULL;
    segment.p_flags = PF_R | (part.flags & SHF_EXECINSTR ? PF_X : 0);
    segment.p_offset = at;
    segment.p_vaddr = part.address;
    segment.p_filesz = segment.p_memsz = part.bytes.size();
    Store(&out, sizeof(header) + i * sizeof(segment), segment);
  }
  Elf64_Phdr last{};
  if (ehFrameHeader) {
    last.p_type = PT_GNU_EH_FRAME;
    last.p_vaddr = ehFrameHeader;
    last.p_filesz = 16;
  }
  Store(&out, sizeof(header) + parts.size() * sizeof(last), last);
  if (!ehFrameHeader) {
    const auto* text = reinterpret_cast<const uint8_t*>(names.data());
    const size_t at = AppendBytes(&out, {text, names.size()});
    sections.push_back({0, SHT_STRTAB, 0, 0, at, names.size(), 0, 0, 1, 0});
    header.e_shstrndx = static_cast<uint16_t>(sections.size() - 1);
    header.e_shnum = static_cast<uint16_t>(sections.size());
    const auto* table = reinterpret_cast<const uint8_t*>(sections.data());
    header.e_shoff = AppendBytes(&out, {table, sections.size() * sizeof(Elf64_Shdr)});
  }
  std::memcpy(out.data(), &header, sizeof(header));
  return out;
}

}  // namespace otelprof::fuzz
