// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace otelprof {

/// One fact about this host; a list is for capability names.
using ProbeValue = std::variant<bool, double, std::string, std::vector<std::string>>;

/// What the profiler can do here, by trying it. Attempts that fail add "<name>Error": "EPERM".
std::vector<std::pair<std::string, ProbeValue>> ProbeHost();

}  // namespace otelprof
