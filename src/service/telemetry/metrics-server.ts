// SPDX-License-Identifier: Apache-2.0
import { HttpError, type HttpServer, listenHttp } from '../../internal/http-server.ts';
import type { MetricsRegistry } from './meter.ts';

const MAX_CONNECTIONS = 64;

/** Serves the page of a registry at /metrics. Rejects where it cannot listen. */
export function serveMetrics(registry: MetricsRegistry, endpoint: string): Promise<HttpServer> {
  return listenHttp({ endpoint, maxConnections: MAX_CONNECTIONS }, async (request, response) => {
    if (request.url?.split('?')[0] !== '/metrics') throw new HttpError(404, 'metrics are at /metrics');
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new HttpError(405, 'want GET');
    const page = await registry.page();
    response.writeHead(200, { 'content-type': registry.contentType }).end(page);
  });
}
