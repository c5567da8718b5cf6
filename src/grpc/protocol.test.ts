// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { ReverseWriter } from '../internal/wire-writer.ts';
import { MessageReader } from './message.ts';
import { proxyFor } from './proxy.ts';
import { Code, codeOfHttpStatus, decodeGrpcMessage, encodeGrpcMessage, shortMessage } from './status.ts';
import { encodeStatus, retryAfterMsOf } from './status-details.ts';
import { formatGrpcTimeout, parseGrpcTimeout } from './timeout.ts';

describe('status codes', () => {
  it('are those that grpc-js knows', () => {
    const theirs = Object.entries(status).filter(([, code]) => typeof code === 'number');
    const plain = (name: string): string => name.replaceAll('_', '').toLowerCase();
    assert.deepEqual(
      Object.fromEntries(Object.entries(Code).map(([name, code]) => [plain(name), code])),
      Object.fromEntries(theirs.map(([name, code]) => [plain(name), code])),
    );
  });

  it('stand for HTTP statuses', () => {
    assert.deepEqual([429, 502, 503, 504].map(codeOfHttpStatus), Array(4).fill(Code.unavailable));
    assert.equal(codeOfHttpStatus(418), Code.unknown);
  });
});

describe('messages of a status', () => {
  it('travel in percent form', () => {
    const text = 'a % ö\n\u{1f600}~';
    assert.equal(encodeGrpcMessage(text), 'a %25 %C3%B6%0A%F0%9F%98%80~');
    assert.equal(decodeGrpcMessage(encodeGrpcMessage(text)), text);
  });

  it('are read as they are where the percent form is broken', () => {
    assert.equal(decodeGrpcMessage('100% of %zz %4'), '100% of %zz %4');
    assert.equal(decodeGrpcMessage('%ff'), '\u{fffd}');
    assert.equal(decodeGrpcMessage('ö%20ö'), 'ö ö');
  });

  it('are cut between characters', () => {
    assert.equal(shortMessage('a'.repeat(1024)), 'a'.repeat(1024));
    assert.equal(shortMessage(`${'a'.repeat(1023)}öö`), `${'a'.repeat(1023)}…`);
  });
});

describe('details of a status', () => {
  it('carry the wait', () => {
    for (const retryAfterMs of [0, 1, 999, 1_000, 1_500, 3_600_000, 999.9999999]) {
      const bytes = encodeStatus({ code: 8, message: 'later', retryAfterMs });
      assert.ok(Math.abs((retryAfterMsOf(bytes) ?? -1) - retryAfterMs) < 1e-3, String(retryAfterMs));
    }
    assert.equal(retryAfterMsOf(encodeStatus({ code: 8, message: 'later' })), undefined);
  });

  it('say nothing where they cannot be read or are others', () => {
    assert.equal(retryAfterMsOf(Uint8Array.of(0x1a, 0x7f)), undefined);
    const any = new ReverseWriter();
    any.stringField(1, 'type.googleapis.com/google.rpc.DebugInfo');
    any.message(3, 0);
    assert.equal(retryAfterMsOf(any.finish()), undefined);
  });
});

describe('timeouts', () => {
  it('are read in all units', () => {
    const cases = { '1H': 3_600_000, '2M': 120_000, '3S': 3_000, '4m': 4, '5000u': 5, '6000000n': 6 };
    for (const [text, ms] of Object.entries(cases)) assert.equal(parseGrpcTimeout(text), ms);
    for (const text of ['', 'S', '1', '-1S', '1.5S', '123456789S', '1s', ' 1S']) {
      assert.equal(parseGrpcTimeout(text), undefined, text);
    }
  });

  it('are written in the finest unit that holds them', () => {
    const cases = [0.2, 5_000, 99_999_999, 100_000_000, 1e12, 1e15];
    assert.deepEqual(cases.map(formatGrpcTimeout), [
      '1m',
      '5000m',
      '99999999m',
      '100000S',
      '16666667M',
      '99999999H',
    ]);
  });
});

describe('a message on its way in', () => {
  it('costs what came, times 32 at most, and ends at its exact size', () => {
    const size = 5_000_000;
    let held = 0;
    const reader = new MessageReader(size, {
      grow: (bytes) => {
        held += bytes;
        return true;
      },
      release: () => undefined,
    });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(size, 1);
    reader.push(prefix);
    const chunk = Buffer.alloc(16_384, 1);
    for (let sent = 0; sent < size; ) {
      const part = chunk.subarray(0, Math.min(chunk.length, size - sent));
      reader.push(part);
      sent += part.length;
      assert.ok(held <= Math.max(65_536, sent * 32), `${held} for ${sent}`);
    }
    const { bytes } = reader.finish();
    assert.deepEqual([bytes.length, bytes.buffer.byteLength, held], [size, size, size]);
  });
});

describe('the proxy', () => {
  const at = (host: string) => ({ host, port: 4317 });

  it('comes from the environment', () => {
    assert.equal(proxyFor(at('a'), {}), undefined);
    assert.deepEqual(proxyFor(at('a'), { https_proxy: 'http://u:p%40@proxy:3128' }), {
      at: { host: 'proxy', port: 3128 },
      authorization: `Basic ${Buffer.from('u:p@').toString('base64')}`,
    });
    assert.deepEqual(proxyFor(at('a'), { grpc_proxy: 'http://first', http_proxy: 'http://second' })?.at, {
      host: 'first',
      port: 80,
    });
    assert.throws(
      () => proxyFor(at('a'), { HTTPS_PROXY: 'socks://x' }),
      /HTTPS_PROXY must be the URL of a proxy/,
    );
  });

  it('is not for hosts that are named', () => {
    const via = (no_proxy: string, host: string): boolean =>
      proxyFor(at(host), { http_proxy: 'http://proxy', no_proxy }) !== undefined;
    for (const [pattern, host] of [
      ['*', 'a'],
      ['a.test', 'a.test'],
      ['x, A.test', 'b.a.test'],
      ['.a.test', 'b.a.test'],
      ['10.0.0.0/8', '10.1.2.3'],
      ['fd00::/8', 'fd12::1'],
      ['10.1.2.3', '10.1.2.3'],
    ] as const) {
      assert.equal(via(pattern, host), false, pattern);
    }
    for (const [pattern, host] of [
      ['', 'a'],
      ['a.test', 'ba.test'],
      ['10.0.0.0/8', '11.1.2.3'],
      ['10.0.0.0/99', '10.1.2.3'],
      ['10.0.0.0/8', 'ten.test'],
      ['2.3', '10.1.2.3'],
    ] as const) {
      assert.equal(via(pattern, host), true, pattern);
    }
  });
});
