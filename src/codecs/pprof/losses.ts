// SPDX-License-Identifier: Apache-2.0

/**
 * What pprof has no place for, counted while encoding. Each is documented in README.md beside this file.
 * One object may be given to any number of calls; the counts add up.
 */
export interface PprofLosses {
  /** Timestamps of samples; their number stands in for the value of a sample that has none. */
  timestamps: number;
  /** Samples whose several values became their sum. */
  summedValues: number;
  /** Values and sums beyond 64 bits, written as the nearest number that fits. */
  clampedValues: number;
  /** Sample attributes whose value became text: bool, double, bytes, map, and arrays other than of texts and numbers. */
  textValues: number;
  /** Sample attributes with an empty text, which a label cannot say. */
  emptyLabels: number;
  /** Attributes of locations, `pprof.location.is_folded` aside. */
  locationAttributes: number;
  /** Attributes of mappings that are neither the build id nor `pprof.mapping.has_*`: other build ids as well. */
  mappingAttributes: number;
  /** Lines without function, which got a placeholder. */
  placeholders: number;
  /** Profile ids, original payloads, unknown fields, and counts of attributes dropped before. */
  profileFields: number;
}

export function noLosses(): PprofLosses {
  return {
    timestamps: 0,
    summedValues: 0,
    clampedValues: 0,
    textValues: 0,
    emptyLabels: 0,
    locationAttributes: 0,
    mappingAttributes: 0,
    placeholders: 0,
    profileFields: 0,
  };
}
