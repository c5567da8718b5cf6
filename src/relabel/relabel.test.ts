// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LabelSet, relabel } from './relabel.ts';
import { compileRule, type RuleOptions } from './rule.ts';

type Plain = Record<string, string>;

/** The labels after the rules, or the index of the rule that dropped them. */
function run(labels: Plain, ...rules: RuleOptions[]): Plain | number {
  const result = relabel(new Map(Object.entries(labels)), rules.map(compileRule));
  return result.kept ? Object.fromEntries(result.labels) : result.rule;
}

const ABC = { a: 'foo', b: 'bar', c: 'baz' };
const TAGS = { __meta_sd_tags: 'path:/secret,job:some-job,label:foo=bar' };
const PORTS = { __tmp_port: '1234', __port1: '1234', __port2: '5678' };

/** Cases and results as documented by and tested in Prometheus (model/relabel). */
const cases: { name: string; input: Plain; rules: RuleOptions[]; want: Plain | number }[] = [
  {
    name: 'replace uses a group twice',
    input: ABC,
    rules: [{ source_labels: ['a'], regex: 'f(.*)', target_label: 'd', replacement: 'ch${1}-ch${1}' }],
    want: { ...ABC, d: 'choo-choo' },
  },
  {
    name: 'a later rule sees what an earlier one wrote',
    input: ABC,
    rules: [
      { source_labels: ['a', 'b'], regex: 'f(.*);(.*)r', target_label: 'a', replacement: 'b${1}${2}m' },
      { source_labels: ['c', 'a'], regex: '(b).*b(.*)ba(.*)', target_label: 'd', replacement: '$1$2$2$3' },
    ],
    want: { a: 'boobam', b: 'bar', c: 'baz', d: 'boooom' },
  },
  {
    name: 'the first drop ends it',
    input: { a: 'foo' },
    rules: [
      { source_labels: ['a'], regex: '.*o.*', action: 'drop' },
      { source_labels: ['a'], regex: 'f(.*)', target_label: 'd', replacement: 'ch$1-ch$1' },
    ],
    want: 0,
  },
  {
    name: 'drop needs a match of the whole value',
    input: { a: 'foo' },
    rules: [{ source_labels: ['a'], regex: 'f|o', action: 'drop' }],
    want: { a: 'foo' },
  },
  {
    name: 'keep without a match drops',
    input: { a: 'foo' },
    rules: [{ source_labels: ['a'], regex: 'no-match', action: 'keep' }],
    want: 0,
  },
  {
    name: 'keep with a match keeps',
    input: { a: 'foo' },
    rules: [{ source_labels: ['a'], regex: 'f.*', action: 'keep' }],
    want: { a: 'foo' },
  },
  {
    name: 'replace without a match changes nothing',
    input: { a: 'boo' },
    rules: [{ source_labels: ['a'], regex: 'f', target_label: 'b', replacement: 'bar' }],
    want: { a: 'boo' },
  },
  {
    name: 'hashmod is the tail of the MD5 sum',
    input: ABC,
    rules: [{ source_labels: ['c'], target_label: 'd', action: 'hashmod', modulus: 1000n }],
    want: { ...ABC, d: '976' },
  },
  {
    name: 'hashmod hashes a value with a line break',
    input: { a: 'foo\nbar' },
    rules: [{ source_labels: ['a'], target_label: 'b', action: 'hashmod', modulus: 1000n }],
    want: { a: 'foo\nbar', b: '734' },
  },
  {
    name: 'labelmap copies',
    input: { a: 'foo', b1: 'bar', b2: 'baz' },
    rules: [{ regex: '(b.*)', replacement: 'bar_${1}', action: 'labelmap' }],
    want: { a: 'foo', b1: 'bar', b2: 'baz', bar_b1: 'bar', bar_b2: 'baz' },
  },
  {
    name: 'a target label may be made of groups',
    input: { a: 'some-name-value' },
    rules: [
      { source_labels: ['a'], regex: 'some-([^-]+)-([^,]+)', replacement: '${2}', target_label: '${1}' },
    ],
    want: { a: 'some-name-value', name: 'value' },
  },
  {
    name: 'a group that does not exist is empty and an empty result sets nothing',
    input: { a: 'some-name-value' },
    rules: [
      { source_labels: ['a'], regex: 'some-([^-]+)-([^,]+)', replacement: '${3}', target_label: '${1}' },
    ],
    want: { a: 'some-name-value' },
  },
  {
    name: 'an empty target name does nothing',
    input: { a: 'some-name-0' },
    rules: [
      { source_labels: ['a'], regex: 'some-([^-]+)-([^,]+)', replacement: '${1}', target_label: '${3}' },
    ],
    want: { a: 'some-name-0' },
  },
  {
    name: 'one label of tags is taken apart',
    input: TAGS,
    rules: [
      {
        source_labels: ['__meta_sd_tags'],
        regex: '(?:.+,|^)path:(/[^,]+).*',
        target_label: '__metrics_path__',
      },
      { source_labels: ['__meta_sd_tags'], regex: '(?:.+,|^)job:([^,]+).*', target_label: 'job' },
      {
        source_labels: ['__meta_sd_tags'],
        regex: '(?:.+,|^)label:([^=]+)=([^,]+).*',
        replacement: '$2',
        target_label: '$1',
      },
    ],
    want: { ...TAGS, __metrics_path__: '/secret', job: 'some-job', foo: 'bar' },
  },
  {
    name: 'a dropped label may be made anew (Prometheus issue 12283)',
    input: { port_name: 'foo', port_annotation: '9091' },
    rules: [
      { regex: '^port_name$', action: 'labeldrop' },
      {
        source_labels: ['port_annotation'],
        regex: '(.+)',
        replacement: 'metrics',
        target_label: 'port_name',
      },
      { source_labels: ['port_name'], regex: '^metrics$', action: 'keep' },
    ],
    want: { port_annotation: '9091', port_name: 'metrics' },
  },
  {
    name: 'labelkeep',
    input: { a: 'foo', b1: 'bar' },
    rules: [{ regex: '(b.*)', action: 'labelkeep' }],
    want: { b1: 'bar' },
  },
  {
    name: 'labeldrop',
    input: { a: 'foo', b1: 'bar' },
    rules: [{ regex: '(b.*)', action: 'labeldrop' }],
    want: { a: 'foo' },
  },
  {
    name: 'the case of letters, with the action in any case',
    input: { foo: 'bAr123Foo' },
    rules: [
      { source_labels: ['foo'], action: 'Uppercase', target_label: 'up' },
      { source_labels: ['foo'], action: 'LOWERCASE', target_label: 'low' },
    ],
    want: { foo: 'bAr123Foo', low: 'bar123foo', up: 'BAR123FOO' },
  },
  {
    name: 'letters are mapped one to one, as Go does',
    input: { s: 'ß ΟΔΟΣ İ ᾳ ŉ' },
    rules: [
      { source_labels: ['s'], action: 'lowercase', target_label: 'low' },
      { source_labels: ['s'], action: 'uppercase', target_label: 's' },
    ],
    want: { s: 'ß ΟΔΟΣ İ ᾼ ŉ', low: 'ß οδοσ i ᾳ ŉ' },
  },
  {
    name: 'keepequal keeps equals',
    input: PORTS,
    rules: [{ source_labels: ['__tmp_port'], action: 'keepequal', target_label: '__port1' }],
    want: PORTS,
  },
  {
    name: 'keepequal drops others',
    input: PORTS,
    rules: [{ source_labels: ['__tmp_port'], action: 'keepequal', target_label: '__port2' }],
    want: 0,
  },
  {
    name: 'dropequal drops equals',
    input: PORTS,
    rules: [{ source_labels: ['__tmp_port'], action: 'dropequal', target_label: '__port1' }],
    want: 0,
  },
  {
    name: 'dropequal keeps others',
    input: PORTS,
    rules: [{ source_labels: ['__tmp_port'], action: 'dropequal', target_label: '__port2' }],
    want: PORTS,
  },
  {
    name: 'an empty result deletes the target',
    input: ABC,
    rules: [{ target_label: 'a', replacement: '' }],
    want: { b: 'bar', c: 'baz' },
  },
  {
    name: 'an absent label reads as empty',
    input: ABC,
    rules: [{ source_labels: ['no'], regex: '', action: 'drop' }],
    want: 0,
  },
  { name: 'an empty label is no label', input: { a: '', b: 'x' }, rules: [], want: { b: 'x' } },
  {
    name: 'names with dots are labels',
    input: { 'process.executable.name': 'nginx' },
    rules: [{ source_labels: ['process.executable.name'], target_label: 'service.name' }],
    want: { 'process.executable.name': 'nginx', 'service.name': 'nginx' },
  },
  {
    name: 'named groups and dollars expand as in Go',
    input: { a: 'k=v' },
    rules: [
      {
        source_labels: ['a'],
        regex: '(?P<key>\\w)=(?P<value>\\w)',
        target_label: 't',
        replacement: '${value}$$${key}_$key_$1x-$',
      },
    ],
    want: { a: 'k=v', t: 'v$k_-$' },
  },
  {
    name: 'where labelmap maps two names to one the last wins',
    input: { x_2: 'two', x_1: 'one' },
    rules: [{ regex: '(x)_.', replacement: '$1', action: 'labelmap' }],
    want: { x_1: 'one', x_2: 'two', x: 'two' },
  },
  {
    name: 'a dot matches a line break',
    input: { a: 'x\ny' },
    rules: [{ source_labels: ['a'], regex: '(x.y)', target_label: 'b', replacement: 'hit' }],
    want: { a: 'x\ny', b: 'hit' },
  },
];

