// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { RetryableError } from '../../consumer/consumer.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { testSettings } from '../../internal/testing/settings.ts';
import { configSchema } from './config.ts';
import { BearerTokenAuth } from './extension.ts';
import { bearerTokenAuthExtensionFactory } from './factory.ts';

testComponentContract(bearerTokenAuthExtensionFactory, { token: 'abc' });

function extension(config: object, clock = new FakeClock()) {
  const settings = testSettings('bearertokenauth');
  return { auth: new BearerTokenAuth(settings, configSchema.parse(config), clock), settings, clock };
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'bearer-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

/** A file of one token that changes as `change` says; what is sent before and a second after. */
async function sentAround(t: TestContext, path: string, change: () => Promise<void>) {
  const { auth, clock, settings } = extension({ filename: path });
  await auth.start();
  t.after(() => auth.shutdown());
  const before = await auth.authorize({});
  await change();
  const soon = await auth.authorize({});
  await clock.advance(1_000);
  return { before, soon, after: await auth.authorize({}), auth, clock, settings };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a bearer token that is sent', () => {
  it('stands behind its scheme in its header, beside the headers that are there', async () => {
    const plain = extension({ token: 'abc' }).auth;
    assert.deepEqual(await plain.authorize({ 'x-team': 'north' }), { 'x-team': 'north', ...bearer('abc') });
    const custom = extension({ tokens: ['k1', 'k2'], header: 'X-Api-Key', scheme: '' }).auth;
    assert.deepEqual(await custom.authorize({}), { 'x-api-key': 'k1' });
  });

  it('follows its file when that is written anew', async (t) => {
    const path = join(await folder(t), 'token');
    await writeFile(path, 'one\n', { mode: 0o600 });
    const sent = await sentAround(t, path, () => writeFile(path, 'two\n'));
    assert.deepEqual([sent.before, sent.soon, sent.after], [bearer('one'), bearer('one'), bearer('two')]);
    assert.deepEqual(sent.settings.logger.entries, []);
  });

  it('follows its file when another is renamed to its name', async (t) => {
    const path = join(await folder(t), 'token');
    await writeFile(path, 'one', { mode: 0o600 });
    const sent = await sentAround(t, path, async () => {
      await writeFile(`${path}.new`, 'two', { mode: 0o600 });
      await rename(`${path}.new`, path);
    });
    assert.deepEqual([sent.before, sent.after], [bearer('one'), bearer('two')]);
  });

  it('follows its file when Kubernetes swaps the link to the folder that it is in', async (t) => {
    const volume = await folder(t);
    for (const [name, token] of [
      ['..1', 'one'],
      ['..2', 'two'],
    ] as const) {
      await mkdir(join(volume, name));
      await writeFile(join(volume, name, 'token'), token, { mode: 0o600 });
    }
    await symlink('..1', join(volume, '..data'));
    await symlink(join('..data', 'token'), join(volume, 'token'));
    const sent = await sentAround(t, join(volume, 'token'), async () => {
      await symlink('..2', join(volume, '..data_tmp'));
      await rename(join(volume, '..data_tmp'), join(volume, '..data'));
    });
    assert.deepEqual([sent.before, sent.after], [bearer('one'), bearer('two')]);
  });

  it('stays what it was while its file is missing or empty, and says so once', async (t) => {
    const path = join(await folder(t), 'token');
    await writeFile(path, 'one', { mode: 0o600 });
    const { auth, clock, settings } = await sentAround(t, path, () => rm(path));
    assert.deepEqual(await auth.authorize({}), bearer('one'));
    await writeFile(path, '\n', { mode: 0o600 });
    await clock.advance(1_000);
    assert.deepEqual(await auth.authorize({}), bearer('one'));
    assert.deepEqual(settings.logger.messages('warn').length, 1);
    await writeFile(path, 'two');
    await clock.advance(1_000);
    assert.deepEqual(await auth.authorize({}), bearer('two'));
  });

  it('is read again at once where the server refused it', async (t) => {
    const path = join(await folder(t), 'token');
    await writeFile(path, 'one', { mode: 0o600 });
    const { auth } = extension({ filename: path });
    await auth.start();
    assert.equal(await auth.refused(), false);
    await writeFile(path, 'two');
    assert.equal(await auth.refused(), true);
    assert.deepEqual(await auth.authorize({}), bearer('two'));
  });

  it('must be there at the start, and no other user should be able to read it', async (t) => {
    const path = join(await folder(t), 'token');
    await assert.rejects(extension({ filename: path }).auth.start(), /failed to load ".*token": ENOENT/);
    await assert.rejects(extension({ filename: '/dev/null' }).auth.start(), /not a regular file/);
    await writeFile(path, 'one');
    await chmod(path, 0o644);
    const { auth, settings } = extension({ filename: path });
    await auth.start();
    assert.deepEqual(settings.logger.entries[0]?.fields['mode'], '0644');
    await writeFile(path, `one\nt\u00e4`);
    await assert.rejects(extension({ filename: path }).auth.start(), /line 2 cannot be sent in a header/);
    await writeFile(path, 'x'.repeat(1024 * 1024 + 1));
    await assert.rejects(extension({ filename: path }).auth.start(), /larger than 1048576 bytes/);
  });
});

