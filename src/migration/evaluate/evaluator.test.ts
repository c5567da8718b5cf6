// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Findings, formatFinding } from '../findings.ts';
import { parseRiver } from '../syntax/parser.ts';
import type { Attribute, Block } from '../syntax/tree.ts';
import { loadProgram } from './program.ts';
import { configText, type Text } from './text.ts';
import type { Value } from './value.ts';

const FILES = `
local.file "f" { filename = "/etc/f" }
local.file "late" { filename = env("DIR") + "/f" }
local.file "brace" { filename = "/etc/{f}" }
remote.http "r" { url = "https://config/r" }
discovery.docker "d" { host = "x" }
pyroscope.write "w" { }
`;

interface Outcome {
  readonly value: string;
  readonly told: readonly string[];
}

/** What an expression comes to, and what is told on the way. */
function evaluate(expression: string): Outcome {
  const findings = new Findings();
  const { instances, evaluator, root } = loadProgram(
    parseRiver(`${FILES}x.y "z" { v = ${expression} }`, 'f'),
    {
      findings,
      environment: { STAGE: 'production' },
      readModule: () => undefined,
    },
  );
  const block: Block | undefined = instances.at(-1)?.block;
  const [attribute] = (block?.body ?? []) as readonly Attribute[];
  assert.ok(attribute !== undefined);
  const value = show(evaluator.evaluate(attribute.value, root));
  return { value, told: findings.sorted.map((f) => formatFinding(f).replace(/^f:\d+:\d+: /, '')) };
}

const showText = (text: Text): string => configText(text) ?? 'cannot be written';

function show(value: Value): string {
  switch (value.kind) {
    case 'string':
      return JSON.stringify(showText(value.text));
    case 'number':
    case 'bool':
      return String(value.value);
    case 'array':
      return `[${value.items.map(show).join(', ')}]`;
    case 'object':
      return `{${[...value.fields].map(([name, field]) => `${name}: ${show(field)}`).join(', ')}}`;
    case 'decoded':
      return `decoded ${showText(value.text)}`;
    case 'export':
      return `${value.of.id}.${value.name}`;
    case 'function':
    case 'namespace':
    case 'null':
    case 'lost':
      return value.kind;
  }
}

