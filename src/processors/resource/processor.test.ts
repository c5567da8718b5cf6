// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withClientMetadata } from '../../component/client-metadata.ts';
import { testProcessorContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testSettings } from '../../internal/testing/settings.ts';
import { type AnyValue, intValue, stringValue, valueToText } from '../../pdata/any-value.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { configSchema } from './config.ts';
import { resourceProcessorFactory } from './factory.ts';

testProcessorContract(resourceProcessorFactory, { attributes: [{ key: 'a', value: 'b', action: 'upsert' }] });

type Input = Record<string, string | AnyValue>;

async function run(input: Input, ...actions: unknown[]): Promise<Record<string, AnyValue>> {
  const next = new RecordingConsumer();
  const config = configSchema.parse({ attributes: actions });
  const processor = resourceProcessorFactory.create(testSettings('resource'), config, next);
  const attributes = Object.entries(input).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? stringValue(value) : value,
  }));
  const batch = batchFromFolded('main 1').mapResources((r) => ({
    ...r,
    scopes: r.scopes,
    resource: { ...r.resource, attributes },
  }));
  await processor.consumeProfiles(batch, never());
  const out = next.batches[0]?.resources[0]?.resource.attributes ?? [];
  return Object.fromEntries(out.map((a) => [a.key, a.value]));
}

const texts = async (input: Input, ...actions: unknown[]): Promise<Record<string, string>> =>
  Object.fromEntries(Object.entries(await run(input, ...actions)).map(([k, v]) => [k, valueToText(v)]));

test('insert sets only what is absent', async () => {
  const action = { key: 'a', value: 'new', action: 'insert' };
  assert.deepEqual(await texts({}, action), { a: 'new' });
  assert.deepEqual(await texts({ a: 'old' }, action), { a: 'old' });
});

test('update sets only what is there', async () => {
  const action = { key: 'a', value: 'new', action: 'UPDATE' };
  assert.deepEqual(await texts({}, action), {});
  assert.deepEqual(await texts({ a: 'old' }, action), { a: 'new' });
});

test('upsert sets in any case, from another attribute with its type', async () => {
  const action = { key: 'a', from_attribute: 'b', action: 'upsert' };
  assert.deepEqual(await run({ b: intValue(5) }, action), { b: intValue(5), a: intValue(5) });
  assert.deepEqual(await run({ a: 'old' }, action), { a: stringValue('old') });
  assert.deepEqual(await texts({ a: 'old' }, { ...action, default_value: 'none' }), { a: 'none' });
});

test('the type of a value is that of the YAML value', async () => {
  const values = { t: 'text', i: 3, d: 1.5, b: true, l: [1, 'x'] };
  const actions = Object.entries(values).map(([key, value]) => ({ key, value, action: 'insert' }));
  assert.deepEqual(await run({}, ...actions), {
    t: stringValue('text'),
    i: intValue(3),
    d: { kind: 'double', value: 1.5 },
    b: { kind: 'bool', value: true },
    l: { kind: 'array', value: [intValue(1), stringValue('x')] },
  });
});

test('delete takes a key, a pattern, or both', async () => {
  const input = { a: '1', 'tmp.x': '2', 'tmp.y': '3', z: '4' };
  assert.deepEqual(await texts(input, { key: 'a', pattern: '^tmp', action: 'delete' }), { z: '4' });
});

test('hash replaces by the SHA-256 sum', async () => {
  assert.deepEqual(await texts({ a: 'secret', n: intValue(1) }, { pattern: '.', action: 'hash' }), {
    a: '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b',
    n: 'cd2662154e6d76b2b2b92e70c0cac3ccf534f9b74eb5b89819ec509083d00a50',
  });
});

test('extract sets an attribute per named group', async () => {
  const action = { key: 'url', pattern: '^(?P<scheme>\\w+)://(?<host>[^/]+)', action: 'extract' };
  assert.deepEqual(await texts({ url: 'https://example.org/x', host: 'old' }, action), {
    url: 'https://example.org/x',
    host: 'example.org',
    scheme: 'https',
  });
  assert.deepEqual(await texts({ url: 'nothing' }, action), { url: 'nothing' });
});

