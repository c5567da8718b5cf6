// SPDX-License-Identifier: Apache-2.0
import { didYouMean } from '../internal/suggest.ts';
import {
  type BlockSpec,
  defaultOf,
  ERAS,
  type Era,
  type InnerBlock,
  isOf,
  type Option,
} from './components/table.ts';
import type { Evaluator } from './evaluate/evaluator.ts';
import type { Scope } from './evaluate/scope.ts';
import { fixedValue } from './evaluate/text.ts';
import type { Value } from './evaluate/value.ts';
import type { Findings } from './findings.ts';
import { OptionWriter } from './option-writer.ts';
import type { Place } from './place.ts';
import type { Attribute, Block } from './syntax/tree.ts';
import { defaultNode, listNode, MappingNode } from './yaml/node.ts';

/** What reading blocks needs of the conversion around it. */
export interface Surroundings {
  readonly era: Era;
  readonly findings: Findings;
  readonly evaluator: Evaluator;
}

/** A value that the converter's code has to deal with itself. */
export interface Given {
  readonly value: Value;
  readonly place: Place;
}

/** A block with what the tables say done, and the rest to do. */
export interface ReadBlock {
  readonly node: MappingNode;
  /** Values of the options that are `by` code, where they are given. */
  readonly given: ReadonlyMap<string, Given>;
  /** Blocks that are `by` code, in the order of the file. */
  readonly inner: readonly Block[];
}

