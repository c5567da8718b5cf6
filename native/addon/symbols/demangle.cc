// SPDX-License-Identifier: Apache-2.0
#include "itanium.h"
#include "rust.h"
#include "symbols.h"

namespace otelprof {
namespace {

/// `name.constprop.0`, `name.part.1.isra.2`, `name.cold`, `name.llvm.123`, `name.localalias`: what a compiler adds to the copies of a function. C names have no dots of their own.
std::string_view withoutCloneSuffix(std::string_view name) {
  constexpr std::string_view kClones[] = {".constprop.", ".part.",     ".isra.",  ".cold",       ".llvm.",
                                          ".lto_priv.",  ".lto_priv", ".clone.", ".localalias", ".__uniq."};
  size_t cut = name.size();
  for (std::string_view clone : kClones) {
    size_t at = name.find(clone);
    if (at == std::string_view::npos || at == 0) continue;
    size_t end = at + clone.size();
    bool whole = clone.back() == '.' || end == name.size() || name[end] == '.';
    if (whole && at < cut) cut = at;
  }
  return name.substr(0, cut);
}

}  // namespace

std::optional<DemangleMode> ParseDemangleMode(std::string_view text) {
  if (text == "none") return DemangleMode::None;
  if (text == "simplified") return DemangleMode::Simplified;
  if (text == "templates") return DemangleMode::Templates;
  if (text == "full") return DemangleMode::Full;
  return std::nullopt;
}

std::string Demangle(std::string_view mangled, DemangleMode mode) {
  if (mode == DemangleMode::None || mangled.size() > kMaxMangledBytes) return ValidUtf8(mangled);
  std::string_view suffix;
  std::string_view core = mangled;
  if (core.ends_with("@plt")) {
    suffix = core.substr(core.size() - 4);
    core.remove_suffix(4);
  }
  std::optional<std::string> clear;
  if (core.starts_with("_R") || core.starts_with("__R")) {
    clear = DemangleRustV0(core, mode);
  } else if (core.starts_with("_Z") || core.starts_with("__Z")) {
    clear = DemangleRustLegacy(core, mode);
    if (!clear) clear = ItaniumDemangler(core.substr(0, core.find('@')), mode).run();
  }
  std::string name = clear ? std::move(*clear) : std::string(withoutCloneSuffix(core));
  return ValidUtf8(name.append(suffix));
}

}  // namespace otelprof
