// SPDX-License-Identifier: Apache-2.0

/**
 * Why bytes could not be (de)compressed. `too_large`: beyond the limit on bytes or on the ratio, or no
 * memory for it; `malformed`: the bytes are not what they are said to be; `unsupported`: not in this
 * installation.
 */
export type CompressionErrorReason = 'too_large' | 'malformed' | 'unsupported';

/** The only error of `compress` and `decompress`. The bytes are at fault, or the set-up; never the program. */
export class CompressionError extends Error {
  override readonly name = 'CompressionError';
  readonly reason: CompressionErrorReason;

  constructor(reason: CompressionErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
