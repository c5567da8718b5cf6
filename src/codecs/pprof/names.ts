// SPDX-License-Identifier: Apache-2.0

/** Attribute keys of the OpenTelemetry semantic conventions for what pprof has and OTLP has no field for. */
export const PPROF = {
  buildIdGnu: 'process.executable.build_id.gnu',
  hasFunctions: 'pprof.mapping.has_functions',
  hasFilenames: 'pprof.mapping.has_filenames',
  hasLineNumbers: 'pprof.mapping.has_line_numbers',
  hasInlineFrames: 'pprof.mapping.has_inline_frames',
  isFolded: 'pprof.location.is_folded',
  comment: 'pprof.profile.comment',
  dropFrames: 'pprof.profile.drop_frames',
  keepFrames: 'pprof.profile.keep_frames',
  docUrl: 'pprof.profile.doc_url',
  defaultSampleType: 'pprof.scope.default_sample_type',
  sampleTypeOrder: 'pprof.scope.sample_type_order',
} as const;

/** Attributes that may serve as a mapping's build id, in order of preference. */
export const BUILD_IDS: readonly string[] = [
  PPROF.buildIdGnu,
  'process.executable.build_id.go',
  'process.executable.build_id.htlhash',
];

/** Attributes of the flags of a mapping, in the order of its fields 7 to 10. */
export const MAPPING_FLAGS: readonly string[] = [
  PPROF.hasFunctions,
  PPROF.hasFilenames,
  PPROF.hasLineNumbers,
  PPROF.hasInlineFrames,
];
