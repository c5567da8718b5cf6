// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { labelledBatch } from '../../internal/testing/labelled-batch.ts';
import { stringValue, valueToText } from '../../pdata/any-value.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import type { Profile, ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { mostTelling, sampleLabelFilter, serviceName, toPyroscope, truncateUtf8 } from './pyroscope-rules.ts';
import { TimeSlots } from './time-slots.ts';

const shape = (batch: ProfilesBatch, timeSlots = new TimeSlots()): ProfilesBatch =>
  toPyroscope(batch, { keepSampleAttribute: () => true, timeSlots }).batch;

const only = (batch: ProfilesBatch): Profile => {
  const [found] = [...batch.profiles()];
  assert.ok(found);
  return found.profile;
};

describe('profiles for Pyroscope', () => {
  it('keep a period, and get their sample type as period type where they have none', () => {
    const kept = only(shape(batchFromFolded('a 1')));
    assert.equal(kept.period, 10_000_000n);
    const bare = shape(
      batchFromFolded('a 1', { sampleType: ['events', 'count'], periodType: ['', ''], period: 0n }),
    );
    assert.deepEqual([bare.dictionary.text(only(bare).periodType.type), only(bare).period], ['events', 1n]);
  });

  it('leave off-CPU time without a period, as the server asks', () => {
    const off = { sampleType: ['off_cpu', 'nanoseconds'], periodType: ['', ''], period: 0n } as const;
    assert.equal(only(shape(batchFromFolded('a 1', off))).period, 0n);
  });

  it('of Go that wait for locks or channels are told apart by the name of their series', () => {
    const waits = (name: string, period: bigint): string => {
      const batch = batchFromFolded('main;wait 7', {
        sampleType: ['delay', 'nanoseconds'],
        periodType: ['contentions', 'count'],
        period,
        attributes: { __name__: name },
      });
      const shaped = shape(batch);
      assert.equal(toFolded(shaped), 'main;wait 7');
      const { sampleType, periodType, period: shapedPeriod } = only(shaped);
      const text = (row: number): string => shaped.dictionary.text(row);
      assert.equal(shapedPeriod, 1n);
      return [sampleType, periodType].map(({ type, unit }) => `${text(type)}:${text(unit)}`).join(':');
    };
    assert.equal(waits('mutex', 1n), 'delay:nanoseconds:mutex:count');
    assert.equal(waits('block', 0n), 'delay:nanoseconds:block:count');
    assert.equal(waits('', 1n), 'delay:nanoseconds:contentions:count');
    assert.equal(waits('shop', 1n), 'delay:nanoseconds:contentions:count');
  });

  it('keep stacks and values', () => {
    const batch = batchFromFolded('main;a 1\nmain;b 2');
    assert.equal(toFolded(shape(batch)), toFolded(batch));
  });

  it('have sample types that the server takes', () => {
    const { dictionary, resources } = shape(batchFromFolded('a 1', { sampleType: ['lock-count', 'count'] }));
    const [p] = resources[0]?.scopes[0]?.profiles ?? [];
    assert.equal(dictionary.text(p?.sampleType.type ?? 0), 'lock_count');
  });

  it('have labels of samples that the server takes', () => {
    const long = labelledBatch({ query: 'ü'.repeat(2_000), short: 'x', ['k'.repeat(1_025)]: 'y' });
    const { batch, report } = toPyroscope(long, {
      keepSampleAttribute: sampleLabelFilter(undefined),
      timeSlots: new TimeSlots(),
    });
    const { dictionary } = batch;
    const texts = Array.from(only(batch).samples.attributes.values, (row) => [
      dictionary.attributeKey(row),
      valueToText(dictionary.attributeValue(row)),
    ]);
    assert.deepEqual(texts, [
      ['query', 'ü'.repeat(1_024)],
      ['short', 'x'],
    ]);
    assert.equal(report.truncatedLabels, 1);
  });

  it('have one time each in a series, and keep theirs in different ones', () => {
    const slots = new TimeSlots();
    const times = ['x', 'x', 'y'].map(
      (name) =>
        only(shape(batchFromFolded('a 1', { attributes: { 'service.name': name } }), slots)).timeUnixNano,
    );
    const [first = 0n] = times;
    assert.deepEqual(times, [first, first + 1n, first]);
  });
});

describe('labels for Pyroscope', () => {
  it('cut text between characters', () => {
    assert.equal(truncateUtf8('aüü', 4), 'aü');
    assert.equal(truncateUtf8('aü', 3), 'aü');
  });

  it('leave out threads and CPUs unless they are asked for', () => {
    assert.deepEqual(['thread.id', 'thread.name'].map(sampleLabelFilter(undefined)), [false, true]);
    assert.deepEqual(['thread.id', 'thread.name', 'span_id'].map(sampleLabelFilter(['thread.id'])), [
      true,
      false,
      true,
    ]);
  });

  it('never give up the name of the service', () => {
    const attributes = ['os.type', 'k8s.pod.name', 'service.name'].map((key) => ({
      key,
      value: stringValue(key),
    }));
    assert.deepEqual(
      mostTelling(attributes, 1).map((a) => a.key),
      ['service.name'],
    );
    assert.deepEqual(
      mostTelling(attributes, 2).map((a) => a.key),
      ['k8s.pod.name', 'service.name'],
    );
    assert.equal(serviceName([]), 'unknown_service');
  });
});
