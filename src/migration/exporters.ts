// SPDX-License-Identifier: Apache-2.0
import { writeBackoff } from './backoff.ts';
import type { BlockReader, Given } from './block-reader.ts';
import { WRITE } from './components/write.ts';
import type { Instance } from './evaluate/scope.ts';
import { fixedValue } from './evaluate/text.ts';
import type { Findings } from './findings.ts';
import { MappingNode } from './yaml/node.ts';

/** Writes `pyroscope.write` as exporters, one for each endpoint; returns their ids. */
export function writeExporters(
  instance: Instance,
  reader: BlockReader,
  findings: Findings,
  exporters: MappingNode,
): readonly string[] {
  const { node: common, inner } = reader.read(instance.block, WRITE, instance.scope);
  const endpoint = WRITE.blocks?.['endpoint'];
  if (endpoint === undefined) throw new TypeError('the table has no endpoint');
  if (inner.length === 0) {
    findings.note(instance.place, instance.id, 'has no endpoint: profiles that come here are thrown away');
    exporters.set('nop', new MappingNode(), [`${instance.id} has no endpoint`]);
    return ['nop'];
  }
  const ids: string[] = [];
  for (const [index, block] of inner.entries()) {
    const { node, given } = reader.read(block, endpoint.spec, instance.scope);
    if (!node.entries.has('endpoint')) {
      findings.lost(block.place, `${instance.id} endpoint`, 'nobody knows its url, so it is left out');
      continue;
    }
    const id = uniqueId(exporters, idOf(instance, given.get('name'), index, inner.length));
    node.setAll(common);
    writeBackoff(node, given, findings);
    const origin = `${instance.id}, line ${block.place.line}`;
    exporters.set(id, node, [origin, ...instance.block.comments, ...block.comments], block.place);
    ids.push(id);
  }
  if (ids.length === 0) exporters.set('nop', new MappingNode(), [`nothing is left of ${instance.id}`]);
  return ids.length === 0 ? ['nop'] : ids;
}

function idOf({ label }: Instance, name: Given | undefined, index: number, count: number): string {
  const given = name?.value.kind === 'string' ? fixedValue(name.value.text) : undefined;
  // What the Collector allows in the name of an id.
  const suffix = given?.replaceAll(/[\p{Z}\p{C}\p{S}/]/gu, '_').slice(0, 100);
  if (suffix !== undefined && suffix !== '') return `pyroscope/${label}_${suffix}`;
  return count === 1 ? `pyroscope/${label}` : `pyroscope/${label}_${index + 1}`;
}

function uniqueId(exporters: MappingNode, wanted: string): string {
  let id = wanted;
  for (let n = 2; exporters.entries.has(id); n++) id = `${wanted}_${n}`;
  return id;
}
