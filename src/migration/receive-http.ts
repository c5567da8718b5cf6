// SPDX-License-Identifier: Apache-2.0
import type { BlockReader, ReadBlock } from './block-reader.ts';
import { RECEIVE_HTTP } from './components/receive-http.ts';
import type { Instance } from './evaluate/scope.ts';
import { joinTexts, type Text } from './evaluate/text.ts';
import { kindOf, type Value } from './evaluate/value.ts';
import type { Findings } from './findings.ts';
import type { Block } from './syntax/tree.ts';
import { MappingNode } from './yaml/node.ts';

/** Writes the server of `pyroscope.receive_http` as keys of the receiver. */
export function receiveHttpNode(
  read: ReadBlock,
  reader: BlockReader,
  instance: Instance,
  node: MappingNode,
  findings: Findings,
): void {
  const { place } = instance;
  // What has no block of its own still has its defaults.
  const none: Block = { kind: 'block', name: 'http', label: undefined, place, body: [], comments: [] };
  const http = read.inner.find((block) => block.name === 'http') ?? none;
  const spec = RECEIVE_HTTP.blocks?.['http']?.spec ?? { options: {} };
  const server = reader.read(http, spec, instance.scope);
  const address = textOf(server.given.get('listen_address')?.value) ?? [];
  const port = textOf(server.given.get('listen_port')?.value) ?? ['8080'];
  for (const [name, given] of server.given) {
    if (textOf(given.value) === undefined)
      findings.lost(given.place, name, `expected a text or a number, got ${kindOf(given.value)}`);
  }
  const host = address.length === 0 ? [] : bracketed(address);
  node.set(
    'endpoint',
    { kind: 'text', text: joinTexts([host, [':'], port]), sample: '127.0.0.1:8080' },
    address.length === 0 ? ['without listen_address every address is listened on'] : [],
  );
  node.setAll(server.node);
}

const bracketed = (address: Text): Text => {
  const [only] = address;
  const isV6 =
    address.length === 1 && typeof only === 'string' && only.includes(':') && !only.startsWith('[');
  return isV6 ? [`[${only}]`] : address;
};

function textOf(value: Value | undefined): Text | undefined {
  if (value?.kind === 'string') return value.text;
  return value?.kind === 'number' ? [String(value.value)] : undefined;
}
