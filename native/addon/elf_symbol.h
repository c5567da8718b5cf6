// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace otelprof {

/// File offset of the first instruction of a function that `.symtab` or `.dynsym` of the file names.
/// Nothing, and a reason, where the file is no ELF file or has no such function.
std::optional<uint64_t> OffsetOfFunction(const std::string& path, const std::string& symbol, std::string* error);

}  // namespace otelprof
