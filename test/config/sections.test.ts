// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { resolvePlainScalar } from '../../src/config/scalar.ts';
import { formatDuration, parseDuration } from '../../src/config/sections/duration.ts';
import { grpcAuthority, grpcEndpointSchema } from '../../src/config/sections/endpoint.ts';
import { grpcClientSchema } from '../../src/config/sections/grpc.ts';
import { retryOnFailureSchema } from '../../src/config/sections/retry.ts';
import { Secret } from '../../src/config/sections/secret.ts';
import { systemRoots } from '../../src/config/sections/system-roots.ts';
import { tlsClientSchema } from '../../src/config/sections/tls.ts';
import { loadTlsMaterial } from '../../src/config/sections/tls-material.ts';

describe('a duration', () => {
  it('is read as Go reads it', () => {
    for (const [text, ms] of [
      ['5s', 5000],
      ['1h30m', 5_400_000],
      ['200ms', 200],
      ['1.5s', 1500],
      ['.5s', 500],
      ['1.s', 1000],
      ['100us', 0.1],
      ['100µs', 0.1],
      ['1ns', 1e-6],
      ['0', 0],
      ['-2m', -120_000],
      ['+1s', 1000],
    ] as const) {
      assert.equal(parseDuration(text), ms, text);
    }
    for (const text of ['', '5', '5 s', 's', '1d', '1m 5', '.s', '5S', '--1s', '1s-']) {
      assert.throws(() => parseDuration(text), /^Error: time: (invalid|missing unit in) duration/, text);
    }
  });

  it('is written so that reading gives it back', () => {
    for (const [ms, text] of [
      [0, '0s'],
      [90_000, '1m30s'],
      [5_400_000, '1h30m'],
      [200, '200ms'],
      [1500, '1.5s'],
      [0.1, '100µs'],
      [1e-6, '1ns'],
      [-5000, '-5s'],
    ] as const) {
      assert.equal(formatDuration(ms), text);
      assert.equal(parseDuration(text), ms);
    }
  });
});

describe('a plain scalar', () => {
  it('has the type that Go gives it', () => {
    for (const [text, value] of [
      ['', null],
      ['~', null],
      ['true', true],
      ['False', false],
      ['yes', 'yes'],
      ['off', 'off'],
      ['0123', 83],
      ['0o17', 15],
      ['0x1F', 31],
      ['0b101', 5],
      ['1_000', 1000],
      ['-7', -7],
      ['089', 89],
      ['1.50', 1.5],
      ['1e3', 1000],
      ['.5', 0.5],
      ['-.inf', -Infinity],
      ['9007199254740993', 9007199254740993n],
      ['1.2.3', '1.2.3'],
      ['10s', '10s'],
      ['-', '-'],
      ['2020-01-01', '2020-01-01'],
    ] as const) {
      assert.equal(resolvePlainScalar(text), value, text);
    }
  });
});

describe('a secret', () => {
  it('shows itself only when asked', () => {
    const secret = new Secret('hunter2');
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }),
      inspect(secret, { depth: 9, showHidden: true }),
    ];
    assert.ok(
      shown.every((text) => text.includes('[REDACTED]') && !text.includes('hunter2')),
      shown.join(),
    );
    assert.equal(secret.reveal(), 'hunter2');
  });
});

describe('a gRPC client section', () => {
  it('accepts the prefixes that upstream understands', () => {
    for (const endpoint of [
      'a:1',
      'http://a:1',
      'https://a:1/',
      'dns:///a:1',
      'dns://8.8.8.8/a:1',
      '[::1]:1',
    ]) {
      assert.equal(grpcEndpointSchema.safeParse(endpoint).success, true, endpoint);
    }
    assert.equal(grpcAuthority('https://a:1/'), 'a:1');
    assert.equal(grpcAuthority('dns://8.8.8.8/a:1'), 'a:1');
  });

  it('has the defaults of upstream and takes headers in both forms', () => {
    const config = grpcClientSchema.parse({
      endpoint: 'a:1',
      headers: [{ name: 'x', value: 'y' }],
      compression: '',
    });
    assert.equal(config.headers['x']?.reveal(), 'y');
    assert.deepEqual(
      [config.compression, config.tls.insecure, config.balancer_name, config.keepalive.time],
      ['none', false, 'round_robin', 10_000],
    );
    assert.deepEqual(
      Object.keys(grpcClientSchema.parse({ endpoint: 'a:1', headers: { 'X-Scope': 'z' } }).headers),
      ['X-Scope'],
    );
  });
});

describe('the retry section', () => {
  it('lets max_elapsed_time 0 mean for ever', () => {
    assert.equal(retryOnFailureSchema.parse({ max_elapsed_time: 0 }).max_elapsed_time, 0);
    assert.equal(retryOnFailureSchema.parse(null).max_elapsed_time, 300_000);
  });
});

describe('TLS material', () => {
  it('is read from files and texts in the terms of node:tls', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tls-'));
    try {
      const file = join(folder, 'ca.pem');
      await writeFile(file, 'CA');
      const config = tlsClientSchema.parse({
        ca_file: file,
        cert_pem: 'CERT',
        key_pem: 'KEY',
        include_system_ca_certs_pool: true,
        max_version: '1.3',
        cipher_suites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
        curve_preferences: ['X25519', 'P256'],
      });
      assert.deepEqual(await loadTlsMaterial(config), {
        ca: ['CA', await systemRoots()],
        cert: 'CERT',
        key: 'KEY',
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.3',
        ciphers:
          'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
        ecdhCurve: 'X25519:P-256',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('names the key and the file that cannot be read', async () => {
    await assert.rejects(loadTlsMaterial(tlsClientSchema.parse({ ca_file: '/does/not/exist' })), {
      message: /^failed to load ca_file "\/does\/not\/exist": ENOENT/,
    });
  });
});
