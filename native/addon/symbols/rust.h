// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "symbols.h"

namespace otelprof {

/// `_ZN…17h<16 hex digits>E`: Rust's first mangling, which looks like C++'s. nullopt if it is not that.
std::optional<std::string> DemangleRustLegacy(std::string_view mangled, DemangleMode mode);

/// `_R…`: Rust RFC 2603. nullopt if malformed or over a limit. Crate hashes are left out.
std::optional<std::string> DemangleRustV0(std::string_view mangled, DemangleMode mode);

/// Text of a Rust path without generic arguments: `<Vec<T> as Drop>::drop` → `<Vec as Drop>::drop`.
std::string DropRustGenerics(std::string_view text);

}  // namespace otelprof
