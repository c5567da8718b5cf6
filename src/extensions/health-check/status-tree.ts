// SPDX-License-Identifier: Apache-2.0
import type { ComponentStatus, ServiceView } from '../../component/service-view.ts';

/** Which errors count against health; `recoveryMs`: a recoverable one does so after it has lasted that long. */
export interface HealthRules {
  readonly includePermanent: boolean;
  readonly includeRecoverable: boolean;
  readonly recoveryMs: number;
}

/** The life of the service as the extension is told of it. */
export type Phase = 'starting' | 'running' | 'stopping';

/** One part of the answer, in the shape of upstream's healthcheckv2. */
interface StatusNode {
  readonly healthy: boolean;
  readonly status: string;
  readonly error?: string;
  readonly status_time: string;
  readonly components?: Readonly<Record<string, StatusNode>>;
}

/** An answer and its HTTP status. */
export interface StatusAnswer {
  readonly code: number;
  readonly body: StatusNode & { readonly start_time: string };
}

type Status = ComponentStatus['status'] | 'stopping';

const NAMES: Readonly<Record<Status, string>> = {
  none: 'StatusNone',
  starting: 'StatusStarting',
  ok: 'StatusOK',
  recoverable_error: 'StatusRecoverableError',
  permanent_error: 'StatusPermanentError',
  fatal_error: 'StatusFatalError',
  stopping: 'StatusStopping',
};

/** The worst of several stands for all: the later in this list. */
const ORDER: readonly Status[] = [
  'ok',
  'none',
  'starting',
  'recoverable_error',
  'permanent_error',
  'fatal_error',
];

interface State {
  readonly status: Status;
  readonly error?: Error;
  readonly sinceMs: number;
}

/** Health of the service or of one pipeline; undefined where there is no such pipeline. */
export function statusAnswer(
  service: ServiceView,
  phase: Phase,
  rules: HealthRules,
  nowMs: number,
  query: URLSearchParams,
): StatusAnswer | undefined {
  const verbose = query.has('verbose') && query.get('verbose') !== 'false';
  const statuses = service.statuses();
  const groups = new Map<string, readonly ComponentStatus[]>();
  groups.set(
    'extensions',
    statuses.filter(({ component }) => component.kind === 'extension'),
  );
  for (const pipeline of service.pipelines) {
    const named = new Set([...pipeline.receivers, ...pipeline.exporters]);
    const isMine = ({ component: { kind, id, pipeline: of } }: ComponentStatus): boolean =>
      kind === 'processor' ? of === pipeline.id : kind !== 'extension' && named.has(id);
    groups.set(`pipeline:${pipeline.id}`, statuses.filter(isMine));
  }
  const asked = query.get('pipeline');
  const selected = asked === null || asked === '' ? undefined : groups.get(`pipeline:${asked}`);
  if (asked !== null && asked !== '' && selected === undefined) return undefined;
  const state = phaseOf(worst(selected ?? [...groups.values()].flat(), service), phase, service);
  const tree =
    selected === undefined
      ? Object.fromEntries(
          [...groups].map(([name, list]) => [
            name,
            { ...nodeOf(worst(list, service), rules, nowMs), components: leaves(list, rules, nowMs) },
          ]),
        )
      : leaves(selected, rules, nowMs);
  return {
    code: codeOf(state, rules, nowMs),
    body: {
      start_time: new Date(service.startedAtMs).toISOString(),
      ...nodeOf(state, rules, nowMs),
      ...(verbose && { components: tree }),
    },
  };
}

function leaves(
  list: readonly ComponentStatus[],
  rules: HealthRules,
  nowMs: number,
): Record<string, StatusNode> {
  return Object.fromEntries(
    list.map((one) => [`${one.component.kind}:${one.component.id}`, nodeOf(one, rules, nowMs)]),
  );
}

function worst(list: readonly State[], { startedAtMs }: ServiceView): State {
  const rank = ({ status }: State): number => ORDER.indexOf(status);
  return list.reduce((a, b) => (rank(b) > rank(a) ? b : a), { status: 'ok', sinceMs: startedAtMs });
}

/** Before everything runs, and once it stops, that is the status, unless something is broken for good. */
function phaseOf(state: State, phase: Phase, { startedAtMs }: ServiceView): State {
  if (phase === 'running' || state.status === 'fatal_error') return state;
  return { status: phase, sinceMs: startedAtMs };
}

function nodeOf(state: State, rules: HealthRules, nowMs: number): StatusNode {
  return {
    healthy: !isIll(state, rules, nowMs),
    status: NAMES[state.status],
    ...(state.error !== undefined && { error: state.error.message }),
    status_time: new Date(state.sinceMs).toISOString(),
  };
}

function isIll({ status, sinceMs }: State, rules: HealthRules, nowMs: number): boolean {
  if (status === 'fatal_error') return true;
  if (status === 'permanent_error') return rules.includePermanent;
  return status === 'recoverable_error' && rules.includeRecoverable && nowMs - sinceMs >= rules.recoveryMs;
}

function codeOf(state: State, rules: HealthRules, nowMs: number): number {
  if (state.status === 'starting' || state.status === 'stopping' || state.status === 'none') return 503;
  return isIll(state, rules, nowMs) ? 500 : 200;
}