describe('bearer tokens that are asked for', () => {
  it('let in whoever has one of them', async () => {
    const { auth } = extension({ tokens: ['one', 'two'] });
    await auth.authenticate(bearer('one'));
    await auth.authenticate({ authorization: 'bearer two' });
    const refused = [
      [{}, /missing or empty header "authorization"/],
      [{ authorization: '' }, /missing or empty/],
      [bearer('three'), /the token is not valid/],
      [bearer('on'), /not valid/],
      [bearer('onee'), /not valid/],
      [bearer(''), /not valid/],
      [{ authorization: 'one' }, /must be "Bearer <token>"/],
      [{ authorization: 'Basic one' }, /must be "Bearer <token>"/],
    ] as const;
    for (const [headers, message] of refused)
      await assert.rejects(auth.authenticate(headers), { name: 'AuthenticationError', message });
  });

  it('are looked for in their header', async () => {
    const { auth } = extension({ token: 'key', header: 'X-Api-Key', scheme: '' });
    await auth.authenticate({ 'x-api-key': 'key' });
    await assert.rejects(auth.authenticate(bearer('key')), /missing or empty header "x-api-key"/);
  });

  it('may all be in a file; a file that is gone before it was read is a reason to come again', async (t) => {
    const path = join(await folder(t), 'tokens');
    const { auth } = extension({ filename: path });
    await assert.rejects(auth.authenticate(bearer('one')), RetryableError);
    await writeFile(path, 'one\n\ntwo\r\n', { mode: 0o600 });
    await auth.authenticate(bearer('one'));
    await auth.authenticate(bearer('two'));
  });
});

describe('configuration of bearertokenauth', () => {
  it('lets a file win over a token, with a warning, as the Go Collector', async (t) => {
    const path = join(await folder(t), 'token');
    await writeFile(path, 'of-the-file', { mode: 0o600 });
    const { auth, settings } = extension({ token: 'of-the-configuration', filename: path });
    await auth.start();
    assert.deepEqual(await auth.authorize({}), { authorization: 'Bearer of-the-file' });
    assert.match(settings.logger.messages('warn').join(), /filename wins/);
  });

  it('refuses what cannot work', () => {
    const cases = [
      [{}, /a token is required/],
      [{ token: 'a', tokens: ['b'] }, /give only one of/],
      [{ token: 'a\nb' }, /cannot be sent in a header/],
      [{ tokens: ['a', ''] }, /is empty or cannot/],
      [{ token: 'a', header: 'a b' }, /is no valid header name/],
      [{ token: 'a', scheme: 'a b' }, /is no valid authentication scheme/],
    ] as const;
    for (const [config, message] of cases) assert.throws(() => configSchema.parse(config), message);
  });
});
