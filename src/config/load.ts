// SPDX-License-Identifier: Apache-2.0
import type { Distribution, ExtensionFactory } from '../component/factory.ts';
import type { FeatureGates } from '../component/feature-gates.ts';
import { ConfigError, formatIssue, formatPath, IssueList } from './config-error.ts';
import {
  type ConfiguredSet,
  isMalformed,
  type Report,
  readComponents,
  type SectionName,
} from './configured-set.ts';
import { checkConnectorIds } from './connector-uses.ts';
import type { LoadedConfig } from './loaded-config.ts';
import { createProviders, type Environment } from './providers.ts';
import { checkReferences } from './references.ts';
import { type ConfigSource, resolveSources } from './resolve.ts';
import { readService } from './service-reader.ts';
import type { ServiceConfig } from './service-section.ts';
import { type MappingNode, placeOf } from './tree.ts';

export interface LoadOptions {
  readonly distribution: Distribution;
  readonly gates: FeatureGates;
  /** Where `${env:…}` looks; the process's environment if not given. */
  readonly environment?: Environment;
}

const SECTIONS = ['receivers', 'processors', 'exporters', 'connectors', 'extensions', 'service'];

/**
 * Reads, merges, expands and checks a configuration. Rejects with ConfigError that holds everything
 * found wrong; nothing is created or started.
 */
export async function loadConfig(
  sources: readonly ConfigSource[],
  options: LoadOptions,
): Promise<LoadedConfig> {
  const warnings: string[] = [];
  const providers = createProviders(options.environment ?? process.env);
  const tree = await resolveSources(sources, providers, warnings);
  return readConfig(tree, options, warnings);
}

async function readConfig(
  tree: MappingNode,
  { distribution, gates }: LoadOptions,
  warnings: string[],
): Promise<LoadedConfig> {
  const issues = new IssueList(tree);
  const report: Report = {
    issues,
    warn: (path, message) =>
      warnings.push(formatIssue({ ...placeOf(tree, path), path: formatPath(path), message })),
  };
  for (const key of tree.entries.keys()) {
    if (!SECTIONS.includes(key)) issues.addUnknownKey([], key, SECTIONS);
  }
  const sets = {
    receivers: await readComponents(tree, 'receivers', distribution.receivers, report),
    processors: await readComponents(tree, 'processors', distribution.processors, report),
    exporters: await readComponents(tree, 'exporters', distribution.exporters, report),
    connectors: await readComponents(tree, 'connectors', distribution.connectors, report),
    extensions: await readComponents(tree, 'extensions', distribution.extensions, report),
  };
  checkConnectorIds(sets, issues);
  for (const kind of ['receiver', 'exporter'] as const) {
    const isEmpty = sets[`${kind}s`].keys.size === 0 && !isMalformed(tree, [`${kind}s`]);
    if (isEmpty) issues.add([`${kind}s`], `no ${kind} configuration specified in config`);
  }
  const known = {
    receivers: sets.receivers.keys,
    processors: sets.processors.keys,
    exporters: sets.exporters.keys,
    connectors: sets.connectors.keys,
    extensions: sets.extensions.keys,
  };
  const read = readService(tree, known, gates, report);
  if (read !== undefined) checkExtensionReferences(sets, read.service, report);
  const found = issues.sorted;
  if (found.length > 0 || read === undefined) throw new ConfigError(found, warnings);
  warnUnused(sets, read.service, report);
  return {
    receivers: sets.receivers.components,
    processors: sets.processors.components,
    exporters: sets.exporters.components,
    connectors: sets.connectors.components,
    extensions: sets.extensions.components,
    service: read.service,
    effective: ({ redact }) => ({
      ...Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, set.effective(redact)])),
      service: read.effective(redact),
    }),
    warnings,
  };
}

type Sets = Readonly<Record<SectionName, ConfiguredSet<unknown>>>;

function checkExtensionReferences(
  sets: Sets & { readonly extensions: ConfiguredSet<ExtensionFactory<unknown>> },
  service: ServiceConfig,
  report: Report,
): void {
  const used = SETS.map((section) => [sets[section], usedIds(section, service)] as const);
  checkReferences(used, sets.extensions, service.extensions, report);
}

const SETS = ['receivers', 'processors', 'exporters', 'connectors', 'extensions'] as const;

/** Ids of a section that the service starts. */
function usedIds(section: (typeof SETS)[number], { extensions, pipelines }: ServiceConfig): Set<string> {
  const all = [...pipelines.values()];
  const used =
    section === 'extensions'
      ? extensions
      : all.flatMap((pipeline) => pipeline[section === 'connectors' ? 'receivers' : section]);
  return new Set(used.map((id) => id.text));
}

function warnUnused(sets: Sets, service: ServiceConfig, report: Report): void {
  for (const section of SETS) {
    const texts = usedIds(section, service);
    const where = section === 'extensions' ? 'not listed in service::extensions' : 'not used in any pipeline';
    for (const [text, { key }] of sets[section].keys) {
      if (!texts.has(text)) report.warn([section, key], `is configured but ${where}`);
    }
  }
}
