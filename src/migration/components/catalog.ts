// SPDX-License-Identifier: Apache-2.0
import { CONTENTS } from './content.ts';
import { SOURCES } from './discovery.ts';
import { EBPF } from './ebpf.ts';
import { RECEIVE_HTTP } from './receive-http.ts';
import { DISCOVERY_RELABEL, ENRICH, PROFILE_RELABEL } from './relabel.ts';
import { SCRAPE } from './scrape.ts';
import { LOGGING, LOST_SETTINGS } from './settings.ts';
import type { BlockSpec } from './table.ts';
import { WRITE } from './write.ts';

/** A component that makes or takes in profiles. */
export interface Producer {
  readonly type: string;
  readonly spec: BlockSpec;
  /** Without targets it does nothing at all. */
  readonly needsTargets: boolean;
}

/** Components that become receivers. */
export const PRODUCERS: Readonly<Record<string, Producer>> = {
  'pyroscope.ebpf': { type: 'pyroscope_ebpf', spec: EBPF, needsTargets: false },
  'phlare.ebpf': { type: 'phlare_ebpf', spec: EBPF, needsTargets: false },
  'pyroscope.scrape': { type: 'pyroscope_scrape', spec: SCRAPE, needsTargets: true },
  'phlare.scrape': { type: 'pyroscope_scrape', spec: SCRAPE, needsTargets: true },
  'pyroscope.receive_http': { type: 'pyroscope', spec: RECEIVE_HTTP, needsTargets: false },
};

/** Components that take profiles and pass them on: processors. */
export const PASSING: Readonly<Record<string, BlockSpec>> = {
  'pyroscope.relabel': PROFILE_RELABEL,
  'pyroscope.enrich': ENRICH,
};

/** Components that send profiles: exporters. */
export const SENDING: Readonly<Record<string, BlockSpec>> = {
  'pyroscope.write': WRITE,
  'phlare.write': WRITE,
};

/** Why components have no counterpart; the first that fits counts. */
export const LOST_COMPONENTS: readonly {
  readonly pattern: RegExp;
  readonly name: string;
  readonly reason: string;
}[] = [
  {
    pattern: /^pyroscope\.java$/,
    name: 'pyroscope.java',
    reason:
      'send the recordings of the Java agent to the receiver pyroscope; pyroscope_ebpf samples processes of Java too, with names where the JVM writes a perf map',
  },
  {
    pattern: /^discovery\.kubelet$/,
    name: 'discovery.kubelet',
    reason:
      'use kubernetes_sd_configs with role pod and a selector with field spec.nodeName=${env:NODE_NAME}',
  },
  {
    pattern: /^discovery\./,
    name: 'any other discovery.*',
    reason:
      'this collector does not find targets there; file_sd_configs and http_sd_configs take them of other programs',
  },
  {
    pattern: /^(prometheus|loki|otelcol|mimir|faro|beyla|database_observability|tempo|traces|metrics|logs)\./,
    name: 'prometheus.*, loki.*, otelcol.* and others',
    reason: 'is not about profiles; this collector has no other signal',
  },
  {
    pattern: /^remote\./,
    name: 'remote.kubernetes.secret, remote.vault and others',
    reason:
      'give what it reads as a file or a variable: password_file and other keys of files, ${file:/path}, ${env:NAME}',
  },
  { pattern: /^/, name: 'any other component', reason: 'is not part of this collector' },
];

/** A row of the overview: a block of River and what it is here. */
export interface CatalogEntry {
  readonly name: string;
  readonly becomes: string;
  readonly spec: BlockSpec | undefined;
}

/** Every block that is known, for the documentation. */
export const CATALOG: readonly CatalogEntry[] = [
  ...Object.entries(PRODUCERS).map(([name, { type, spec }]) => ({
    name,
    becomes: `receiver \`${type}\``,
    spec,
  })),
  { name: 'pyroscope.relabel', becomes: 'processor `relabel`', spec: PROFILE_RELABEL },
  { name: 'pyroscope.enrich', becomes: 'processor `enrich`', spec: ENRICH },
  ...Object.entries(SENDING).map(([name, spec]) => ({
    name,
    becomes: 'an exporter `pyroscope` for each endpoint',
    spec,
  })),
  ...Object.entries(SOURCES).map(([name, { key, spec }]) => ({
    name,
    becomes: `\`${key}\` of what uses its targets`,
    spec,
  })),
  { name: 'discovery.relabel', becomes: '`relabel_configs` beside the sources', spec: DISCOVERY_RELABEL },
  ...Object.entries(CONTENTS).map(([name, spec]) => ({
    name,
    becomes: 'a reference where its content is used',
    spec,
  })),
  { name: 'logging', becomes: '`service::telemetry::logs`', spec: LOGGING },
  {
    name: 'declare, import.file, import.string, module.file, module.string, foreach',
    becomes: 'written out',
    spec: undefined,
  },
  ...Object.entries(LOST_SETTINGS).map(([name, reason]) => ({
    name,
    becomes: `not carried: ${reason}`,
    spec: undefined,
  })),
  ...LOST_COMPONENTS.map(({ name, reason }) => ({
    name,
    becomes: `not carried: ${reason}`,
    spec: undefined,
  })),
];
