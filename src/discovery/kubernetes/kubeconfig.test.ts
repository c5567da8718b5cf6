// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { anonymousConnection, fileToken, inClusterConnection } from './connection.ts';
import { kubeconfigConnection } from './kubeconfig.ts';

async function directoryWith(t: TestContext, files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kube-'));
  t.after(() => rm(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  return directory;
}

const CONFIG = `
apiVersion: v1
kind: Config
current-context: dev
contexts:
  - {name: dev, context: {cluster: local, user: me, namespace: shop}}
  - {name: prod, context: {cluster: far, user: certificate}}
  - {name: cloud, context: {cluster: far, user: plugin}}
clusters:
  - {name: local, cluster: {server: 'http://localhost:16442/base/'}}
  - {name: far, cluster: {server: 'https://far.example.org:6443', certificate-authority: pki/ca.crt, tls-server-name: kubernetes}}
users:
  - {name: me, user: {token: abc}}
  - {name: certificate, user: {client-certificate: pki/me.crt, client-key-data: S0VZ}}
  - {name: plugin, user: {exec: {command: aws}}}
`;

const files = { config: CONFIG, 'pki/ca.crt': 'CA', 'pki/me.crt': 'CERT' };

test('the current context gives server and token', async (t) => {
  const directory = await directoryWith(t, files);
  const connection = await kubeconfigConnection({ path: join(directory, 'config'), context: '' });
  assert.equal(connection.baseUrl, 'http://localhost:16442/base');
  assert.equal(await connection.token?.token(), 'abc');
  assert.deepEqual(connection.tls, {});
});

test('another context is taken by name, with files relative to the kubeconfig', async (t) => {
  const directory = await directoryWith(t, files);
  const connection = await kubeconfigConnection(
    { path: '', context: 'prod' },
    { KUBECONFIG: `${directory}/config:/other` },
  );
  assert.deepEqual(connection.tls, { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'kubernetes' });
  assert.equal(connection.token, undefined);
});

const refused: [string, Record<string, string>, string, RegExp][] = [
  ['no file', {}, '', /cannot read kubeconfig ".*config": ENOENT/],
  [
    'an unknown context',
    files,
    'stage',
    /has no entry "stage" in contexts \(valid values: \[dev prod cloud\]\)/,
  ],
  [
    'a log-in plugin',
    files,
    'cloud',
    /user "plugin" logs in with "exec", which is not available; use token, tokenFile or a client certificate/,
  ],
  ['no context at all', { config: '{}' }, '', /has no current-context/],
  [
    'a missing certificate',
    { config: CONFIG },
    'prod',
    /cannot read certificate-authority "pki\/ca.crt" of the kubeconfig/,
  ],
];

for (const [what, content, context, message] of refused) {
  test(`${what} is refused`, async (t) => {
    const directory = await directoryWith(t, content);
    await assert.rejects(kubeconfigConnection({ path: join(directory, 'config'), context }), { message });
  });
}

test('in a pod the service account gives address, authority and token', async (t) => {
  const directory = await directoryWith(t, { token: 'tok\n', 'ca.crt': 'CA' });
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  const connection = await inClusterConnection(env, directory);
  assert.equal(connection.baseUrl, 'https://[fd00::1]:443');
  assert.deepEqual(connection.tls, { ca: 'CA' });
  assert.equal(await connection.token?.token(), 'tok');
  await assert.rejects(
    inClusterConnection(env, join(directory, 'no')),
    /is automountServiceAccountToken off\?/,
  );
  await assert.rejects(inClusterConnection({}, directory), /KUBERNETES_SERVICE_HOST/);
  assert.deepEqual(anonymousConnection(env).tls, { rejectUnauthorized: false });
});

test('a token file is read again after a minute, or when the server refused the token', async (t) => {
  const directory = await directoryWith(t, { token: 'one' });
  const path = join(directory, 'token');
  const clock = new FakeClock();
  const source = fileToken(path, clock);
  assert.equal(await source.token(), 'one');
  await writeFile(path, 'two');
  assert.equal(await source.token(), 'one');
  await clock.advance(60_000);
  assert.equal(await source.token(), 'two');
  await writeFile(path, 'three');
  source.invalidate();
  assert.equal(await source.token(), 'three');
});
