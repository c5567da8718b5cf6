// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { packageRoot } from '../../src/internal/package-root.ts';
import { type Running, startWorkloads, WORKLOADS } from '../e2e/workloads.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { ARTIFACTS, launchBrowser, WITHOUT_CHROMIUM } from './launch.ts';

const ANY_PORT = [
  'exporters.viewer.endpoint=localhost:0',
  'extensions.health_check.endpoint=localhost:0',
  'receivers.otlp.protocols.grpc.endpoint=localhost:0',
  'receivers.otlp.protocols.http.endpoint=localhost:0',
  'service.telemetry.metrics.level=none',
];

/** The built program on its built-in configuration; resolves with the page's address. */
function startCollector(onChild: (child: ChildProcess) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      join(packageRoot(), 'bin', 'otelcol-profiles'),
      ANY_PORT.flatMap((set) => ['--set', set]),
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    onChild(child);
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
      const url = /live page at (http:\S+)/.exec(log)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`the collector ended with ${code}: ${log}`)));
  });
}

describe('the page of a running collector', {
  skip: WITHOUT_CHROMIUM || WITHOUT_ROOT,
  timeout: 120_000,
}, () => {
  let browser: Browser;
  let running: Running;
  let collector: ChildProcess | undefined;
  let url = '';

  before(async () => {
    mkdirSync(ARTIFACTS, { recursive: true });
    browser = await launchBrowser();
    running = await startWorkloads();
    url = await startCollector((child) => {
      collector = child;
    });
  });

  after(async () => {
    collector?.removeAllListeners('exit').kill('SIGKILL');
    running?.stop();
    await browser?.close();
  });

  it("shows this host's programs and their functions, live", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
    for (const { name, chain } of WORKLOADS) {
      await page.getByText(`burn-${name}`, { exact: true }).first().click({ timeout: 30_000 });
      await page
        .getByText(chain.at(-1) ?? '')
        .first()
        .waitFor({ timeout: 30_000 });
    }
    await page.screenshot({ path: join(ARTIFACTS, 'live.png') });
    assert.deepEqual(complaints, []);
  });
});