test('convert changes the type where the value allows it', async () => {
  const to = (converted_type: string) => ({ key: 'a', converted_type, action: 'convert' });
  assert.deepEqual(await run({ a: '42' }, to('int')), { a: intValue(42) });
  assert.deepEqual(await run({ a: '1.5e3' }, to('double')), { a: { kind: 'double', value: 1500 } });
  assert.deepEqual(await run({ a: intValue(7) }, to('string')), { a: stringValue('7') });
  assert.deepEqual(await run({ a: 'seven' }, to('int')), { a: stringValue('seven') });
  assert.deepEqual(await run({ a: '99999999999999999999' }, to('int')), {
    a: stringValue('99999999999999999999'),
  });
});

const refused: [unknown, string][] = [
  [{}, 'missing required field "attributes"'],
  [{ attributes: [] }, 'missing required field "attributes"'],
  [{ attributes: [{ action: 'insert' }] }, 'missing required field "key" at the 0-th actions'],
  [{ attributes: [{ key: 'a', action: 'add', value: 1 }] }, 'unsupported action "add" at the 0-th actions'],
  [
    { attributes: [{ key: 'a', action: 'insert' }] },
    'Either field "value", "from_attribute" or "from_context" setting must be specified for 0-th action',
  ],
  [
    { attributes: [{ key: 'a', action: 'upsert', value: 1, from_attribute: 'b' }] },
    'multiple value sources being set at the 0-th actions',
  ],
  [{ attributes: [{ key: 'a', action: 'upsert', from_context: 'auth.subject' }] }, 'is not available'],
  [{ attributes: [{ action: 'delete' }] }, 'at least one of "key" and "pattern" have to be used'],
  [
    { attributes: [{ key: 'a', action: 'delete', value: 1 }] },
    'does not use "value" or "from_attribute" field',
  ],
  [
    { attributes: [{ key: 'a', action: 'insert', value: 1, pattern: 'x' }] },
    'does not use the "pattern" field',
  ],
  [
    { attributes: [{ key: 'a', action: 'extract' }] },
    'missing required field "pattern" for action "extract"',
  ],
  [{ attributes: [{ key: 'a', action: 'extract', pattern: '(' }] }, 'has invalid pattern: "("'],
  [{ attributes: [{ key: 'a', action: 'extract', pattern: 'a' }] }, 'contains no named matcher groups'],
  [
    { attributes: [{ key: 'a', action: 'extract', pattern: '(a)' }] },
    'contains at least one unnamed matcher group',
  ],
  [
    { attributes: [{ key: 'a', action: 'convert' }] },
    'missing required field "converted_type" for action "convert"',
  ],
  [{ attributes: [{ key: 'a', action: 'convert', converted_type: 'bool' }] }, 'invalid value "bool"'],
];

for (const [config, message] of refused) {
  test(`the configuration ${JSON.stringify(config)} is refused`, () => {
    const result = configSchema.safeParse(config);
    const issues = result.success ? [] : result.error.issues.map((issue) => issue.message);
    assert.ok(issues.join('\n').includes(message), issues.join('\n'));
  });
}

test('takes values from the metadata of the client', async () => {
  const metadata = new Map([
    ['x-env', ['prod']],
    ['x-zone', ['a', 'b']],
  ]);
  const set = (from_context: string, more: object = {}): object => ({
    key: 'a',
    action: 'upsert',
    from_context,
    ...more,
  });
  const cases = [
    [set('metadata.X-Env'), { a: 'prod' }],
    [set('x-env'), { a: 'prod' }],
    [set('x-zone'), { a: 'a;b' }],
    [set('x-other'), {}],
    [set('x-other', { default_value: 'unknown' }), { a: 'unknown' }],
  ] as const;
  for (const [action, wanted] of cases)
    assert.deepEqual(await withClientMetadata(metadata, () => texts({}, action)), wanted);
  assert.deepEqual(await texts({ a: 'old' }, set('x-env')), { a: 'old' });
});
