// SPDX-License-Identifier: Apache-2.0
import { Re2 } from '../internal/re2.ts';
import type { BlockReader } from './block-reader.ts';
import { PROFILE_RELABEL } from './components/relabel.ts';
import type { Instance } from './evaluate/scope.ts';
import { fixedValue } from './evaluate/text.ts';
import type { Findings } from './findings.ts';
import { fixedNode, listNode, MappingNode, type Node } from './yaml/node.ts';

/**
 * Writes components that follow each other as one processor, so that labels which only rules see reach the
 * last of them; returns its id.
 */
export function relabelProcessor(
  chain: readonly Instance[],
  reader: BlockReader,
  findings: Findings,
  processors: MappingNode,
): string {
  const id = `relabel/${chain.map(({ label }) => label).join('-')}`.slice(0, 200);
  if (processors.entries.has(id)) return id;
  const node = new MappingNode();
  const rules: Node[] = [];
  for (const instance of chain) {
    const read = reader.read(instance.block, PROFILE_RELABEL, instance.scope);
    const own = read.node.entries.get('rules')?.node;
    rules.push(...(own?.kind === 'list' ? own.items : []));
    const size = read.node.entries.get('max_cache_size');
    if (size !== undefined) node.set('max_cache_size', size.node, size.comments);
  }
  for (const rule of rules) if (rule.kind === 'mapping') renameServiceName(rule, chain, findings);
  // A component without rules passes everything; the processor wants one.
  if (rules.length === 0)
    rules.push(new MappingNode().set('action', fixedNode('labeldrop')).set('regex', fixedNode('__tmp_.*')));
  node.set('rules', listNode(rules));
  const names = chain.map((instance) => instance.id).join(', then ');
  processors.set(id, node, [`of ${names}`, ...chain.flatMap((instance) => instance.block.comments)]);
  return id;
}

/** The label `service_name` of Pyroscope is the attribute `service.name` between receivers and exporters. */
function renameServiceName(rule: MappingNode, chain: readonly Instance[], findings: Findings): void {
  let isRenamed = false;
  const renamed = (node: Node, from: RegExp, to: string): Node => {
    if (node.kind === 'list') return { ...node, items: node.items.map((item) => renamed(item, from, to)) };
    if (node.kind !== 'text') return node;
    const text = node.text.map((part) => (typeof part === 'string' ? part.replace(from, to) : part));
    if (text.some((part, i) => part !== node.text[i])) isRenamed = true;
    return { ...node, text };
  };
  const change = (key: string, from: RegExp, to: string): void => {
    const entry = rule.entries.get(key);
    if (entry !== undefined) rule.set(key, renamed(entry.node, from, to), entry.comments);
  };
  const action = rule.entries.get('action')?.node;
  const name = action?.kind === 'text' ? (fixedValue(action.text) ?? '').toLowerCase() : 'replace';
  change('source_labels', /^service_name$/, 'service.name');
  change('target_label', /^service_name$/, 'service.name');
  if (['labelmap', 'labeldrop', 'labelkeep'].includes(name))
    change('regex', /service_name/g, 'service[._]name');
  if (name === 'labelmap') change('replacement', /^service_name$/, 'service.name');
  if (name === 'labeldrop' || name === 'labelkeep') isRenamed = meansServiceName(rule) || isRenamed;
  const [first] = chain;
  if (isRenamed && first !== undefined)
    findings.note(first.place, first.id, 'the label service_name is the attribute service.name in its rules');
}

/** Lets a pattern such as `[a-z_]+`, which takes `service_name` without naming it, take `service.name` too. */
function meansServiceName(rule: MappingNode): boolean {
  const entry = rule.entries.get('regex');
  const regex = entry?.node.kind === 'text' ? fixedValue(entry.node.text) : undefined;
  if (entry === undefined || regex === undefined) return false;
  try {
    const pattern = new Re2(regex, { anchored: true });
    if (!pattern.test('service_name') || pattern.test('service.name')) return false;
  } catch {
    // The check of the result tells what is wrong with it.
    return false;
  }
  rule.set('regex', fixedNode(`(?:${regex})|service[.]name`), entry.comments, entry.place);
  return true;
}

/** True where a rule of a `pyroscope.relabel` reads the label `__name__`. */
export function readsName(instance: Instance, reader: BlockReader): boolean {
  const rules = reader.read(instance.block, PROFILE_RELABEL, instance.scope).node.entries.get('rules')?.node;
  const items = rules?.kind === 'list' ? rules.items : [];
  return items.some((rule) => {
    const labels = rule.kind === 'mapping' ? rule.entries.get('source_labels')?.node : undefined;
    const names = labels?.kind === 'list' ? labels.items : [];
    return names.some((name) => name.kind === 'text' && fixedValue(name.text) === '__name__');
  });
}
