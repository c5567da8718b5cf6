// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "runtime.h"

namespace otelprof {

/// The named functions of one process. Lives with its ProcessInfo, so that windows find names after the process
/// ended and nothing is carried over to another program. All members may be called from any thread.
class FunctionNames {
 public:
  FunctionNames() = default;
  ~FunctionNames();
  FunctionNames(const FunctionNames&) = delete;
  FunctionNames& operator=(const FunctionNames&) = delete;

  /// True if the function must be read now: it is new, or was not readable when it was last tried.
  bool Ask(const FunctionKey& key, uint64_t nowNs);
  /// False when the memory for names, of all processes together, is used up. This process's other names are given
  /// up first: what still runs is asked for again.
  bool Keep(const FunctionKey& key, std::shared_ptr<const RuntimeFunction> function);
  /// nullptr if not (yet) named.
  std::shared_ptr<const RuntimeFunction> Find(const FunctionKey& key) const;

  /// Bytes held by all objects.
  static uint64_t TotalBytes();

 private:
  void Clear();

  struct Entry {
    std::shared_ptr<const RuntimeFunction> function;
    uint64_t askAgainNs = 0;
  };
  struct KeyHash {
    size_t operator()(const FunctionKey& key) const {
      return std::hash<uint64_t>()((key.address * 0x9e3779b97f4a7c15u ^ key.cookie) * 0xff51afd7ed558ccdu ^
                                   key.cookie2);
    }
  };

  mutable std::mutex mutex_;
  std::unordered_map<FunctionKey, Entry, KeyHash> entries_;
  uint64_t bytes_ = 0;
};

}  // namespace otelprof