describe('an expression', () => {
  for (const [expression, expected, told] of [
    // Arithmetic and comparisons
    ['1 + 2 * 3 - 4 / 2', '5'],
    ['7 % 4 + 2 ^ 3', '11'],
    ['-(1 + 2)', '-3'],
    ['"a" + "b" + "c"', '"abc"'],
    ['1 < 2 && 2 <= 2 && !(3 > 4) || false', 'true'],
    ['"b" > "a"', 'true'],
    ['"é" > "z"', 'true'],
    ['[1, {a = "x"}] == [1, {a = "x"}]', 'true'],
    ['{a = 1, b = 2} == {b = 2, a = 1}', 'true'],
    ['{a = 1} == {a = 2}', 'false'],
    ['null == null', 'true'],
    ['1 != "1"', 'true'],
    ['3 == 3.00', 'true'],
    // Access
    ['{a = {b = [1, 2]}}.a.b[1]', '2'],
    ['{"a b" = 1}["a b"]', '1'],
    ['{a = 1}["none"]', 'null'],
    // Late texts
    ['env("X")', '"${env:X}"'],
    ['sys.env("X") + "$y" + sys.env("Z")', '"${env:X}$$y${env:Z}"'],
    ['local.file.f.content', '"${file:/etc/f}"'],
    ['local.file.late.content', '"${file:${env:DIR}/f}"'],
    ['local.file.brace.content', '"cannot be written"'],
    ['remote.http.r.content', '"${https://config/r}"'],
    ['nonsensitive(local.file.f.content)', '"${file:/etc/f}"'],
    ['json_decode(local.file.f.content)', 'decoded ${file:/etc/f}'],
    ['encoding.from_yaml(env("X"))', 'decoded ${env:X}'],
    ['regex_quote(env("X"))', String.raw`"\\Q${'${env:X}'}\\E"`],
    ['regex_quote("a.b+c")', String.raw`"a\\.b\\+c"`],
    ['format("%s-%s", env("X"), "y")', '"${env:X}-y"'],
    ['string.join(["a", env("X")], "/")', '"a/${env:X}"'],
    // Exports
    ['concat(discovery.docker.d.targets, [{a = "b"}])', '[discovery.docker.d.targets, {a: "b"}]'],
    ['[pyroscope.write.w.receiver]', '[pyroscope.write.w.receiver]'],
    ['array.concat([1], [], [[2]])', '[1, [2]]'],
    [
      'array.combine_maps([{a = "1", b = "2"}], [{a = "1", c = "3"}, {a = "2"}], ["a"])',
      '[{a: "1", b: "2", c: "3"}]',
    ],
    [
      'array.combine_maps([{a = "1"}, {a = "2"}, {b = "3"}], [{a = "1", c = "4"}], ["a"], true)',
      '[{a: "1", c: "4"}, {a: "2"}, {b: "3"}]',
    ],
    ['map.inner_join([{a = "1", b = "2"}], [{a = "1", b = "3"}], ["a"], "none", [], ["c"])', '[{a: "1"}]'],
    // The library
    ['coalesce("", null, [], 0, "x")', '"x"'],
    ['coalesce()', 'null'],
    ['coalesce("", null)', 'null'],
    ['json_decode("{\\"a\\": [1, true, null]}")', '{a: [1, true, null]}'],
    ['yaml_decode("a: [1, b]")', '{a: [1, "b"]}'],
    ['base64_decode("dGFuZ2VyaW5l")', '"tangerine"'],
    ['encoding.to_base64("tangerine")', '"dGFuZ2VyaW5l"'],
    ['encoding.from_URLbase64(encoding.to_URLbase64("??>>"))', '"??>>"'],
    ['file.path_join("/a", "../b", "./c")', '"/b/c"'],
    ['path_join("a", "..", "..", "b")', '"../b"'],
    ['split("foo,bar", ",")', '["foo", "bar"]'],
    ['split("", ",")', '[""]'],
    ['replace("1 + 2 + 3", "+", "$&")', '"1 $$& 2 $$& 3"'],
    ['to_lower("ABC") + to_upper("def")', '"abcDEF"'],
    ['trim("?!hello?!", "!?")', '"hello"'],
    ['trim("foobar", "far")', '"oob"'],
    ['trim_prefix("helloworld", "hello") + trim_suffix("helloworld", "world")', '"worldhello"'],
    ['trim_space("  a\\n\\n") + strings.trim_space(" b ")', '"ab"'],
    [
      'string.format("%d %5d|%-5d|%05d %x %X %o %b %+d", 4, 4, 4, 4, 255, 255, 8, 5, 1)',
      '"4     4|4    |00004 ff FF 10 101 +1"',
    ],
    [
      'format("%.2f %e %g %t %q %%", 1.5, 1500, 0.25, true, "a\\"")',
      '"1.50 1.500000e+03 0.25 true \\"a\\\\\\"\\" %"',
    ],
    ['format("%[2]s %[1]s", "a", "b")', '"b a"'],
    ['format("%.2s|%5s", "abc", "x")', '"ab|    x"'],
    ['constants.os', '"linux"', 'note: constants.os: is linux, where this collector runs'],
    [
      'constants.hostname',
      '"${env:HOSTNAME}"',
      'note: constants.hostname: becomes ${env:HOSTNAME}, which containers have; in a systemd unit write Environment=HOSTNAME=%H',
    ],
    [
      'coalesce(env("X"), "y")',
      '"${env:X:-y}"',
      'note: coalesce: "y" stands in where X is unset; where it is set to nothing, nothing it is',
    ],
    [
      'coalesce(env("X"), env("Y"))',
      '"${env:X:-${env:Y}}"',
      'note: coalesce: "${env:Y}" stands in where X is unset; where it is set to nothing, nothing it is',
    ],
    [
      'coalesce(env("X"), local.file.f.content)',
      '"${env:X}"',
      'lost: coalesce: what stands in for X is a text that is known only where the collector runs, which a reference cannot hold',
    ],
    [
      'sys.env("STAGE") == "production"',
      'true',
      'note: comparison: decided with STAGE as set on the host that converted',
    ],
    [
      'trim_space(env("X"))',
      '"${env:X}"',
      'note: trim_space: the value is taken as it is; store it without blanks around it',
    ],
  ] as readonly (readonly [string, string, string?])[]) {
    it(`comes to ${expected}: ${expression}`, () =>
      assert.deepEqual(evaluate(expression), { value: expected, told: told === undefined ? [] : [told] }));
  }

  for (const [expression, expected] of [
    ['nothing', 'nothing: there is nothing of this name'],
    ['constructor', 'constructor: there is nothing of this name'],
    [
      'pyroscope.wriet.w.receiver',
      'pyroscope.wriet.w.receiver: there is nothing of this name — did you mean "pyroscope.write.w"?',
    ],
    ['sys.evn("X")', 'sys.evn: there is nothing of this name — did you mean "sys.env"?'],
    ['pyroscope.write.w.sender', 'pyroscope.write.w.sender: pyroscope.write exports receiver, not "sender"'],
    ['1 + "a"', '+: "+" cannot join number and string'],
    ['1 / 0', '/: 1 / 0 is no number'],
    ['!1', '!: "!" cannot be applied to number'],
    ['-"a"', '-: "-" cannot be applied to string'],
    ['1 && true', '&&: expected bool, got number and bool'],
    ['[1][2]', '[2]: the list has 1 elements'],
    ['{abcd = 1}.abce', '.abce: there is no field of this name — did you mean "abcd"?'],
    ['"a"()', 'call: string is no function'],
    ['env(1)', 'env: env: expected string, got number'],
    ['env()', 'env: env needs 1 arguments, got 0'],
    ['json_decode("{")', "json_decode: Expected property name or '}' in JSON at position 1"],
    ['base64_decode("!")', 'base64_decode: invalid Base64'],
    ['format("%d", "x")', 'format: %d cannot format a value of type string'],
    ['format("%d")', 'format: no argument for %d'],
    ['format("%")', 'format: "%" is no verb'],
    ['format("%99999d", 1)', 'format: the width of %99999d is too large'],
    [
      'to_upper(env("X"))',
      'to_upper: to_upper needs a value that is known only where the collector runs; store the result of to_upper itself there',
    ],
    [
      'discovery.docker.d.targets[0]',
      'index: elements cannot be taken of the targets of discovery.docker.d by the converter',
    ],
    [
      'json_decode(env("X")).a',
      '.a: fields cannot be taken of content that is read when the collector starts by the converter',
    ],
    [
      'local.file.f.content == "x"',
      '==: cannot compare a text that is known only where the collector runs and string before the collector runs',
    ],
  ] as const) {
    it(`is lost with a reason: ${expression}`, () => {
      const { value, told } = evaluate(expression);
      assert.equal(value, 'lost');
      assert.equal(told.length, 1);
      assert.ok(told[0]?.startsWith(`lost: ${expected}`), told[0]);
    });
  }

  it('compares with what stands in for a variable', () => {
    const { value, told } = evaluate('coalesce(env("X"), env("STAGE")) == "production"');
    assert.equal(value, 'true');
    assert.equal(told[1], 'note: comparison: decided with X, STAGE as set on the host that converted');
  });

  it('keeps what is left of a list', () => {
    assert.deepEqual(evaluate('concat([1], nothing, [2])'), {
      value: '[1, 2]',
      told: ['lost: nothing: there is nothing of this name'],
    });
  });
});
