// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "../runtime.h"
#include "offsets.h"

namespace otelprof::python {

/// Reads the code object that a frame named: qualified name, file, first line, line table. The cookie (first line,
/// address and hash of the name) is compared before and after.
ReadOutcome ReadCode(RemoteMemory& memory, const Layout& layout, const FunctionKey& key,
                     std::shared_ptr<const RuntimeFunction>* out);

}  // namespace otelprof::python
