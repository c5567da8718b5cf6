// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { PushSeries } from './push-series.ts';
import { isPrivate, type LabelPair } from './series-labels.ts';
import type { WriteRequest } from './write-client.ts';

/** The agent that the server is told of where the series names none. */
const SPY = 'otelcol-profiles';
/** The server rewrites the frames of these: they are not rewritten twice. */
const REWRITTEN_SPIES: ReadonlySet<string> = new Set(['pyspy', 'rbspy', 'scripting']);

/**
 * A series as `POST /ingest` takes it: `name=service{label=value,…}`, `from` and `until` in seconds, the file
 * alone, told by `format=pprof`, or as part of a form, which is told by its content type: with a format the
 * server would take the form itself for the file. The server names the profile after its sample types; where
 * that is not the series' name, as with Go's contentions, the form tells it.
 * Source: grafana/pyroscope pkg/ingester/pyroscope (metricName of the pprof ingester).
 */
export function ingestRequest(series: PushSeries, body: 'bare' | 'multipart'): WriteRequest {
  const { labels, pprof, timeUnixNano, durationNano } = series;
  const value = (name: string): string | undefined => labels.find((l) => l.name === name)?.value;
  const spy = value('pyroscope_spy');
  const isSpy = spy !== undefined && !REWRITTEN_SPIES.has(spy);
  const query = new URLSearchParams({ name: nameOf(labels), spyName: isSpy ? spy : SPY });
  if (body === 'bare') query.set('format', 'pprof');
  if (timeUnixNano > 0n) {
    const fromSeconds = timeUnixNano / 1_000_000_000n;
    // The server takes a span of time, of a second at the least.
    const untilSeconds = (timeUnixNano + durationNano + 999_999_999n) / 1_000_000_000n;
    query.set('from', String(fromSeconds));
    query.set('until', String(untilSeconds > fromSeconds ? untilSeconds : fromSeconds + 1n));
  }
  const path = `/ingest?${query.toString()}`;
  if (body === 'bare') return { path, headers: { 'content-type': 'binary/octet-stream' }, body: pprof };
  return { path, ...formOf(pprof, sampleTypesOf(value('__name__') ?? '')) };
}

/**
 * `service{a=b,c=d}`: what the server would refuse in the name of a service or label becomes `_`, and so does what
 * would end a value, for the grammar knows no escapes.
 */
function nameOf(labels: readonly LabelPair[]): string {
  const service = labels.find(({ name }) => name === 'service_name')?.value ?? 'unknown_service';
  const pairs = labels.flatMap(({ name, value }) => {
    const isOwn = name === 'service_name' || name === 'pyroscope_spy';
    if (isOwn || isPrivate(name)) return [];
    return [`${name.replace(/[^a-zA-Z0-9_.]/gu, '_')}=${value.replace(/[,}]/g, '_')}`];
  });
  return `${service.replace(/[^a-zA-Z0-9_./-]/gu, '_')}{${pairs.join(',')}}`;
}

/** How the server is to name contentions and delays, which Go's mutex and block profiles both have. */
function sampleTypesOf(name: string): Readonly<Record<string, object>> | undefined {
  if (name !== 'mutex' && name !== 'block') return undefined;
  return {
    contentions: { 'display-name': `${name}_count`, units: 'lock_samples' },
    delay: { 'display-name': `${name}_duration`, units: 'lock_nanoseconds' },
  };
}

function formOf(gzipped: Uint8Array, sampleTypes: object | undefined): Omit<WriteRequest, 'path'> {
  // No part of the body may hold it, and two equal requests are equal.
  const boundary = createHash('sha256').update(gzipped).digest('hex').slice(0, 32);
  const part = (name: string, file: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"; filename="${file}"\r\ncontent-type: application/octet-stream\r\n\r\n`;
  const chunks = [Buffer.from(part('profile', 'profile.pprof')), gzipped, Buffer.from('\r\n')];
  if (sampleTypes !== undefined) {
    const json = JSON.stringify(sampleTypes);
    chunks.push(Buffer.from(`${part('sample_type_config', 'sample_type_config.json')}${json}\r\n`));
  }
  chunks.push(Buffer.from(`--${boundary}--\r\n`));
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
  return { headers, body: Buffer.concat(chunks) };
}
