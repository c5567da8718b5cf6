// SPDX-License-Identifier: Apache-2.0
#include "elf_names.h"

#include <elf.h>

#include <cstring>
#include <string>

namespace otelprof {
namespace {

std::optional<NamedSymbol> FindIn(const ElfFile& image, const char* table, std::string_view name) {
  const auto* section = image.section(table);
  if (!section || section->link >= image.sections().size()) return std::nullopt;
  const auto symbols = image.data(*section);
  const auto names = image.data(image.sections()[section->link]);
  for (size_t at = 0; at + sizeof(Elf64_Sym) <= symbols.size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, symbols.data() + at, sizeof(symbol));
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names.size()) continue;
    if (names.size() - symbol.st_name <= name.size()) continue;
    const uint8_t* text = names.data() + symbol.st_name;
    if (std::memcmp(text, name.data(), name.size()) == 0 && text[name.size()] == 0)
      return NamedSymbol{symbol.st_value, symbol.st_size};
  }
  return std::nullopt;
}

}  // namespace

bool MentionsName(const ElfFile& image, std::string_view name) {
  const auto* section = image.section(".dynstr");
  if (!section) return false;
  const auto names = image.data(*section);
  if (names.empty()) return false;
  const std::string wanted = std::string(1, '\0') + std::string(name) + std::string(1, '\0');
  return memmem(names.data(), names.size(), wanted.data(), wanted.size()) != nullptr;
}

std::optional<NamedSymbol> FindNamedSymbol(const ElfFile& image, std::string_view name) {
  if (const auto found = FindIn(image, ".dynsym", name)) return found;
  return FindIn(image, ".symtab", name);
}

}  // namespace otelprof
