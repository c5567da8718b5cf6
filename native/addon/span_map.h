// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "failure.h"
#include "unique_fd.h"

namespace otelprof {

/// The map in which OpenTelemetry's eBPF instrumentation says for which span a thread works (struct op_span_context),
/// at `otel/traces_ctx_v1` below `root`, where a BPF file system must be mounted. Made there, of mode 0700, by
/// whoever comes first. What is there and is not that map is refused.
Failure OpenSpanMap(const std::string& root, UniqueFd* out);

}  // namespace otelprof
