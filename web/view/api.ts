// SPDX-License-Identifier: Apache-2.0
import type { FlameDocument, ServicesDocument, StatusDocument, TimelineDocument } from '../model/wire.ts';

/** Everything one picture of the page needs. */
export interface Snapshot {
  readonly services: ServicesDocument;
  readonly flame: FlameDocument;
  readonly timeline: TimelineDocument;
  readonly status: StatusDocument;
}

async function get<T>(path: string, query: URLSearchParams, signal: AbortSignal): Promise<T> {
  const text = query.toString();
  const response = await fetch(text === '' ? path : `${path}?${text}`, { signal });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).slice(0, 200)}`);
  return (await response.json()) as T;
}

/** Asks for all parts of a selection at once. Rejects where one is missing. */
export async function fetchSnapshot(selection: URLSearchParams, signal: AbortSignal): Promise<Snapshot> {
  const range = new URLSearchParams([...selection].filter(([key]) => key === 'from' || key === 'until'));
  const [services, flame, timeline, status] = await Promise.all([
    get<ServicesDocument>('api/services', range, signal),
    get<FlameDocument>('api/flame', selection, signal),
    get<TimelineDocument>('api/timeline', selection, signal),
    get<StatusDocument>('api/status', new URLSearchParams(), signal),
  ]);
  return { services, flame, timeline, status };
}
