// SPDX-License-Identifier: Apache-2.0
import type { WholeRequest } from './fake-pyroscope-http.ts';
import { profilesOfPprof } from './fake-pyroscope-push.ts';
import { IngestError, type IncomingProfile } from './fake-pyroscope-store.ts';

/** How a client has its sample types named. */
type SampleTypes = Readonly<Record<string, { readonly 'display-name'?: string } | undefined>>;

/** Of Go's profiles, where no form says otherwise. */
const DEFAULT_TYPES: SampleTypes = {
  goroutine: { 'display-name': 'goroutines' },
  contentions: { 'display-name': 'mutex_count' },
  delay: { 'display-name': 'mutex_duration' },
};

/**
 * `POST /ingest` of pprof: bare with `format=pprof`, as a form without, for the server takes a body whose format it is
 * told for bare. All other formats are refused here.
 */
export async function decodeIngest(
  query: URLSearchParams,
  request: WholeRequest,
): Promise<IncomingProfile[]> {
  const { app, labels } = parseName(query.get('name') ?? '');
  for (const key of ['from', 'until']) checkTime(key, query.get(key));
  const isBare = query.get('format') === 'pprof';
  const isForm = !isBare && request.headers['content-type']?.startsWith('multipart/form-data') === true;
  if (!isBare && !isForm) throw new IngestError('invalid', 'this server reads pprof only');
  const { file, types } = isForm ? await readForm(request) : { file: request.body, types: DEFAULT_TYPES };
  const spy = query.get('spyName') ?? 'unknown';
  const own: [string, string][] = [
    ['__delta__', 'false'],
    ['service_name', app],
    ['pyroscope_spy', spy],
    ...labels.filter(([name]) => !name.startsWith('__') || name === '__session_id__'),
  ];
  const profiles = profilesOfPprof(own, file);
  const name = nameOf(
    profiles.map((p) => p.sampleType),
    types,
  );
  return profiles.map((p) => ({ ...p, labels: [['__name__', name], ...own] }));
}

/** `app{a=b,c=d}`: no quotes, no escapes. */
function parseName(text: string): { app: string; labels: [string, string][] } {
  const brace = text.indexOf('{');
  const app = (brace < 0 ? text : text.slice(0, brace)).trim();
  if (app === '') throw new IngestError('metadata', 'name: service name is required');
  if (!/^[a-zA-Z0-9_./-]+$/.test(app))
    throw new IngestError('metadata', `name: invalid service name: ${app}`);
  const inner = brace < 0 ? '' : text.slice(brace + 1, text.indexOf('}', brace));
  const labels = inner.split(',').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    const key = pair.slice(0, at).trim();
    if (at >= 0 && !/^[a-zA-Z0-9_.]+$/.test(key))
      throw new IngestError('metadata', `name: invalid label name: ${key}`);
    return at < 0 ? [] : [[key, pair.slice(at + 1).trim()]];
  });
  return { app: labels.find(([name]) => name === 'service_name')?.[1] ?? app, labels };
}

function checkTime(key: string, text: string | null): void {
  if (text !== null && !/^(\d+|now(-\d+[smhd])?)$/.test(text))
    throw new IngestError('metadata', `${key}: bad time "${text}"`);
}

async function readForm({ headers, body }: WholeRequest): Promise<{ file: Buffer; types: SampleTypes }> {
  const type = headers['content-type'] ?? '';
  try {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
    const [profile, config] = [form.get('profile'), form.get('sample_type_config')];
    if (!(profile instanceof Blob)) throw new TypeError('no part "profile"');
    if (form.has('prev_profile')) throw new TypeError('prev_profile is not supported');
    const text = config instanceof Blob ? await config.text() : config;
    const types: SampleTypes = text === null ? DEFAULT_TYPES : (JSON.parse(text) as SampleTypes);
    return { file: Buffer.from(await profile.arrayBuffer()), types };
  } catch (error) {
    throw new IngestError('invalid', `parsing IngestInput-pprof failed ${String(error)}`);
  }
}

/** As the server guesses it: the first sample type that says something. */
function nameOf(sampleTypes: readonly string[], types: SampleTypes): string {
  if (sampleTypes.includes('wall')) return 'wall';
  let shown = '';
  for (const sampleType of sampleTypes) {
    shown = types[sampleType]?.['display-name'] ?? sampleType;
    if (shown.includes('cpu')) return 'process_cpu';
    if (/alloc_|inuse_|^space$|^objects$/.test(shown)) return 'memory';
    for (const name of ['mutex', 'block']) if (shown.includes(`${name}_`)) return name;
    if (shown.includes('goroutines')) return 'goroutines';
  }
  return shown;
}