for (const { name, input, rules, want } of cases) {
  test(name, () => assert.deepEqual(run(input, ...rules), want));
}

const refused: [RuleOptions, RegExp][] = [
  [{ action: '' }, /^relabel action cannot be empty$/],
  [{ action: 'replce' }, /^unknown relabel action "replce" \(valid values: \[replace keep /],
  [{}, /^relabel configuration for replace action requires 'target_label' value$/],
  [{ action: 'lowercase' }, /^relabel configuration for lowercase action requires 'target_label' value$/],
  [{ action: 'hashmod', target_label: 'a' }, /^relabel configuration for hashmod requires non-zero modulus$/],
  [{ target_label: '\ud800' }, /is invalid 'target_label' for replace action$/],
  [
    { action: 'uppercase', target_label: 'a', replacement: 'x' },
    /^'replacement' can not be set for uppercase action$/,
  ],
  [{ action: 'labelmap', replacement: '' }, /^"" is invalid 'replacement' for labelmap action$/],
  [
    { action: 'keepequal', target_label: 'a', regex: 'x' },
    /^keepequal action requires only 'source_labels' and `target_label`, and no other fields$/,
  ],
  [
    { action: 'labeldrop', source_labels: ['a'] },
    /^labeldrop action requires only 'regex', and no other fields$/,
  ],
  [{ action: 'keep', regex: '(' }, /^error parsing regexp: missing closing \): `\(`$/],
  [{ action: 'keep', regex: '(?=a)' }, /^error parsing regexp: invalid or unsupported Perl syntax: `\(\?=`$/],
  [{ action: 'keep', regex: 'a)|(b' }, /^error parsing regexp: unexpected \)/],
];

