// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { corsHeaders, type CorsRules } from './cors.ts';

const rules = (some: Partial<CorsRules> = {}): CorsRules => ({
  allowed_origins: ['http://*.example.com', 'https://one.test'],
  allowed_headers: [],
  exposed_headers: [],
  max_age: 0,
  ...some,
});

const answered = (origin: string, some?: Partial<CorsRules>): Record<string, string> =>
  corsHeaders(rules(some), { method: 'POST', headers: { origin } }, 'POST');

const preflight = (
  asked: { method?: string; headers?: string },
  some?: Partial<CorsRules>,
): Record<string, string> =>
  corsHeaders(
    rules(some),
    {
      method: 'OPTIONS',
      headers: {
        origin: 'https://one.test',
        'access-control-request-method': asked.method ?? 'POST',
        'access-control-request-headers': asked.headers,
      },
    },
    'POST',
  );

describe('pages of other origins', () => {
  it('may read answers where their origin is allowed, with a * for any text', () => {
    for (const origin of ['http://a.example.com', 'http://A.b.example.com', 'https://one.test']) {
      assert.equal(answered(origin)['access-control-allow-origin'], origin);
    }
    for (const origin of [
      'https://a.example.com',
      'http://example.com',
      'http://a.example.com.evil.test',
      '',
    ]) {
      assert.deepEqual(answered(origin), { vary: 'Origin' });
    }
    // The text before and after the * may not overlap.
    assert.deepEqual(answered('http://a.b', { allowed_origins: ['http://a.*.b'] }), { vary: 'Origin' });
  });

  it('get credentials only where origins are named', () => {
    assert.equal(answered('https://one.test')['access-control-allow-credentials'], 'true');
    assert.deepEqual(answered('https://one.test', { allowed_origins: ['*'] }), {
      vary: 'Origin',
      'access-control-allow-origin': '*',
    });
  });

  it('see the headers that are exposed', () => {
    const { 'access-control-expose-headers': exposed } = answered('https://one.test', {
      exposed_headers: ['Retry-After', 'x-room'],
    });
    assert.equal(exposed, 'Retry-After, x-room');
  });

  it('are told before a request what they may send', () => {
    const { 'access-control-max-age': maxAge, ...headers } = preflight(
      { headers: 'Content-Type, x-team' },
      { allowed_headers: ['X-Team', 'content-type'], max_age: 600 },
    );
    assert.equal(maxAge, '600');
    assert.equal(headers['access-control-allow-headers'], 'Content-Type, x-team');
    assert.equal(headers['access-control-allow-methods'], 'POST');
  });

  it('may not send other methods or headers', () => {
    const vary = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
    assert.deepEqual(preflight({ method: 'PUT' }), { vary });
    assert.deepEqual(preflight({ headers: 'content-type, x-team' }), { vary });
    assert.notDeepEqual(preflight({ headers: 'content-type' }), { vary });
    assert.notDeepEqual(preflight({ headers: 'x-team' }, { allowed_headers: ['*'] }), { vary });
  });

  it('are not spoken of where no origin is allowed', () => {
    assert.deepEqual(answered('https://one.test', { allowed_origins: [] }), {});
  });
});
