// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bpf_session.h"

struct bpf_link;

namespace otelprof {

/// An optional eBPF object beside the on-CPU one, on the same ring and tables. Off a CPU or a probe, it is
/// attached as long as it lives and is not detached. Belongs to the thread that starts and stops.
class BpfFeature {
 public:
  /// Threads leaving and coming back: a typed tracepoint, or a raw one where that is refused.
  static std::unique_ptr<BpfFeature> OpenOffCpu(const BpfSession& session, const Options& options, Failure* failure);
  /// Calls or returns of one function; `index` is what its samples say.
  static std::unique_ptr<BpfFeature> OpenProbe(const BpfSession& session, const Options& options,
                                               const ProbeOption& probe, uint32_t index, Failure* failure);
  ~BpfFeature();
  BpfFeature(const BpfFeature&) = delete;
  BpfFeature& operator=(const BpfFeature&) = delete;

  void Detach();
  bool RunTime(uint64_t* ns, uint64_t* runs) const;
  uint64_t mapBytes() const { return mapBytes_; }

 private:
  struct ObjectCloser {
    void operator()(bpf_object* object) const;
  };
  struct LinkCloser {
    void operator()(bpf_link* link) const;
  };

  BpfFeature() = default;
  Failure Load(const BpfSession& session, const Options& options, const char* file, const char* program,
               const op_config& config);

  std::unique_ptr<bpf_object, ObjectCloser> object_;
  std::unique_ptr<bpf_link, LinkCloser> link_;
  UniqueFd event_;
  int programFd_ = -1;
  uint64_t mapBytes_ = 0;
};

}  // namespace otelprof
