// SPDX-License-Identifier: Apache-2.0

/** Attribute keys of the OpenTelemetry semantic conventions for what pprof has and OTLP has no field for. */
export const PPROF = {
  buildIdGnu: 'process.executable.build_id.gnu',
  /** In order of preference. */
  buildIds: [
    'process.executable.build_id.gnu',
    'process.executable.build_id.go',
    'process.executable.build_id.htlhash',
  ],
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
