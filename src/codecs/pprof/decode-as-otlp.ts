// SPDX-License-Identifier: Apache-2.0
import { codecsAddon } from '../../native/codecs-addon.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlp } from '../otlp/decode.ts';
import { decodePprof, type DecodePprofOptions } from './decode.ts';

/**
 * `decodePprof` for whoever writes the batch as OTLP: where there is the addon, it makes OTLP of the file, which goes out as it
 * is where nobody edits it, in half the time. Columns are made of that when they are used, which takes longer than to decode the
 * file. The batch means the same; its rows may be numbered otherwise. Throws DecodeError as `decodePprof`.
 */
export function decodePprofAsOtlp(bytes: Uint8Array, options: DecodePprofOptions = {}): ProfilesBatch {
  const isSmall = options.maxBytes === undefined || bytes.length <= options.maxBytes;
  const otlp = isSmall ? codecsAddon()?.pprofToOtlp(bytes) : undefined;
  return otlp === undefined ? decodePprof(bytes, options) : decodeOtlp(otlp);
}
