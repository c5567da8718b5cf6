// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatHostPort, isLoopback, parseHostPort } from './endpoint.ts';

describe('endpoint', () => {
  it('reads host names, addresses and an empty host, and writes them back', () => {
    for (const text of ['localhost:4318', '0.0.0.0:0', '[::1]:4317', ':8888']) {
      assert.equal(formatHostPort(parseHostPort(text)), text);
    }
    assert.deepEqual(parseHostPort('[::1]:4317'), { host: '::1', port: 4317 });
  });

  it('says what is wrong and what would be right', () => {
    for (const [text, message] of [
      ['localhost', 'missing port in address "localhost" (write "host:port")'],
      ['localhost:', 'missing port in address "localhost:" (write "host:port")'],
      ['localhost:http', 'invalid address "localhost:http" (write "host:port")'],
      ['localhost:65536', 'invalid port 65536 in address "localhost:65536" (at most 65535)'],
      ['::1:80', 'too many colons in address "::1:80" (write IPv6 as "[::1]:4317")'],
      ['[x]:80', 'invalid IPv6 address in "[x]:80"'],
    ] as const) {
      assert.throws(() => parseHostPort(text), { message });
    }
  });

  it('knows which hosts only this machine can reach', () => {
    assert.deepEqual(['localhost', '127.0.0.1', '127.9.9.9', '::1'].map(isLoopback), [
      true,
      true,
      true,
      true,
    ]);
    assert.deepEqual(['', '0.0.0.0', '::', '127.evil.example', 'example.com'].some(isLoopback), false);
  });
});
