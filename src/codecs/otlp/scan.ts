// SPDX-License-Identifier: Apache-2.0
import { DecodeError, WireReader } from '../../internal/wire-reader.ts';
import { codecsAddon } from '../../native/codecs-addon.ts';
import type { OtlpFunctions } from '../../native/otlp-functions.ts';
import { FORMAT } from './fields.ts';
import { dictionaryFills } from './fill-dictionary.ts';
import { sampleFills } from './fill-samples.ts';
import { scanDictionary } from './scan-dictionary.ts';
import { scanProfiles } from './scan-profiles.ts';

/** The reference: what the addon must do too, and what stands in for it. */
export const typescriptFunctions: OtlpFunctions = {
  scanDictionary: (bytes, from, to, out) =>
    accepts(() => scanDictionary(new WireReader(bytes, FORMAT, from, to), out)),
  scanProfiles: (bytes, from, to, revision, rows, out) =>
    accepts(() => scanProfiles(new WireReader(bytes, FORMAT, from, to), revision, rows, out)),
  ...dictionaryFills,
  ...sampleFills,
};

function accepts(scan: () => void): boolean {
  try {
    scan();
    return true;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

/** The fastest implementation there is here. */
export function otlpFunctions(): OtlpFunctions {
  return codecsAddon() ?? typescriptFunctions;
}
