// SPDX-License-Identifier: Apache-2.0
import {
  Function,
  Label,
  Line,
  Location,
  Mapping,
  Profile,
  Sample,
  StringTable,
  ValueType,
} from 'pprof-format';
import { Random } from './otlp-random.ts';

type Numeric = number | bigint;

const signed = (value: Numeric): string => BigInt.asIntN(64, BigInt(value)).toString();
const unsigned = (value: Numeric): string => BigInt.asUintN(64, BigInt(value)).toString();

/**
 * What a pprof file says, as lines to compare, read by pprof-format: a second opinion on our codec. Ids and
 * string indices are resolved, labels stand by key in the order of the file. Tables stand in their order,
 * whether a sample references them or not.
 */
export function pprofMeaning(bytes: Uint8Array): string[] {
  const p = Profile.decode(bytes);
  const text = (index: Numeric): string => p.stringTable.strings[Number(index)] ?? `no string ${index}`;
  const type = (t: { type: Numeric; unit: Numeric } | undefined): string =>
    t === undefined ? '/' : `${text(t.type)}/${text(t.unit)}`;
  const functions = new Map(
    p.function.map((f) => [
      unsigned(f.id),
      [text(f.name), text(f.systemName), text(f.filename), signed(f.startLine)],
    ]),
  );
  const mappings = new Map(
    p.mapping.map((m) => [
      unsigned(m.id),
      [
        ...[m.memoryStart, m.memoryLimit, m.fileOffset].map(unsigned),
        ...[text(m.filename), text(m.buildId)],
        ...[m.hasFunctions, m.hasFilenames, m.hasLineNumbers, m.hasInlineFrames].map(Boolean),
      ],
    ]),
  );
  const locations = new Map(
    p.location.map((l) => [
      unsigned(l.id),
      {
        mapping: mappings.get(unsigned(l.mappingId)),
        address: unsigned(l.address),
        lines: l.line.map((line) => [
          functions.get(unsigned(line.functionId)),
          signed(line.line),
          signed(line.column),
        ]),
        isFolded: l.isFolded,
      },
    ]),
  );
  const types = p.sampleType.map(type);
  const defaultType = text(p.defaultSampleType);
  const line = (name: string) => (value: unknown) => `${name} ${JSON.stringify(value)}`;
  return [
    ...types.map(line('type')),
    ...p.sample.map((s) =>
      line('sample')([
        s.locationId.map((id) => locations.get(unsigned(id))),
        s.value.map(signed),
        labelsByKey(s.label, text),
      ]),
    ),
    ...[...mappings.values()].map(line('mapping')),
    ...[...locations.values()].map(line('location')),
    ...[...functions.values()].map(line('function')),
    ...[p.dropFrames, p.keepFrames, p.docUrl, ...p.comment].map(text).map(line('text')),
    ...[p.timeNanos, p.durationNanos, p.period].map(signed).map(line('number')),
    line('period')(type(p.periodType)),
    // A name that no type has says nothing.
    line('default')(types.some((t) => t.startsWith(`${defaultType}/`)) ? defaultType : ''),
  ];
}

function labelsByKey(labels: readonly Label[], text: (index: Numeric) => string): [string, string[]][] {
  const byKey = new Map<string, string[]>();
  for (const l of labels) {
    const key = text(l.key);
    const value = `${l.str === 0 ? signed(l.num) : JSON.stringify(text(l.str))} ${text(l.numUnit)}`;
    byKey.set(key, [...(byKey.get(key) ?? []), value]);
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A valid pprof file with every field used, ids dense or anywhere in 64 bits, written by pprof-format. */
export function randomPprof(random: Random): Uint8Array {
  const stringTable = new StringTable();
  const text = (): number => stringTable.dedup(`${random.text()}${random.below(5)}`);
  const isSparse = random.below(3) === 0;
  const id = (i: number): Numeric => (isSparse ? BigInt(random.u64()) * 64n + BigInt(i + 1) : i + 1);
  const i64 = (): bigint => BigInt(random.i64());
  const u64 = (): bigint => BigInt(random.u64());
  const flag = (): boolean => random.below(2) === 0;
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const valueType = (): ValueType => new ValueType({ type: text(), unit: text() });
  const mapping = random.list(
    4,
    (i) =>
      new Mapping({
        ...{ id: asId(id(i)), memoryStart: u64(), memoryLimit: u64(), fileOffset: u64() },
        ...{ filename: text(), buildId: flag() ? text() : 0 },
        ...{ hasFunctions: flag(), hasFilenames: flag(), hasLineNumbers: flag(), hasInlineFrames: flag() },
      }),
  );
  const fn = random.list(
    5,
    (i) =>
      new Function({ id: asId(id(i)), name: text(), systemName: text(), filename: text(), startLine: i64() }),
  );
  const line = (): Line => new Line({ functionId: pick(fn).id, line: i64(), column: i64() });
  const location = random.list(
    6,
    (i) =>
      new Location({
        ...{ id: asId(id(i)), mappingId: mapping.length > 0 && flag() ? pick(mapping).id : 0 },
        ...{ address: u64(), line: fn.length > 0 ? random.list(3, line) : [], isFolded: flag() },
      }),
  );
  const label = (): Label => {
    const key = stringTable.dedup(`key ${random.below(3)}`);
    return flag()
      ? new Label({ key, str: text() })
      : new Label({ key, num: i64(), numUnit: pick([0, text()]) });
  };
  const sampleType = [valueType(), ...random.list(3, valueType)];
  const sample = random.list(
    8,
    () =>
      new Sample({
        locationId: location.length > 0 ? random.list(5, () => pick(location).id) : [],
        value: sampleType.map(i64),
        label: random.list(random.below(8) === 0 ? 20 : 4, label),
      }),
  );
  const profile = new Profile({
    ...{ sampleType, sample, mapping, location, function: fn, stringTable },
    ...{ dropFrames: text(), keepFrames: text(), timeNanos: i64(), durationNanos: i64() },
    ...{ periodType: valueType(), period: i64(), comment: random.list(3, text) },
    ...{ defaultSampleType: flag() ? pick(sampleType).type : 0, docUrl: text() },
  });
  return profile.encode();
}

function asId(id: Numeric): bigint {
  return BigInt.asUintN(64, BigInt(id)) || 1n;
}
