// SPDX-License-Identifier: Apache-2.0
#include "remote_memory.h"

#include <sys/uio.h>

namespace otelprof {

bool RemoteMemory::Read(uint64_t address, std::span<uint8_t> out) {
  if (out.size() > budget_) {
    exhausted_ = true;
    return false;
  }
  budget_ -= out.size();
  return out.empty() || ReadRaw(address, out);
}

bool RemoteMemory::ReadRaw(uint64_t address, std::span<uint8_t> out) {
  const iovec local = {out.data(), out.size()};
  const iovec remote = {reinterpret_cast<void*>(address), out.size()};
  return process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(out.size());
}

}  // namespace otelprof