for (const [options, message] of refused) {
  test(`the rule ${JSON.stringify({ ...options, modulus: undefined })} is refused`, () => {
    assert.throws(() => compileRule(options), { message });
  });
}

test('a hostile expression takes linear time', () => {
  const value = `${'a'.repeat(100_000)}!`;
  assert.equal(run({ a: value }, { source_labels: ['a'], regex: '(?:a+)+', action: 'keep' }), 0);
});

test('the input is not changed', () => {
  const labels: LabelSet = new Map([['a', 'x']]);
  relabel(labels, [compileRule({ target_label: 'a', replacement: 'y' })]);
  assert.equal(labels.get('a'), 'x');
});

/** What the rules mean, written with nothing but native expressions of the subset that both share. */
function naive(labels: Plain, rules: RuleOptions[]): Plain | number {
  const out = { ...labels };
  for (const [index, rule] of rules.entries()) {
    const value = (rule.source_labels ?? []).map((l) => out[l] ?? '').join(rule.separator ?? ';');
    // Go's `$1` is empty where there is no group 1, JavaScript's stays: the last group sees to that.
    const whole = new RegExp(`^(?:${rule.regex ?? '(.*)'})()$`, 's');
    const matches = whole.test(value);
    if (rule.action === 'keep' && !matches) return index;
    if (rule.action === 'drop' && matches) return index;
    if (rule.action === 'labeldrop')
      for (const name of Object.keys(out)) if (whole.test(name)) delete out[name];
    if (rule.action === 'replace' && matches) {
      const result = value.replace(whole, rule.replacement ?? '$1');
      delete out[rule.target_label ?? ''];
      if (result !== '') out[rule.target_label ?? ''] = result;
    }
  }
  return out;
}

