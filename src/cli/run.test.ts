// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { getDefaultAutoSelectFamilyAttemptTimeout, setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import { describe, it } from 'node:test';
import * as z from 'zod';
import type { Component, Host } from '../component/component.ts';
import { exporterFactory, type Factories, receiverFactory } from '../component/factory.ts';
import { runCli } from './cli.ts';

const CONFIG = `yaml:
receivers: {fake: }
exporters: {fake: }
service:
  pipelines: {profiles: {receivers: [fake], exporters: [fake]}}
  telemetry: {logs: {level: fatal, output_paths: /dev/null}, metrics: {level: none}}
`;

interface Behaviour {
  start?(host: Host, signal: AbortSignal): Promise<void>;
  shutdown?(deadline: AbortSignal): Promise<void>;
}

/** Runs a collector whose receiver behaves as told; resolves to its exit code and what it wrote to stderr. */
async function runWith(behaviour: Behaviour): Promise<{ code: number; errors: string }> {
  let errors = '';
  const component: Component = {
    start: async (host, signal) => behaviour.start?.(host, signal),
    shutdown: async (deadline) => behaviour.shutdown?.(deadline),
  };
  const schema = z.null();
  const factories: Factories = {
    receivers: [receiverFactory({ type: 'fake', stability: 'alpha', schema, create: () => component })],
    processors: [],
    exporters: [
      exporterFactory({
        type: 'fake',
        stability: 'alpha',
        schema,
        create: () => ({
          start: async () => undefined,
          shutdown: async () => undefined,
          consumeProfiles: async () => undefined,
        }),
      }),
    ],
    connectors: [],
    extensions: [],
  };
  const code = await runCli([`--config=${CONFIG}`], {
    stdout: () => undefined,
    stderr: (text) => {
      errors += text;
    },
    loadDistribution: async () => factories,
  });
  return { code, errors };
}

const send = (signal: NodeJS.Signals): void => {
  process.emit(signal, signal);
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

describe('a run', { concurrency: false }, () => {
  it('gives each address of a name time to answer', async () => {
    setDefaultAutoSelectFamilyAttemptTimeout(250);
    await runWith({ start: async () => void setImmediate(send, 'SIGTERM') });
    assert.equal(getDefaultAutoSelectFamilyAttemptTimeout(), 1_500);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`ends with 0 after ${signal}, having shut down`, async () => {
      let stopped = false;
      const { code, errors } = await runWith({
        start: async () => void setImmediate(send, signal),
        shutdown: async () => {
          stopped = true;
        },
      });
      assert.deepEqual({ code, errors, stopped }, { code: 0, errors: '', stopped: true });
    });
  }

  it('ends with 1 when a component fails for good', async () => {
    let stopped = false;
    const { code } = await runWith({
      start: async (host) => host.reportStatus({ status: 'fatal_error', error: new Error('disk on fire') }),
      shutdown: async () => {
        stopped = true;
      },
    });
    assert.deepEqual({ code, stopped }, { code: 1, stopped: true });
  });

  it('ends with 1 and says why when a component does not start', async () => {
    const { code, errors } = await runWith({ start: () => Promise.reject(new Error('port is taken')) });
    assert.equal(code, 1);
    assert.match(errors, /^Error: .*"fake".*port is taken\n$/);
  });

  it('waits for a slow shutdown until a second signal', async () => {
    let patience = 'none';
    await runWith({
      start: async () => void setImmediate(send, 'SIGTERM'),
      shutdown: async (deadline) => {
        patience = deadline.aborted ? 'over' : 'some';
        setImmediate(send, 'SIGTERM');
        await aborted(deadline);
        patience += ', then over';
      },
    });
    assert.equal(patience, 'some, then over');
  });

  it('ends with 0 when a signal interrupts the start', async () => {
    const { code } = await runWith({
      start: async (_, signal) => {
        setImmediate(send, 'SIGINT');
        await aborted(signal);
        throw signal.reason;
      },
    });
    assert.equal(code, 0);
  });

  it('leaves no signal handler behind', async () => {
    const count = (): number =>
      process.listenerCount('SIGTERM') + process.listenerCount('SIGINT') + process.listenerCount('SIGHUP');
    const before = count();
    await runWith({ start: async () => void setImmediate(send, 'SIGTERM') });
    assert.equal(count(), before);
  });

  it('reloads at SIGHUP and goes on', async () => {
    const seen: string[] = [];
    await runWith({
      start: async () => {
        setImmediate(() => {
          send('SIGHUP');
          seen.push('running');
          setImmediate(send, 'SIGTERM');
        });
      },
      shutdown: async () => void seen.push('stopped'),
    });
    assert.deepEqual(seen, ['running', 'stopped']);
  });
});
