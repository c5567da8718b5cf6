// SPDX-License-Identifier: Apache-2.0
import type { BlockReader } from './block-reader.ts';
import { LOGGING, LOST_SETTINGS } from './components/settings.ts';
import type { Program } from './evaluate/program.ts';
import { fixedValue } from './evaluate/text.ts';
import type { Findings } from './findings.ts';
import { fixedNode, type MappingNode } from './yaml/node.ts';

/** Writes blocks about the collector itself to `service::telemetry`. */
export function writeSettings(
  program: Program,
  reader: BlockReader,
  findings: Findings,
  root: MappingNode,
): void {
  for (const block of program.settings) {
    const lost = LOST_SETTINGS[block.name];
    if (lost !== undefined) {
      findings.lost(block.place, block.name, lost);
      continue;
    }
    const { node, given } = reader.read(block, LOGGING, program.root);
    const logs = root.at('service', 'telemetry', 'logs');
    logs.setAll(node);
    const format = given.get('format');
    const text = format?.value.kind === 'string' ? fixedValue(format.value.text) : undefined;
    if (format === undefined) continue;
    if (text === 'json' || text === 'logfmt')
      logs.set('encoding', fixedNode(text === 'json' ? 'json' : 'console'), block.comments);
    else findings.lost(format.place, 'format', 'expected "logfmt" or "json"');
  }
}
