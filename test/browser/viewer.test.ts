// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { notices } from '../../src/component/notices.ts';
import { viewerSchema } from '../../src/exporters/viewer/config.ts';
import { ViewerExporter } from '../../src/exporters/viewer/exporter.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { ARTIFACTS, launchBrowser, WITHOUT_CHROMIUM } from './launch.ts';
import { shopBatch } from './shop.ts';

// Source text for the page: its types (DOM) are not those of this process.
const COUNT_COLOURS = `(selector) => {
  const canvas = document.querySelector(selector);
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 37) {
    if (data[i + 3] === 255) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return seen.size;
}`;

const NEXT_FRAME = 'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))';

describe('viewer page', { skip: WITHOUT_CHROMIUM }, () => {
  let browser: Browser;
  const exporters: ViewerExporter[] = [];
  const complaints: string[] = [];

  before(async () => {
    mkdirSync(ARTIFACTS, { recursive: true });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
  });

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const exporter of exporters.splice(0)) await exporter.shutdown(AbortSignal.abort());
    assert.deepEqual(complaints.splice(0), [], 'the page complained');
  });

  async function serve(): Promise<ViewerExporter> {
    const exporter = new ViewerExporter(
      testSettings('viewer'),
      viewerSchema.parse({ endpoint: 'localhost:0' }),
    );
    await exporter.start(testHost(), never());
    exporters.push(exporter);
    return exporter;
  }

  async function serveShop(): Promise<ViewerExporter> {
    const exporter = await serve();
    const now = Date.now();
    for (let i = 0; i < 6; i++) await exporter.consumeProfiles(shopBatch(now - i * 5000), never());
    return exporter;
  }

  async function open(
    exporter: ViewerExporter,
    hash = '',
    options: BrowserContextOptions = {},
  ): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      colorScheme: 'light',
      reducedMotion: 'reduce',
      ...options,
    });
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(exporter.url ?? 'none'))
        complaints.push(`asked elsewhere: ${request.url()}`);
    });
    await page.goto(`${exporter.url}/${hash}`);
    return page;
  }

  const drawnTable = (page: Page): Promise<unknown> => page.waitForSelector('#table-part tbody tr');
  const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();
  const names = (page: Page): Promise<string[]> => texts(page, '#table-part td .fn span');

  /** Number of different colours on a canvas, sampled on a grid; 0 where nothing is drawn. */
  const colours = (page: Page, selector: string): Promise<number> =>
    page.evaluate<number>(`(${COUNT_COLOURS})(${JSON.stringify(selector)})`);

  /** A point in a row of the graph (20 px each), at a share of its width. */
  async function pointIn(page: Page, row: number, share: number): Promise<{ x: number; y: number }> {
    const box = await page.locator('#flame canvas').boundingBox();
    assert.ok(box !== null);
    return { x: box.x + box.width * share, y: box.y + row * 20 + 10 };
  }

  it('shows services, a drawn graph and a table at once', async (t) => {
    const exporter = await serveShop();
    const started = performance.now();
    const page = await open(exporter);
    await drawnTable(page);
    t.diagnostic(`first data after ${Math.round(performance.now() - started)} ms`);
    const services = await texts(page, '#service-list > li > button > span:first-child');
    assert.deepEqual(services, [
      'All services',
      'checkout',
      'recommender',
      'catalog',
      'postgres',
      'redis-server',
      'node-exporter',
    ]);
    assert.ok((await colours(page, '#flame canvas')) > 10);
    assert.ok((await colours(page, '#timeline')) > 1);
    assert.deepEqual(await texts(page, '#legend li'), ['Native', 'JavaScript', 'Go', 'Kernel', 'Python']);
    await page.screenshot({ path: join(ARTIFACTS, 'viewer-light.png') });
  });

  it('filters by service, process, thread and text in the service box', async () => {
    const page = await open(await serveShop());
    await drawnTable(page);
    await page.fill('#service-filter', 'reco');
    assert.deepEqual(await texts(page, '#service-list > li > button > span:first-child'), [
      'All services',
      'recommender',
    ]);
    await page.click('#service-list button[data-name="recommender"]');
    await page.getByRole('heading', { name: 'recommender', exact: true }).waitFor();
    await page.click('#service-list button[data-name="python3.11:94"]');
    await page.waitForURL(/p=python3\.11/);
    await page.selectOption('#thread', 'grpc-worker');
    await page.locator('td .fn', { hasText: 'dgemm_kernel' }).waitFor({ state: 'detached' });
    assert.deepEqual((await names(page)).slice(0, 1), ['loads']);
    assert.match(page.url(), /s=recommender&p=python3.11%3A94&th=grpc-worker/);
  });

  it('tells of the frame under the pointer: weights, place, binary and kind', async () => {
    const page = await open(await serveShop(), '#s=checkout');
    await drawnTable(page);
    const point = await pointIn(page, 7, 0.2);
    await page.mouse.move(point.x, point.y);
    const card = await page.locator('#card').innerText();
    assert.match(card, /placeOrder/);
    assert.match(card, /Total\s+[\d.]+ s\s+65\.\d%/);
    assert.match(card, /\/app\/src\/orders\.ts:88 · JavaScript/);
    const kernel = await pointIn(page, 1, 0.2);
    await page.mouse.move(kernel.x, kernel.y);
    assert.match(await page.locator('#card').innerText(), /main[\s\S]*node · Native/);
  });

  it('zooms by click and by keys, and comes back', async () => {
    const page = await open(await serveShop(), '#s=checkout');
    await drawnTable(page);
    const point = await pointIn(page, 7, 0.2);
    await page.mouse.click(point.x, point.y);
    await page.locator('#breadcrumb li:last-child', { hasText: 'placeOrder' }).waitFor();
    assert.match(page.url(), /z=main/);
    assert.ok(!(await names(page)).includes('getCart'));
    await page.keyboard.press('ArrowDown');
    assert.match(await page.locator('#selected').innerText(), /^priceItems — total [\d.]+ s/);
    await page.keyboard.press('Enter');
    assert.equal((await texts(page, '#breadcrumb li')).at(-1), 'priceItems');
    await page.keyboard.press('Escape');
    assert.equal((await texts(page, '#breadcrumb li')).at(-1), 'placeOrder');
    for (let i = 0; i < 7; i++) await page.keyboard.press('Backspace');
    assert.deepEqual(await texts(page, '#breadcrumb li'), ['Click a frame to zoom in']);
    assert.ok((await names(page)).includes('getCart'));
  });

  it('searches, tells the share of matching stacks and filters the table', async () => {
    const page = await open(await serveShop(), '#s=checkout');
    await drawnTable(page);
    const before = await colours(page, '#flame canvas');
    await page.keyboard.press('/');
    await page.keyboard.type('/^(placeOrder|priceItems)$/');
    assert.match(await page.locator('#search-share').innerText(), /^Matched 65\.\d% · 2 functions$/);
    assert.deepEqual((await names(page)).sort(), ['placeOrder', 'priceItems']);
    await page.evaluate(NEXT_FRAME);
    assert.ok((await colours(page, '#flame canvas')) < before, 'the rest is greyed');
    await page.fill('#search', '/(a+)+$/');
    assert.match(await page.locator('#search-share').innerText(), /^Search: repeats within/);
    assert.equal(await page.getAttribute('#search', 'aria-invalid'), 'true');
    await page.screenshot({ path: join(ARTIFACTS, 'viewer-search.png') });
  });

  it('sorts the table by what its head says and highlights the chosen function', async () => {
    const page = await open(await serveShop(), '#s=checkout');
    await drawnTable(page);
    assert.equal(await page.getAttribute('th:nth-child(2)', 'aria-sort'), 'descending');
    assert.equal((await names(page))[0], 'parse');
    await page.click('th:nth-child(3) button');
    assert.deepEqual((await names(page)).slice(0, 3), ['main', 'node::Start(int, char**)', 'uv_run']);
    await page.click('th:nth-child(1) button');
    assert.equal(await page.getAttribute('th:nth-child(1)', 'aria-sort'), 'ascending');
    assert.equal((await names(page))[0], '__sys_sendto');
    await page.click('td .fn:has-text("roundMoney")');
    assert.equal(await page.inputValue('#search'), '=roundMoney');
    assert.deepEqual(await names(page), ['roundMoney']);
  });

  it('shows new data by itself, and not while paused', async () => {
    const exporter = await serveShop();
    const page = await open(exporter);
    await drawnTable(page);
    const add = (service: string): Promise<void> => {
      const options = {
        attributes: { 'service.name': service },
        timeUnixNano: BigInt(Date.now()) * 1_000_000n,
        durationNano: 0n,
      };
      return exporter.consumeProfiles(batchFromFolded('main;fresh_function 5000', options), never());
    };
    await add('late-riser');
    await page.waitForSelector('#service-list button[data-name="late-riser"]', { timeout: 4000 });
    assert.ok((await names(page)).includes('fresh_function'));
    await page.click('#live');
    assert.equal(await page.locator('#live').innerText(), 'Paused');
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const ticked = page.evaluate(
      "new Promise((resolve) => new EventSource('api/events').addEventListener('data', resolve))",
    );
    await add('later-riser');
    const again = setInterval(() => void add('later-riser'), 300);
    await ticked;
    clearInterval(again);
    assert.deepEqual(
      asked.filter((url) => url.includes('/api/flame')),
      [],
    );
    await page.click('#live');
    await page.waitForSelector('#service-list button[data-name="later-riser"]', { timeout: 4000 });
  });

  it('takes a time range from a drag over the bars and from the presets', async () => {
    const page = await open(await serveShop());
    await drawnTable(page);
    const box = await page.locator('#timeline').boundingBox();
    assert.ok(box !== null);
    await page.mouse.move(box.x + box.width * 0.2, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 30, { steps: 4 });
    await page.mouse.up();
    await page.waitForSelector('#empty h2');
    assert.match(page.url(), /r=\d+-\d+/);
    assert.match(await page.locator('#empty').innerText(), /No samples in this time range/);
    await page.click('#empty button');
    await drawnTable(page);
    assert.equal(await page.getAttribute('#presets button[data-value="all"]', 'aria-pressed'), 'true');
    await page.keyboard.press('1');
    await page.waitForURL(/r=15s/);
  });

  it('names the cause when there is nothing to show', async () => {
    notices.set('profiling', 'not privileged: grant CAP_BPF and CAP_PERFMON, or run as root');
    try {
      const page = await open(await serve());
      await page.waitForSelector('#empty li');
      const text = await page.locator('#empty').innerText();
      assert.match(text, /No profiles yet\s+This may be why/);
      assert.match(text, /profiling\s+not privileged: grant CAP_BPF/);
      assert.equal(await page.locator('#flame').isVisible(), false);
      await page.screenshot({ path: join(ARTIFACTS, 'viewer-empty.png') });
    } finally {
      notices.delete('profiling');
    }
  });

  it('follows the system into the dark and can be told otherwise', async () => {
    const page = await open(await serveShop(), '#s=checkout', { colorScheme: 'dark' });
    await drawnTable(page);
    const background = (): Promise<string> =>
      page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    assert.equal(await background(), 'rgb(18, 20, 23)');
    await page.screenshot({ path: join(ARTIFACTS, 'viewer-dark.png') });
    await page.click('#theme');
    assert.equal(await background(), 'rgb(247, 247, 245)');
    await page.reload();
    await drawnTable(page);
    assert.equal(await background(), 'rgb(247, 247, 245)');
  });

  it('fits a phone without sideways scrolling, services behind a button', async () => {
    const page = await open(await serveShop(), '', {
      viewport: { width: 360, height: 740 },
      deviceScaleFactor: 2,
    });
    await drawnTable(page);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360);
    assert.equal(await page.locator('#services').isVisible(), false);
    await page.click('#menu');
    await page.click('#service-list button[data-name="postgres"]');
    await page.getByRole('heading', { name: 'postgres', exact: true }).waitFor();
    assert.equal(await page.locator('#services').isVisible(), false);
    assert.equal(
      await page.evaluate("((c) => c.width / c.clientWidth)(document.querySelector('#flame canvas'))"),
      2,
    );
    await page.screenshot({ path: join(ARTIFACTS, 'viewer-phone.png') });
  });

  it('restores a view from its link and shows names as text, never as markup', async () => {
    const exporter = await serve();
    const evil = '<img src=x onerror=alert(1)>';
    const options = {
      attributes: { 'service.name': evil },
      timeUnixNano: BigInt(Date.now()) * 1_000_000n,
      durationNano: 0n,
    };
    await exporter.consumeProfiles(batchFromFolded(`main;${evil} 3\nmain;idle 1`, options), never());
    const page = await open(exporter, '#v=table&r=all&q=onerror&c=binary');
    await drawnTable(page);
    assert.deepEqual(await names(page), [evil]);
    assert.equal(await page.locator('#flame').isVisible(), false);
    assert.equal(await page.getAttribute('#color-by button[data-value="binary"]', 'aria-pressed'), 'true');
    assert.equal(await page.locator('main img').count(), 0);
  });

  it('draws 20 000 frames and says how many were folded', async () => {
    const exporter = await serve();
    const lines = Array.from(
      { length: 24_000 },
      (_, i) => `main;a${i % 40};b${i % 800};leaf_${i} ${1 + (i % 7)}`,
    ).join('\n');
    await exporter.consumeProfiles(
      batchFromFolded(lines, { timeUnixNano: BigInt(Date.now()) * 1_000_000n, durationNano: 0n }),
      never(),
    );
    const page = await open(exporter);
    await drawnTable(page);
    assert.match(await page.locator('#total').innerText(), /4,\d{3} small frames folded/);
    assert.ok((await colours(page, '#flame canvas')) > 5);
  });

  it('is at most 60 KiB over the wire', () => {
    const folder = join(packageRoot(), 'build', 'web');
    const bytes = readdirSync(folder).map(
      (name) => gzipSync(readFileSync(join(folder, name)), { level: 9 }).length,
    );
    const total = bytes.reduce((a, b) => a + b, 0);
    assert.ok(bytes.length === 4 && total <= 60 * 1024, `${total} bytes`);
  });
});
