// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { ProfileKind } from './profiling-config.ts';
import { inferServiceName } from './service-name.ts';
import { addressFault, encodeQuery, joinPath, type Params, withPort } from './url.ts';

/** What the planner needs of the configuration. */
export interface PlanSettings {
  /** Label `job` of targets that have none. */
  readonly job: string;
  readonly scheme: string;
  readonly pathPrefix: string;
  readonly params: Params;
  /** What is scraped of each target; where two would ask for the same, the first is it. */
  readonly kinds: readonly ProfileKind[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Of profiling by the target; undefined: the interval less a second. */
  readonly deltaDurationMs: number | undefined;
  /** Whether series keep private labels. */
  readonly keepsPrivate: boolean;
}

/** One profile of one target, to be scraped again and again. */
export interface ScrapeJob {
  /** Equal for jobs that ask for the same under the same labels, in every process and at every start. */
  readonly id: string;
  readonly url: string;
  /** Kind of the profile, as in the configuration. */
  readonly kind: string;
  /** Labels of all series of the target; `__name__` and `__delta__` are added by `seriesLabels`. */
  readonly base: LabelSet;
  readonly name: string;
  readonly computesDelta: boolean;
  readonly timeoutMs: number;
  /** What discovery found. */
  readonly target: LabelSet;
}

/** Why a target cannot be scraped. */
type RefusalReason = 'no_address' | 'invalid_scheme' | 'invalid_address' | 'invalid_label';

/** A target that cannot be scraped, with what would have to change. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
  readonly target: LabelSet;
}

/** What becomes of a set of targets. */
export interface ScrapePlan {
  /** In the order of targets and kinds, each id once. */
  readonly jobs: readonly ScrapeJob[];
  readonly refusals: readonly Refusal[];
  /** Jobs left out because another asks for the same. */
  readonly duplicates: number;
}

/**
 * The jobs of the targets, by the rules of pyroscope.scrape: labels of a target count for more than the
 * configuration, except for `params`. The same targets give the same plan; a target that cannot be scraped
 * takes nothing from the others.
 */
export function planScrapes(targets: readonly LabelSet[], settings: PlanSettings): ScrapePlan {
  const jobs = new Map<string, ScrapeJob>();
  const refusals: Refusal[] = [];
  let duplicates = 0;
  for (const target of targets) {
    const checked = checkTarget(target, settings);
    if ('reason' in checked) {
      refusals.push(checked);
      continue;
    }
    for (const kind of settings.kinds) {
      const job = jobOf(checked, kind, settings);
      if (jobs.has(job.id)) duplicates++;
      else jobs.set(job.id, job);
    }
  }
  return { jobs: [...jobs.values()], refusals, duplicates };
}

/** Labels of the series that a job makes. */
export function seriesLabels({ base, name, computesDelta }: ScrapeJob): LabelSet {
  const labels = new Map(base);
  labels.set('__name__', name);
  // The server need not compute a difference any more.
  if (computesDelta) labels.set('__delta__', 'false');
  return labels;
}

/** A target that can be scraped, and what its jobs share. */
interface CheckedTarget {
  readonly target: LabelSet;
  readonly labels: LabelSet;
  readonly base: LabelSet;
  readonly baseKey: string;
  readonly origin: string;
}

function checkTarget(target: LabelSet, settings: PlanSettings): CheckedTarget | Refusal {
  const refusal = (reason: RefusalReason, message: string): Refusal => ({ reason, message, target });
  const labels = new Map([...target].filter(([, value]) => value !== ''));
  const setDefault = (name: string, value: string): void => {
    if (value !== '' && !labels.has(name)) labels.set(name, value);
  };
  setDefault('job', settings.job);
  setDefault('__scheme__', settings.scheme);
  for (const [name, [first]] of settings.params) {
    labels.delete(`__param_${name}`);
    setDefault(`__param_${name}`, first ?? '');
  }
  const scheme = labels.get('__scheme__') ?? 'http';
  if (scheme !== 'http' && scheme !== 'https')
    return refusal('invalid_scheme', `invalid scheme: "${scheme}" (valid values: http, https)`);
  const written = labels.get('__address__');
  if (written === undefined) return refusal('no_address', 'no address');
  const address = withPort(written, scheme);
  const fault = addressFault(address);
  if (fault !== undefined) return refusal('invalid_address', fault);
  labels.set('__address__', address);
  setDefault('instance', address);
  setDefault('service_name', inferServiceName(labels));
  for (const [name, value] of labels) {
    if (/\p{Surrogate}/u.test(value) || /\p{Surrogate}/u.test(name))
      return refusal('invalid_label', `invalid label value for "${name}": ${JSON.stringify(value)}`);
  }
  const isPublic = ([name]: readonly [string, string]): boolean => !name.startsWith('__');
  const shown = [...labels].filter(isPublic).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    target,
    labels,
    base: settings.keepsPrivate ? labels : new Map(shown),
    baseKey: JSON.stringify(shown),
    origin: `${scheme}://${address}`,
  };
}

function jobOf(
  { target, labels, base, baseKey, origin }: CheckedTarget,
  kind: ProfileKind,
  settings: PlanSettings,
): ScrapeJob {
  const path = labels.get('__profile_path__') ?? kind.path;
  const prefix = labels.get('__profile_path_prefix__') ?? settings.pathPrefix;
  const params = paramsOf(labels, kind, settings);
  const query = encodeQuery(params);
  const url = `${origin}${joinPath(prefix, path)}${query === '' ? '' : `?${query}`}`;
  return {
    id: createHash('sha1').update(baseKey).update(url).digest('base64url'),
    url,
    kind: kind.kind,
    base,
    name: labels.get('__name__') ?? kind.name,
    // Go answers with a difference wherever it is asked for seconds, and one of differences says nothing.
    computesDelta: kind.computesDelta && !params.get('seconds')?.[0],
    timeoutMs: settings.timeoutMs + profilingMs(params, settings),
    target,
  };
}

/** New for each job, so that nothing leaks from one to the next. `seconds` that somebody asked for stay. */
function paramsOf(labels: LabelSet, kind: ProfileKind, settings: PlanSettings): Params {
  const params = new Map(settings.params);
  for (const [name, value] of labels) {
    if (!name.startsWith('__param_')) continue;
    const key = name.slice('__param_'.length);
    params.set(key, [value, ...(params.get(key) ?? []).slice(1)]);
  }
  if (kind.isTimed && !params.has('seconds')) params.set('seconds', [String(secondsOf(settings))]);
  return params;
}

function secondsOf({ intervalMs, deltaDurationMs }: PlanSettings): number {
  if (deltaDurationMs !== undefined) return Math.floor(deltaDurationMs / 1000);
  return Math.max(1, Math.floor(intervalMs / 1000) - 1);
}

/** How much longer a request takes whose target profiles for a time. */
function profilingMs(params: Params, { intervalMs }: PlanSettings): number {
  const asked = params.get('seconds')?.[0];
  if (asked === undefined) return 0;
  const seconds = /^\d{1,6}$/.test(asked) ? Number(asked) : 0;
  return Math.max(intervalMs - 1000, seconds * 1000);
}
