// SPDX-License-Identifier: Apache-2.0
#include "content_key.h"

#include <random>

namespace otelcodecs {

const KeyMixer::Secret KeyMixer::kSecret = KeyMixer::MakeSecret();

KeyMixer::Secret KeyMixer::MakeSecret() {
  std::random_device random;
  const auto word = [&] { return uint64_t{random()} << 32 | random(); };
  return {word(), word(), word() | 1, word() | 1};
}

}  // namespace otelcodecs
