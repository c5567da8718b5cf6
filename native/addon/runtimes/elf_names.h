// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "../elf/elf_file.h"

namespace otelprof {

/// A defined symbol of .dynsym or .symtab.
struct NamedSymbol {
  uint64_t value = 0;
  uint64_t size = 0;
};

/// True if .dynstr holds exactly this name: cheap, for files that are most likely of no interest.
bool MentionsName(const ElfFile& image, std::string_view name);
/// The symbol of that name, .dynsym before .symtab; nullopt if there is none.
std::optional<NamedSymbol> FindNamedSymbol(const ElfFile& image, std::string_view name);

}  // namespace otelprof
