// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createProviders } from '../../src/config/providers.ts';
import { type ConfigSource, resolveSources, setSource } from '../../src/config/resolve.ts';
import { placeOf, toPlain } from '../../src/config/tree.ts';

const providers = createProviders({ WHOLE: 'a: 1\nb: [x]', BAD: 'a: [' });

async function merged(...sources: (string | ConfigSource)[]): Promise<unknown> {
  const list = sources.map((source) =>
    typeof source === 'string' ? { location: `yaml:${source}` } : source,
  );
  return toPlain(await resolveSources(list, providers, []));
}

describe('sources', () => {
  it('merge mappings deeply, the later one winning', async () => {
    assert.deepEqual(await merged('{a: {x: 1, y: {p: 1}}, b: 1}', '{a: {y: {q: 2}, x: 3}}'), {
      a: { x: 3, y: { p: 1, q: 2 } },
      b: 1,
    });
  });

  it('replace lists and scalars', async () => {
    assert.deepEqual(await merged('{a: [1, 2], b: 1, c: {x: 1}}', '{a: [3], b: [4], c: 5}'), {
      a: [3],
      b: [4],
      c: 5,
    });
  });

  it('wipe a mapping with null and keep it with {}', async () => {
    assert.deepEqual(await merged('{a: {x: 1}, b: {x: 1}}', '{a: null, b: {}}'), { a: null, b: { x: 1 } });
  });

  it('skip an empty source, and refuse nothing but empty ones', async () => {
    assert.deepEqual(await merged('', 'a: 1', '# nothing'), { a: 1 });
    await assert.rejects(merged('', '# nothing'), /empty configuration/);
  });

  it('keep what :: in a top-level key means', async () => {
    assert.deepEqual(await merged('{a::b::c: 1, a: {d: {"::1": 2}}}'), {
      a: { b: { c: 1 }, d: { '::1': 2 } },
    });
  });

  it('take values of --set on top, typed as YAML', async () => {
    const sets = ['a.b=5s', 'a.c=[1, x]', 'a.d=', 'a.e={f: true}', 'a.g=h=i'].map(setSource);
    assert.deepEqual(await merged('a: {b: 1s, z: 0}', ...sets), {
      a: { b: '5s', z: 0, c: [1, 'x'], d: null, e: { f: true }, g: 'h=i' },
    });
    assert.throws(() => setSource('a.b'), {
      message: 'missing equal sign in --set a.b (write --set key.path=value)',
    });
  });

  it('are not looked up where they are overridden', async () => {
    assert.deepEqual(await merged('a: ${file:/does/not/exist}', 'a: 1'), { a: 1 });
  });

  it('come from environment variables', async () => {
    assert.deepEqual(await merged({ location: 'env:WHOLE' }), { a: 1, b: ['x'] });
    await assert.rejects(merged({ location: 'env:BAD' }), /^ConfigError: env:BAD:1:/);
  });

  it('know after merging which file each value is from', async () => {
    const first = { location: 'yaml:a:\n  x: 1', label: 'one.yaml' };
    const second = { location: 'yaml:a:\n  y: 2', label: 'two.yaml' };
    const tree = await resolveSources([first, second], providers, []);
    assert.deepEqual(placeOf(tree, ['a', 'x']), { file: 'one.yaml', line: 2, column: 6 });
    assert.deepEqual(placeOf(tree, ['a', 'y'], 'key'), { file: 'two.yaml', line: 2, column: 3 });
  });

  it('report everything that cannot be read', async () => {
    await assert.rejects(
      merged({ location: '/does/not/exist.yaml' }, { location: 'ftp://x' }, 'a: ['),
      (error) => {
        const lines = (error as Error).message.split('\n');
        assert.deepEqual(lines.slice(0, 2), [
          'cannot retrieve the configuration: unable to read the file /does/not/exist.yaml: no such file or directory',
          'ftp://x: scheme "ftp" is not supported (valid values: [file env yaml http https])',
        ]);
        assert.match(lines[2] ?? '', /^yaml::1:4: invalid YAML: this "\[" has no closing "\]"/);
        return true;
      },
    );
  });
});

describe('the http provider', () => {
  const serve = async (
    status: number,
    body: string | Buffer,
    use: (url: string) => Promise<void>,
  ): Promise<void> => {
    const server = createServer((_, response) => {
      response.writeHead(status);
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/config.yaml`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };

  it('reads a configuration', () =>
    serve(200, 'a: 1', async (location) => assert.deepEqual(await merged({ location }), { a: 1 })));

  it('wants status 200', () =>
    serve(404, 'gone', (location) =>
      assert.rejects(merged({ location }), /unable to fetch .*: expected status 200, got 404/),
    ));

  it('refuses what is no UTF-8', () =>
    serve(200, Buffer.from([0x61, 0xff]), (location) =>
      assert.rejects(merged({ location }), /is not valid UTF-8/),
    ));

  it('stops reading at its limit', () =>
    serve(200, Buffer.alloc(11 << 20, 0x20), (location) =>
      assert.rejects(merged({ location }), /is larger than 10485760 bytes/),
    ));

  it('does not follow a redirect from https to plaintext', async () => {
    const answer = new Response('a: 1');
    Object.defineProperty(answer, 'url', { value: 'http://mirror/config.yaml' });
    const providers = createProviders({}, async () => answer);
    await assert.rejects(async () => providers.get('https')?.('//host/config.yaml'), {
      message:
        'unable to fetch https://host/config.yaml: was redirected to http://mirror/config.yaml, which is not protected by TLS',
    });
  });

  it('sends user and password of the address, and shows no password', async () => {
    const asked: (readonly [string, string | null])[] = [];
    const providers = createProviders({}, async (url, init) => {
      asked.push([new Request(url).url, new Headers(init?.headers).get('authorization')]);
      return new Response(asked.length === 1 ? 'a: 1' : 'no', { status: asked.length === 1 ? 200 : 401 });
    });
    const ask = async (opaque: string) => await providers.get('http')?.(opaque);
    const retrieved = await ask('//me:s%40cret@host/c.yaml');
    assert.deepEqual([retrieved?.text, retrieved?.file], ['a: 1', 'http://me:[REDACTED]@host/c.yaml']);
    const authorization = `Basic ${Buffer.from('me:s@cret').toString('base64')}`;
    assert.deepEqual(asked, [['http://host/c.yaml', authorization]]);
    await assert.rejects(ask('//me:secret@host/c.yaml'), {
      message: 'unable to fetch http://me:[REDACTED]@host/c.yaml: expected status 200, got 401',
    });
  });

  it('says why it cannot connect', async () => {
    let url = '';
    await serve(200, '', async (location) => {
      url = location;
    });
    await assert.rejects(merged({ location: url }), /ECONNREFUSED/);
  });
});
