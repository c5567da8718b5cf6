// SPDX-License-Identifier: Apache-2.0
import { Document, isScalar, type Pair, type Scalar, visit, type YAMLMap, type YAMLSeq } from 'yaml';
import { quoteTexts } from '../../config/scalar.ts';
import { configText, fixedValue, joinTexts, type LatePart, variableIn } from '../evaluate/text.ts';
import type { MappingNode, Node } from './node.ts';

/** Environment variables of the host that converts. */
type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration as text, with its comments; `header` stands before everything. */
export function writeYaml(root: MappingNode, header: readonly string[]): string {
  return write(root, header, lateValue);
}

/**
 * The same configuration, line by line, to be checked on this host: what is known only where it will run, and
 * is not set here, has a value of the right kind in its place.
 */
export function writeForCheck(
  root: MappingNode,
  header: readonly string[],
  environment: Environment,
): string {
  return write(root, header, (node) => checkValue(node, environment));
}

function write(root: MappingNode, header: readonly string[], valueOf: ValueOf): string {
  const document = new Document();
  document.contents = toYaml(document, root, valueOf);
  document.commentBefore = comment(header);
  spaceOut(document);
  quoteTexts(document);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

type TextNode = Extract<Node, { kind: 'text' }>;
type ValueOf = (node: TextNode) => unknown;

function lateValue({ text }: TextNode): string {
  const value = configText(text);
  if (value === undefined) throw new TypeError('a text that cannot be written came through');
  return value;
}

function checkValue(node: TextNode, environment: Environment): unknown {
  if (fixedValue(node.text) !== undefined) return lateValue(node);
  const isKnown = (part: LatePart): boolean => part.late === 'env' && variableIn(part, environment) !== '';
  if (node.text.length === 1 && !node.text.every((p) => typeof p === 'string' || isKnown(p)))
    return node.sample;
  const standIn = (index: number): string => (index === 0 ? beginning(node) : '1');
  return lateValue({
    ...node,
    text: joinTexts(
      node.text.map((part, i) => [typeof part === 'string' || isKnown(part) ? part : standIn(i)]),
    ),
  });
}

/** A figure is a host, a port, a part of a path or of a pattern, all alike; but an address begins with its scheme. */
function beginning({ text, sample }: TextNode): string {
  if (typeof sample !== 'string' || !sample.includes('://')) return '1';
  const [, next] = text;
  return typeof next === 'string' && next.startsWith('://') ? 'http' : 'http://1';
}

function toYaml(document: Document, node: Node, valueOf: ValueOf): YAMLMap | YAMLSeq | Scalar {
  if (node.kind === 'plain') return document.createNode(node.value) as Scalar;
  if (node.kind === 'text') {
    const value = valueOf(node);
    return document.createNode(value) as Scalar | YAMLSeq | YAMLMap;
  }
  if (node.kind === 'list') {
    const seq = document.createNode([]) as YAMLSeq;
    seq.items.push(...node.items.map((item) => toYaml(document, item, valueOf)));
    if (node.isInline === true || node.items.length === 0) seq.flow = true;
    return seq;
  }
  const map = document.createNode({}) as YAMLMap;
  for (const [key, { node: inner, comments }] of node.entries) {
    const pair = document.createPair(key, null) as Pair<Scalar>;
    // A component without options is `debug:`, not `debug: {}`.
    pair.value =
      inner.kind === 'mapping' && inner.entries.size === 0
        ? document.createNode(null)
        : toYaml(document, inner, valueOf);
    if (comments.length > 0) pair.key.commentBefore = comment(comments) ?? null;
    map.items.push(pair);
  }
  return map;
}

/** Control characters would end a comment, or do things to the terminal that shows it. */
const comment = (lines: readonly string[]): string =>
  lines.map((line) => ` ${line.replaceAll(/[\p{Cc}\u2028\u2029\uFEFF]/gu, ' ').trimEnd()}`).join('\n');

/** An empty line before each section, and `null` written as nothing. */
function spaceOut(document: Document): void {
  visit(document, {
    Pair: (_, pair, path) => {
      if (path.length === 2 && isScalar(pair.key) && pair.key.value !== 'receivers')
        pair.key.spaceBefore = true;
    },
    Scalar: (key, scalar) => {
      if (key === 'value' && scalar.value === null) scalar.source = '';
    },
  });
}
