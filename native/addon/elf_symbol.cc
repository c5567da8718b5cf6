// SPDX-License-Identifier: Apache-2.0
#include "elf_symbol.h"

#include <elf.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "elf/elf_file.h"
#include "unique_fd.h"

namespace otelprof {
namespace {

std::optional<uint64_t> FindIn(const ElfFile& file, const ElfFile::Section& section, std::string_view wanted) {
  const auto sections = file.sections();
  if (section.link >= sections.size()) return std::nullopt;
  const auto symbols = file.data(section);
  const auto strings = file.data(sections[section.link]);
  for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols.size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, symbols.data() + at, sizeof(symbol));
    const int type = ELF64_ST_TYPE(symbol.st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF) continue;
    if (symbol.st_name >= strings.size() || strings.size() - symbol.st_name <= wanted.size()) continue;
    const auto* name = reinterpret_cast<const char*>(strings.data()) + symbol.st_name;
    if (name[wanted.size()] == '\0' && std::memcmp(name, wanted.data(), wanted.size()) == 0) return symbol.st_value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> OffsetOfFunction(const std::string& path, const std::string& symbol, std::string* error) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    *error = std::string("cannot open the target: ") + strerror(errno);
    return std::nullopt;
  }
  const auto file = ElfFile::Open(fd.get(), error);
  if (!file) return std::nullopt;
  for (const char* name : {".symtab", ".dynsym"}) {
    const auto* section = file->section(name);
    const auto address = section ? FindIn(*file, *section, symbol) : std::nullopt;
    if (!address) continue;
    for (const auto& segment : file->segments())
      if (segment.type == PT_LOAD && *address >= segment.vaddr && *address - segment.vaddr < segment.filesz)
        return *address - segment.vaddr + segment.offset;
  }
  *error = "the target has no function of that name in .symtab or .dynsym";
  return std::nullopt;
}

}  // namespace otelprof
