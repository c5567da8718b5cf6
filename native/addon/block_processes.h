// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "block_columns.h"
#include "process_info.h"
#include "symbols/symbols.h"

namespace otelprof {

/// The processes of a block, with their environment and what they publish. Must stay as they are until the block's
/// Finish.
class ProcessColumns {
 public:
  void Add(const ProcessInfo& process, StringColumn* strings) {
    const auto text = [strings](std::string_view value) { return strings->Add(ValidUtf8(value)); };
    pid_.push_back(process.pid);
    name_.push_back(text(process.name));
    path_.push_back(text(process.path));
    container_.push_back(text(process.containerId));
    cgroup_.push_back(text(process.cgroup));
    startNs_.push_back(process.startNs);
    for (const auto& [key, value, kind] : process.context.attributes()) {
      attributeKey_.push_back(text(key));
      attributeValue_.push_back(text(value));
      attributeKind_.push_back(static_cast<uint8_t>(kind));
    }
    attributeStart_.push_back(static_cast<uint32_t>(attributeKey_.size()));
    for (const auto& [key, value] : process.environment) {
      envKey_.push_back(text(key));
      envValue_.push_back(text(value));
    }
    envStart_.push_back(static_cast<uint32_t>(envKey_.size()));
  }

  void AddTo(BlockAssembler* block) const {
    using S = BlockSection;
    block->Add(S::ProcessPid, pid_);
    block->Add(S::ProcessName, name_);
    block->Add(S::ProcessPath, path_);
    block->Add(S::ProcessContainer, container_);
    block->Add(S::ProcessEnvStart, envStart_);
    block->Add(S::EnvKey, envKey_);
    block->Add(S::EnvValue, envValue_);
    block->Add(S::ProcessStartNs, startNs_);
    block->Add(S::ProcessCgroup, cgroup_);
    block->Add(S::AttributeStart, attributeStart_);
    block->Add(S::AttributeKey, attributeKey_);
    block->Add(S::AttributeValue, attributeValue_);
    block->Add(S::AttributeKind, attributeKind_);
  }

 private:
  std::vector<int32_t> pid_, name_, path_, container_, cgroup_, envKey_, envValue_;
  std::vector<uint32_t> envStart_{0};
  std::vector<uint64_t> startNs_;
  std::vector<int32_t> attributeKey_, attributeValue_;
  std::vector<uint8_t> attributeKind_;
  std::vector<uint32_t> attributeStart_{0};
};

}  // namespace otelprof
