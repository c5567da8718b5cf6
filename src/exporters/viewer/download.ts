// SPDX-License-Identifier: Apache-2.0
import { gzipSync } from 'node:zlib';
import { encodeFolded } from '../../codecs/folded/folded.ts';
import { encodePprof } from '../../codecs/pprof/encode.ts';
import { encodeSpeedscope } from '../../codecs/speedscope/encode.ts';
import { stringValue } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { profile, ProfilesBatch, resource } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import type { CallTree, Frame } from './call-tree.ts';
import type { NodeWeights } from './query.ts';

export interface Download {
  readonly body: Uint8Array | string;
  readonly contentType: string;
  readonly extension: string;
}

export interface TimeRange {
  readonly fromMs: number;
  readonly untilMs: number;
}

const WRITERS: Readonly<Record<string, (batch: ProfilesBatch) => Download>> = {
  folded: (batch) => ({
    body: encodeFolded(batch),
    contentType: 'text/plain; charset=utf-8',
    extension: 'folded.txt',
  }),
  speedscope: (batch) => ({
    body: encodeSpeedscope(batch),
    contentType: 'application/json',
    extension: 'speedscope.json',
  }),
  pprof: (batch) => ({
    body: gzipSync(
      encodePprof(
        batch.dictionary,
        [...batch.profiles()].map((at) => at.profile),
      ),
    ),
    contentType: 'application/octet-stream',
    extension: 'pb.gz',
  }),
};

export const DOWNLOAD_FORMATS = Object.keys(WRITERS);

/** The weighted stacks as a file, or undefined for an unknown format. Nothing is folded or rounded away. */
export function download(
  format: string,
  tree: CallTree,
  weights: NodeWeights,
  range: TimeRange,
): Download | undefined {
  return Object.hasOwn(WRITERS, format) ? WRITERS[format]?.(batchOf(tree, weights, range)) : undefined;
}

/** Frame rows of a node, leaf first. */
function path(tree: CallTree, node: number): number[] {
  const rows: number[] = [];
  for (let at = node; at > 0; at = tree.parentOf(at)) rows.push(tree.frameOf(at));
  return rows;
}

/** The weighted nodes as one profile, a sample each. */
function batchOf(tree: CallTree, weights: NodeWeights, range: TimeRange): ProfilesBatch {
  const builder = new DictionaryBuilder();
  const rows = new Map<number, number>();
  const locationOf = (source: number): number => {
    let row = rows.get(source);
    if (row === undefined) rows.set(source, (row = addLocation(builder, tree.frameAt(source))));
    return row;
  };
  const samples = new SamplesBuilder();
  for (let node = 0; node < weights.self.length; node++) {
    const weight = Math.round(weights.self[node] as number);
    if (weight <= 0) continue;
    samples.add(builder.stack(path(tree, node).map(locationOf)), 0, [], [BigInt(weight)], []);
  }
  const [type = '', unit = ''] = weights.type.split(':');
  const valueType = { type: builder.string(type), unit: builder.string(unit) };
  const made = profile({
    sampleType: valueType,
    samples: samples.build(),
    ...(type === 'cpu' ? { periodType: valueType, period: 1n } : {}),
    timeUnixNano: BigInt(Math.round(range.fromMs)) * 1_000_000n,
    durationNano: BigInt(Math.round(range.untilMs - range.fromMs)) * 1_000_000n,
  });
  const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
  return new ProfilesBatch(builder.build(), [
    { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [made] }] },
  ]);
}

function addLocation(builder: DictionaryBuilder, frame: Frame): number {
  const name = builder.string(frame.name);
  const fn = builder.function(name, name, builder.string(frame.file), 0n);
  const mapping = frame.binary === '' ? 0 : builder.mapping(0n, 0n, 0n, builder.string(frame.binary), []);
  const attributes =
    frame.kind === '' ? [] : [builder.attributeOf('profile.frame.type', stringValue(frame.kind))];
  return builder.location(mapping, 0n, attributes, [{ function: fn, line: BigInt(frame.line), column: 0n }]);
}
