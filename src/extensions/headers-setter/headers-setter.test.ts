// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { configSchema } from './config.ts';
import { HeadersSetter } from './extension.ts';
import { headersSetterExtensionFactory } from './factory.ts';

testComponentContract(headersSetterExtensionFactory, { headers: [{ key: 'X-Scope-OrgID', value: 'acme' }] });

const changed = (headers: Record<string, string>, ...rules: object[]) =>
  new HeadersSetter(configSchema.parse({ headers: rules })).authorize(headers);

describe('headers_setter', () => {
  it('inserts what is missing, updates what is there, upserts either way, deletes', async () => {
    const there = { 'x-a': 'old', 'x-b': 'kept' };
    const cases = [
      [
        { key: 'X-A', value: 'new' },
        { 'x-a': 'new', 'x-b': 'kept' },
      ],
      [
        { key: 'X-C', value: 'new' },
        { ...there, 'x-c': 'new' },
      ],
      [{ action: 'insert', key: 'X-A', value: 'new' }, there],
      [
        { action: 'insert', key: 'X-C', value: 'new' },
        { ...there, 'x-c': 'new' },
      ],
      [
        { action: 'update', key: 'X-A', value: 'new' },
        { 'x-a': 'new', 'x-b': 'kept' },
      ],
      [{ action: 'update', key: 'X-C', value: 'new' }, there],
      [
        { action: 'upsert', key: 'X-A', value: 'new' },
        { 'x-a': 'new', 'x-b': 'kept' },
      ],
      [{ action: 'delete', key: 'X-A' }, { 'x-b': 'kept' }],
      [{ action: 'delete', key: 'X-C' }, there],
    ] as const;
    for (const [rule, expected] of cases) assert.deepEqual(await changed(there, rule), expected);
  });

  it('follows its rules in their order', async () => {
    const rules = [
      { key: 'x-a', value: '1' },
      { key: 'x-a', action: 'insert', value: '2' },
      { key: 'x-b', value: '3' },
    ];
    assert.deepEqual(await changed({}, ...rules), { 'x-a': '1', 'x-b': '3' });
  });

  it('refuses what cannot work', () => {
    const cases = [
      [{}, /Invalid input/],
      [{ headers: [] }, /Too small/],
      [{ headers: [{ key: 'x-a' }] }, /is required/],
      [{ headers: [{ key: 'x-a', action: 'delete', value: 'b' }] }, /has no meaning with action/],
      [{ headers: [{ key: 'x a', value: 'b' }] }, /is no valid header name/],
      [{ headers: [{ key: 'Content-Length', value: '1' }] }, /belongs to the protocol/],
      [{ headers: [{ key: 'grpc-timeout', value: '1' }] }, /belongs to the protocol/],
      [{ headers: [{ key: 'x-a', value: 'b\r\nx-c: d' }] }, /cannot be sent in a header/],
      [{ headers: [{ key: 'x-a', from_context: 'tenant' }] }, /does not reach exporters \(write a value\)/],
      [{ headers: [{ key: 'x-a', from_attribute: 'tenant' }] }, /does not reach exporters \(write a value\)/],
      [
        { headers: [{ key: 'x-a', value: 'b', default_value: 'c' }] },
        /is for from_context and from_attribute/,
      ],
    ] as const;
    for (const [config, message] of cases) assert.throws(() => configSchema.parse(config), message);
  });
});
