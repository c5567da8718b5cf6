// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { type HttpServer, listenHttp, sendText } from '../../src/internal/http-server.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { otlpReceiverSchema } from '../../src/receivers/otlp/config.ts';
import { OtlpReceiver } from '../../src/receivers/otlp/receiver.ts';
import { launchBrowser, WITHOUT_CHROMIUM } from './launch.ts';

const FOLDED = 'page;render 3';
const BYTES = [...encodeOtlp(batchFromFolded(FOLDED), { revision: '1.10' })];

describe('a browser and the OTLP receiver', { skip: WITHOUT_CHROMIUM }, () => {
  let page: HttpServer;
  let browser: Browser;
  before(async () => {
    page = await listenHttp({ endpoint: 'localhost:0' }, (_, response) =>
      sendText(response, 200, '<!doctype html><title>shop</title>', 'text/html'),
    );
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    await page.close(AbortSignal.abort());
  });

  /** Posts from a page at another port; gives what the page's script sees. */
  async function posted(cors: object | undefined, next: RecordingConsumer): Promise<string> {
    const settings = testSettings('otlp');
    const http = { endpoint: 'localhost:0', ...(cors !== undefined && { cors }) };
    const receiver = new OtlpReceiver(settings, otlpReceiverSchema.parse({ protocols: { http } }), next);
    await receiver.start(testHost(), never());
    const url = `http://${String(settings.logger.entries[0]?.fields['endpoint'])}/v1development/profiles`;
    const tab = await browser.newPage();
    try {
      await tab.goto(page.url);
      return await tab.evaluate(
        async ([target, bytes]) => {
          const headers = { 'content-type': 'application/x-protobuf', 'x-team': 'shop' };
          const reply = await fetch(target, { method: 'POST', headers, body: new Uint8Array(bytes) }).catch(
            (error: unknown) => String(error),
          );
          return typeof reply === 'string' ? reply : `${reply.status} ${reply.headers.get('content-length')}`;
        },
        [url, BYTES] as const,
      );
    } finally {
      await tab.close();
      await receiver.shutdown(AbortSignal.abort());
    }
  }

  it('lets pages of allowed origins send profiles', async () => {
    const next = new RecordingConsumer();
    const cors = {
      allowed_origins: [`http://local*:${page.endpoint.port}`],
      allowed_headers: ['content-type', 'x-team'],
      exposed_headers: ['content-length'],
    };
    assert.equal(await posted(cors, next), '200 0');
    assert.equal(next.folded, FOLDED);
  });

  it('lets no other page send any', async () => {
    const next = new RecordingConsumer();
    const refused = [
      undefined,
      { allowed_origins: ['http://*.example.com'], allowed_headers: ['*'] },
      { allowed_origins: ['*'], allowed_headers: ['content-type'] },
    ];
    for (const cors of refused) assert.match(await posted(cors, next), /^TypeError: Failed to fetch/);
    assert.equal(next.offered.length, 0);
  });
});
