// SPDX-License-Identifier: Apache-2.0
import { gzipSync } from 'node:zlib';
import { encodePprof } from '../../codecs/pprof/encode.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { stringValue } from '../../pdata/any-value.ts';
import { profile } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/remap.ts';
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

type Writer = (tree: CallTree, weights: NodeWeights, range: TimeRange) => Download;

const WRITERS: Readonly<Record<string, Writer>> = { folded, speedscope, pprof };

export const DOWNLOAD_FORMATS = Object.keys(WRITERS);

/** The weighted stacks as a file, or undefined for an unknown format. Nothing is folded or rounded away. */
export function download(
  format: string,
  tree: CallTree,
  weights: NodeWeights,
  range: TimeRange,
): Download | undefined {
  return Object.hasOwn(WRITERS, format) ? WRITERS[format]?.(tree, weights, range) : undefined;
}

/** Frame rows of a node, root first. */
function path(tree: CallTree, node: number): number[] {
  const rows: number[] = [];
  for (let at = node; at > 0; at = tree.parentOf(at)) rows.push(tree.frameOf(at));
  return rows.reverse();
}

function* stacks(weights: NodeWeights): Generator<[node: number, weight: number]> {
  for (let node = 0; node < weights.self.length; node++) {
    const weight = Math.round(weights.self[node] as number);
    if (weight > 0) yield [node, weight];
  }
}

function folded(tree: CallTree, weights: NodeWeights): Download {
  const names = new Map<number, string>();
  const nameOf = (row: number): string => {
    let name = names.get(row);
    if (name === undefined) names.set(row, (name = tree.frameAt(row).name.replace(/[;\n\r]/g, ':')));
    return name;
  };
  let body = '';
  for (const [node, weight] of stacks(weights))
    body += `${path(tree, node).map(nameOf).join(';') || 'all'} ${weight}\n`;
  return { body, contentType: 'text/plain; charset=utf-8', extension: 'folded.txt' };
}

const SPEEDSCOPE_UNITS: Readonly<Record<string, string>> = {
  nanoseconds: 'nanoseconds',
  microseconds: 'microseconds',
  milliseconds: 'milliseconds',
  seconds: 'seconds',
  bytes: 'bytes',
};

function speedscope(tree: CallTree, weights: NodeWeights): Download {
  const rows = new Map<number, number>();
  const frames: { name: string; file?: string; line?: number }[] = [];
  const rowOf = (source: number): number => {
    let row = rows.get(source);
    if (row !== undefined) return row;
    const frame = tree.frameAt(source);
    row = frames.push({
      name: frame.name,
      ...(frame.file === '' ? {} : { file: frame.file }),
      ...(frame.line === 0 ? {} : { line: frame.line }),
    });
    rows.set(source, row - 1);
    return row - 1;
  };
  const samples: number[][] = [];
  const values: number[] = [];
  for (const [node, weight] of stacks(weights)) {
    samples.push(path(tree, node).map(rowOf));
    values.push(weight);
  }
  const [type = '', unit = ''] = weights.type.split(':');
  const endValue = values.reduce((sum, weight) => sum + weight, 0);
  const body = JSON.stringify({
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: 'otelcol-profiles',
    shared: { frames },
    profiles: [
      {
        type: 'sampled',
        name: type,
        unit: SPEEDSCOPE_UNITS[unit] ?? 'none',
        startValue: 0,
        endValue,
        samples,
        weights: values,
      },
    ],
  });
  return { body, contentType: 'application/json', extension: 'speedscope.json' };
}

function pprof(tree: CallTree, weights: NodeWeights, range: TimeRange): Download {
  const builder = new DictionaryBuilder();
  const rows = new Map<number, number>();
  const locationOf = (source: number): number => {
    let row = rows.get(source);
    if (row === undefined) rows.set(source, (row = addLocation(builder, tree.frameAt(source))));
    return row;
  };
  const samples = new SamplesBuilder();
  for (const [node, weight] of stacks(weights)) {
    samples.add(builder.stack(path(tree, node).map(locationOf).reverse()), 0, [], [BigInt(weight)], []);
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
  const body = gzipSync(encodePprof(builder.build(), [made]));
  return { body, contentType: 'application/octet-stream', extension: 'pb.gz' };
}

function addLocation(builder: DictionaryBuilder, frame: Frame): number {
  const name = builder.string(frame.name);
  const fn = builder.function(name, name, builder.string(frame.file), 0n);
  const mapping = frame.binary === '' ? 0 : builder.mapping(0n, 0n, 0n, builder.string(frame.binary), []);
  const attributes =
    frame.kind === '' ? [] : [builder.attributeOf('profile.frame.type', stringValue(frame.kind))];
  return builder.location(mapping, 0n, attributes, [{ function: fn, line: BigInt(frame.line), column: 0n }]);
}