test('rules give what a naive interpreter gives', () => {
  const name = fc.constantFrom('a', 'b', 'ab', 'abc', 'c');
  const value = fc.stringMatching(/^[abc;]{1,4}$/);
  const regex = fc.constantFrom(
    '(.*)',
    '(.+)',
    'a',
    'a(.*)',
    'ab.+',
    '(a|b)c?(.*)',
    'a*(b*)',
    '([abc]);(.*)',
    'abc|(b)',
    '.*(c)',
  );
  const rule = fc.record({
    action: fc.constantFrom('replace', 'keep', 'drop', 'labeldrop'),
    source_labels: fc.array(name, { maxLength: 2 }),
    regex,
    target_label: name,
    replacement: fc.constantFrom('$1', 'x', '', 'y-$1'),
  });
  const legal = (r: RuleOptions): RuleOptions =>
    r.action === 'labeldrop' ? { action: r.action, regex: r.regex } : r;
  fc.assert(
    fc.property(fc.dictionary(name, value), fc.array(rule, { maxLength: 5 }), (labels, rules) => {
      const options = rules.map(legal);
      assert.deepEqual(run(labels, ...options), naive({ ...labels }, options));
    }),
    { numRuns: 500 },
  );
});

test('hashmod is right for every modulus', () => {
  const sum = (text: string): bigint => createHash('md5').update(text).digest().readBigUInt64BE(8);
  const edges = [1n, 2n, 255n, 256n, (1n << 45n) - 1n, 1n << 45n, (1n << 45n) + 1n, (1n << 64n) - 1n];
  const modulus = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), modulus, (a, by) => {
      const rule = { source_labels: ['a'], target_label: 'b', action: 'hashmod', modulus: by };
      assert.deepEqual(run({ a }, rule), { ...(a === '' ? {} : { a }), b: (sum(a) % by).toString() });
    }),
    { numRuns: 1000 },
  );
});

test('a rule on names is right for more of them than it remembers', () => {
  const [mapped, dropped] = [
    compileRule({ action: 'labelmap', regex: 'old_(.+)', replacement: 'new_$1' }),
    compileRule({ action: 'labeldrop', regex: 'old_.*' }),
  ];
  for (let i = 0; i < 2000; i++) {
    const n = i % 700;
    const result = relabel(
      new Map([
        [`old_${n}`, 'x'],
        [`${n}`, 'y'],
      ]),
      [mapped, dropped],
    );
    assert.ok(result.kept);
    assert.deepEqual(
      [...result.labels],
      [
        [`${n}`, 'y'],
        [`new_${n}`, 'x'],
      ],
    );
  }
});