/** Turns the options and blocks of a block into keys, as its table says; tells of everything it does not take. */
export class BlockReader {
  readonly #around: Surroundings;
  readonly #options: OptionWriter;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#options = new OptionWriter(around.findings);
  }

  /** The block by its table; `era` where it is not that of the file. */
  read(block: Block, spec: BlockSpec, scope: Scope, era = this.eraOf(block.name)): ReadBlock {
    const { name } = block;
    const node = new MappingNode();
    const given = new Map<string, Given>();
    const inner: Block[] = [];
    const seen = new Set<string>();
    for (const statement of block.body) {
      if (statement.kind === 'attribute') {
        const option = this.#known(statement, spec.options, era, name, spec.blocks);
        if (option === undefined || this.#isSecond(statement, seen, name)) continue;
        const value = this.#around.evaluator.evaluate(statement.value, scope);
        if (value.kind === 'lost' || value.kind === 'null') continue;
        if (option.by !== undefined) given.set(statement.name, { value, place: statement.place });
        else this.#write(statement, option, value, node, name);
        continue;
      }
      const known = this.#known(statement, spec.blocks ?? {}, era, name, spec.blocks);
      if (known === undefined) continue;
      if (known.shape === 'one' && this.#isSecond(statement, seen, name)) continue;
      if (this.#isLeftOut(statement, known)) continue;
      if (known.by === undefined) this.#writeBlock(statement, known, node, { scope, era });
      else inner.push(statement);
      seen.add(statement.name);
    }
    this.#complete(block, spec, seen, node, era);
    return { node, given, inner };
  }

  /** The file's era, but `phlare.*` is in one only, and `pyroscope.*` came with the next. */
  eraOf(name: string): Era {
    const { era } = this.#around;
    if (name.startsWith('phlare.')) return 'phlare';
    return name.startsWith('pyroscope.') && era === 'phlare' ? 'agent' : era;
  }

  #known<T extends Option | InnerBlock>(
    statement: Attribute | Block,
    table: Readonly<Record<string, T>>,
    era: Era,
    name: string,
    inner: BlockSpec['blocks'],
  ): T | undefined {
    const { findings } = this.#around;
    const known = Object.hasOwn(table, statement.name) ? table[statement.name] : undefined;
    if (known === undefined) {
      const hint = innerHint(statement, inner) ?? didYouMean(statement.name, Object.keys(table));
      findings.lost(statement.place, statement.name, `${name} has no ${statement.kind} of this name${hint}`);
    } else if (!isOf(known, era)) {
      const eras = ERAS.filter((e) => isOf(known, e)).join(' and ');
      findings.note(statement.place, statement.name, `is an option of ${eras}, not of ${era}; it is carried`);
    }
    return known;
  }

  #isSecond(statement: Attribute | Block, seen: Set<string>, name: string): boolean {
    if (seen.has(statement.name)) {
      this.#around.findings.lost(statement.place, statement.name, `may be given only once in ${name}`);
      return true;
    }
    seen.add(statement.name);
    return false;
  }

  #isLeftOut({ place, name }: Attribute | Block, known: Option | InnerBlock): boolean {
    if (known.lost !== undefined) this.#around.findings.lost(place, name, known.lost);
    if (known.needless !== undefined) this.#around.findings.note(place, name, `left out: ${known.needless}`);
    return known.lost !== undefined || known.needless !== undefined;
  }

  #write(statement: Attribute, option: Option, value: Value, node: MappingNode, name: string): void {
    if (this.#isLeftOut(statement, option)) return;
    const written = this.#options.write(statement, option, value, name);
    if (written !== undefined) node.set(written.key, written.node, statement.comments, statement.place);
  }

  #writeBlock(
    block: Block,
    known: InnerBlock,
    node: MappingNode,
    { scope, era }: { readonly scope: Scope; readonly era: Era },
  ): void {
    const key = known.key ?? block.name;
    const read = this.read(block, known.spec, scope, era);
    this.#tlsVersions(read);
    if (known.shape === 'one') {
      node.set(key, read.node, block.comments, block.place);
      return;
    }
    if (known.shape === 'labelled') {
      if (block.label === undefined) this.#around.findings.lost(block.place, block.name, 'needs a label');
      else node.at(key).set(block.label, read.node, block.comments, block.place);
      return;
    }
    const list = node.entries.get(key)?.node;
    const items = list?.kind === 'list' ? list.items : [];
    node.set(key, listNode([...items, read.node]));
  }

  /** `TLS12`, as TLS blocks of all components write it, is `1.2` here. */
  #tlsVersions({ node, given }: ReadBlock): void {
    for (const key of ['min_version', 'max_version']) {
      const value = given.get(key);
      if (value === undefined) continue;
      const text = value.value.kind === 'string' ? (fixedValue(value.value.text) ?? '') : '';
      const version = /^TLS1([0-3])$/.exec(text)?.[1];
      if (version === undefined)
        this.#around.findings.lost(
          value.place,
          key,
          `expected TLS10, TLS11, TLS12 or TLS13, got ${JSON.stringify(text)}`,
        );
      else node.set(key, { kind: 'text', text: [`1.${version}`], sample: '1.2' });
    }
  }

  /** Tells of what is missing, and writes defaults that are not those of this collector. */
  #complete(block: Block, spec: BlockSpec, seen: ReadonlySet<string>, node: MappingNode, era: Era): void {
    const { findings } = this.#around;
    const name = block.label === undefined ? block.name : `${block.name}.${block.label}`;
    for (const [optionName, option] of Object.entries(spec.options)) {
      if (seen.has(optionName)) continue;
      if (option.required && isOf(option, era))
        findings.lost(block.place, name, `missing required attribute "${optionName}"`);
      const fallback = defaultOf(option, era);
      if (option.writesDefault && fallback !== undefined)
        node.set(option.key ?? optionName, defaultNode(fallback), [`the default of ${ERA_NAMES[era]}`]);
    }
    for (const [blockName, inner] of Object.entries(spec.blocks ?? {})) {
      if (inner.required && isOf(inner, era) && !seen.has(blockName))
        findings.lost(block.place, name, `missing required block "${blockName}"`);
    }
  }
}

/** Where a misplaced attribute belongs: `url` of pyroscope.write stands in its endpoint. */
function innerHint({ kind, name }: Attribute | Block, blocks: BlockSpec['blocks'] = {}): string | undefined {
  const block = Object.entries(blocks).find(
    ([, { spec }]) => kind === 'attribute' && Object.hasOwn(spec.options, name),
  );
  return block === undefined ? undefined : ` — did you mean ${name} in the block "${block[0]}"?`;
}

const ERA_NAMES: Readonly<Record<Era, string>> = {
  phlare: 'phlare.*',
  agent: 'Grafana Agent',
  alloy: 'Grafana Alloy',
};
