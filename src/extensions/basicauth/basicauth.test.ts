// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ServerAuthenticator } from '../../component/authenticator.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { deferred } from '../../internal/deferred.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { testSettings } from '../../internal/testing/settings.ts';
import { configSchema } from './config.ts';
import { BasicAuth } from './extension.ts';
import { basicAuthExtensionFactory } from './factory.ts';
import { Ration } from './ration.ts';

/** "U*U", at a cost that is low enough for a test. */
const BCRYPT = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

testComponentContract(basicAuthExtensionFactory, { htpasswd: { inline: `u:${BCRYPT}` } });
testComponentContract(basicAuthExtensionFactory, { client_auth: { username: 'u', password: 'p' } });

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'basic-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

async function started(t: TestContext, config: object, clock: Clock) {
  const settings = testSettings('basicauth');
  const extension = new BasicAuth(settings, configSchema.parse(config), clock);
  await extension.start();
  t.after(() => extension.shutdown());
  return { extension, settings };
}

async function server(
  t: TestContext,
  htpasswd: object,
  clock: Clock = systemClock,
): Promise<ServerAuthenticator> {
  const { extension } = await started(t, { htpasswd }, clock);
  const auth = extension.serverAuthenticator;
  assert.ok(auth !== undefined && extension.clientAuthenticator === undefined);
  return auth;
}

describe('basicauth in front of a receiver', () => {
  it('lets in users with their passwords', async (t) => {
    const auth = await server(t, { inline: `ann:${BCRYPT}\nbob:plain:text\n` });
    await auth.authenticate(basic('ann', 'U*U'));
    await auth.authenticate(basic('bob', 'plain:text'));
    const refused = [
      [basic('ann', 'U*U*'), 'invalid credentials'],
      [basic('bob', 'plain'), 'invalid credentials'],
      [basic('eve', 'U*U'), 'invalid credentials'],
      [basic('', ''), 'invalid credentials'],
      [{}, 'no basic auth provided'],
      [{ authorization: 'Bearer abc' }, 'invalid authorization scheme prefix'],
      [{ authorization: 'Basic ???' }, 'invalid authorization scheme prefix'],
      [{ authorization: `Basic ${Buffer.from('ann').toString('base64')}` }, 'invalid authorization format'],
    ] as const;
    for (const [headers, message] of refused)
      await assert.rejects(auth.authenticate(headers), { name: 'AuthenticationError', message });
  });

  it('lets nobody in where nobody is listed', async (t) => {
    const auth = await server(t, { inline: '' });
    await assert.rejects(auth.authenticate(basic('', '')), { name: 'AuthenticationError' });
  });

  it('checks an unknown user at the price of the most costly known one', async (t) => {
    const clock = new FakeClock();
    const auth = await server(t, { inline: `bob:plain\nann:${BCRYPT}` }, clock);
    const tryAs = async (user: string): Promise<number> => {
      await assert.rejects(auth.authenticate(basic(user, 'wrong')), /invalid credentials/);
      // Slow checks leave a rest behind them, whatever their outcome; fast ones do not.
      const rests = clock.pending.length;
      await clock.advance(60_000);
      return rests;
    };
    assert.deepEqual([await tryAs('ann'), await tryAs('nobody'), await tryAs('bob')], [1, 1, 0]);
  });

  it('remembers what was right, so that bcrypt runs once', async (t) => {
    const clock = new FakeClock();
    const auth = await server(t, { inline: `ann:${BCRYPT}` }, clock);
    await auth.authenticate(basic('ann', 'U*U'));
    // No time passes on the clock: a second slow check would wait for the end of the rest.
    for (let i = 0; i < 100; i++) await auth.authenticate(basic('ann', 'U*U'));
    assert.equal(clock.pending.length, 1);
  });

  it('forgets it when the file changes', async (t) => {
    const file = join(await folder(t), 'htpasswd');
    await writeFile(file, 'ann:one\n', { mode: 0o600 });
    const clock = new FakeClock();
    const auth = await server(t, { file, inline: 'bob:two' }, clock);
    await auth.authenticate(basic('ann', 'one'));
    await auth.authenticate(basic('bob', 'two'));
    await writeFile(file, 'ann:changed\n');
    await clock.advance(1_000);
    await assert.rejects(auth.authenticate(basic('ann', 'one')), /invalid credentials/);
    await auth.authenticate(basic('ann', 'changed'));
    await auth.authenticate(basic('bob', 'two'));
  });

  it('does not start without its file', async () => {
    const extension = new BasicAuth(testSettings(), configSchema.parse({ htpasswd: { file: '/no/file' } }));
    await assert.rejects(extension.start(), /failed to load "\/no\/file": ENOENT/);
  });
});

