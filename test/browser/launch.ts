// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { packageRoot } from '../../src/internal/package-root.ts';
import { leftOutUnless } from '../left-out.ts';

const CHROMIUM = '/usr/bin/chromium';
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Screenshots of the last run; not in git. */
export const ARTIFACTS = join(packageRoot(), 'test', 'artifacts');

export const WITHOUT_CHROMIUM = leftOutUnless(existsSync(CHROMIUM), 'chromium is not installed');

/** Debian's Chromium, which talks to nobody by itself. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...QUIET] });
}