describe('slow checks', () => {
  it('run one at a time, with a rest between that is twice as long', async () => {
    const clock = new FakeClock();
    const ration = new Ration(clock);
    const running: string[] = [];
    const gates = [deferred(), deferred()];
    const runs = gates.map((gate, index) =>
      ration.run(async () => {
        running.push(`${index} at ${clock.now() - 1_700_000_000_000}`);
        await gate.promise;
      }),
    );
    await clock.advance(100);
    gates[0]?.resolve();
    await runs[0];
    await clock.advance(199);
    assert.deepEqual(running, ['0 at 0']);
    await clock.advance(1);
    assert.deepEqual(running, ['0 at 0', '1 at 300']);
    gates[1]?.resolve();
    await runs[1];
    ration.stop();
    assert.deepEqual(clock.pending, []);
  });

  it('are refused where too many wait', async () => {
    const ration = new Ration(new FakeClock());
    const gate = deferred();
    const runs = Array.from({ length: 32 }, () => ration.run(() => gate.promise));
    await assert.rejects(
      ration.run(async () => undefined),
      (error) => error instanceof RetryableError && error.retryAfterMs === 1_000,
    );
    gate.resolve();
    ration.stop();
    await Promise.all(runs);
  });
});

describe('basicauth of an exporter', () => {
  it('sends user and password', async (t) => {
    const { extension } = await started(
      t,
      { client_auth: { username: 'ann', password: 'p:ä' } },
      systemClock,
    );
    assert.equal(extension.serverAuthenticator, undefined);
    const sent = await extension.clientAuthenticator?.authorize({ 'x-a': 'b' }, AbortSignal.abort());
    assert.deepEqual(sent, { 'x-a': 'b', ...basic('ann', 'p:ä') });
  });

  it('follows its files', async (t) => {
    const dir = await folder(t);
    const [username_file, password_file] = [join(dir, 'user'), join(dir, 'password')];
    await writeFile(username_file, 'ann\n', { mode: 0o600 });
    await writeFile(password_file, ' one \n', { mode: 0o600 });
    const clock = new FakeClock();
    const { extension } = await started(t, { client_auth: { username_file, password_file } }, clock);
    const client = extension.clientAuthenticator;
    const sent = () => client?.authorize({}, AbortSignal.abort());
    assert.deepEqual(await sent(), basic('ann', ' one '));
    await writeFile(password_file, 'two');
    assert.deepEqual(await sent(), basic('ann', ' one '));
    assert.equal(await client?.refused?.({}, AbortSignal.abort()), true);
    assert.deepEqual(await sent(), basic('ann', 'two'));
    await writeFile(username_file, 'bob');
    await clock.advance(1_000);
    assert.deepEqual(await sent(), basic('bob', 'two'));
    assert.equal(await client?.refused?.({}, AbortSignal.abort()), false);
  });
});

describe('configuration of basicauth', () => {
  it('refuses what cannot work', () => {
    const cases = [
      [{}, /give either htpasswd/],
      [
        { htpasswd: { inline: 'u:p' }, client_auth: { username: 'u', password: 'p' } },
        /give either htpasswd/,
      ],
      [{ htpasswd: {} }, /give file, inline, or both/],
      [{ htpasswd: { inline: 'nonsense' } }, /line 1 is not/],
      [{ client_auth: { username: 'u' } }, /give either password or password_file/],
      [{ client_auth: { username: 'u', username_file: 'f', password: 'p' } }, /give either username or/],
      [{ client_auth: { username: 'a:b', password: 'p' } }, /must not hold/],
    ] as const;
    for (const [config, message] of cases) assert.throws(() => configSchema.parse(config), message);
  });
});
