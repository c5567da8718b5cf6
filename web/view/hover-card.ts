// SPDX-License-Identifier: Apache-2.0
import type { FlameTree } from '../model/flame-tree.ts';
import { FOLDED_FRAME } from '../model/flame-tree.ts';
import { formatPercent, formatWeight } from '../model/format.ts';
import { familyOf } from '../model/palette.ts';
import { el } from './dom.ts';

const GAP_PX = 14;

/** What is known of a frame, beside the pointer. */
export class HoverCard {
  readonly #card: HTMLElement;

  constructor(card: HTMLElement) {
    this.#card = card;
  }

  hide(): void {
    this.#card.hidden = true;
  }

  show(tree: FlameTree, node: number, zoom: number, x: number, y: number): void {
    this.#card.replaceChildren(...describe(tree, node, zoom));
    this.#card.hidden = false;
    const { width, height } = this.#card.getBoundingClientRect();
    const left = x + GAP_PX + width > window.innerWidth ? x - GAP_PX - width : x + GAP_PX;
    const top = y + GAP_PX + height > window.innerHeight ? y - GAP_PX - height : y + GAP_PX;
    this.#card.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
  }
}

function describe(tree: FlameTree, node: number, zoom: number): HTMLElement[] {
  const frame = tree.infoOf(node);
  const all = tree.total[0] ?? 0;
  const row = (name: string, weight: number, whole: number, of: string): HTMLElement[] => [
    el('dt', {}, name),
    el('dd', {}, formatWeight(weight, tree.type)),
    el('dd', {}, `${formatPercent(weight, whole)}${of}`),
  ];
  const total = tree.total[node] ?? 0;
  const rows = [...row('Total', total, all, ''), ...row('Self', tree.self[node] ?? 0, all, '')];
  if (zoom > 0) rows.push(...row('In zoom', total, tree.total[zoom] ?? 0, ''));
  const parts = [el('strong', {}, frame.name), el('dl', {}, ...rows)];
  if (tree.frame[node] === FOLDED_FRAME) parts.push(el('p', {}, 'Stacks too small to be sent one by one'));
  const place = frame.file === '' ? '' : `${frame.file}${frame.line > 0 ? `:${frame.line}` : ''}`;
  const kind = node === 0 ? '' : familyOf(frame, 'language').label;
  const where = [place, frame.binary, kind].filter((text) => text !== '');
  if (node > 0 && where.length > 0 && tree.frame[node] !== FOLDED_FRAME) {
    const [first = '', ...rest] = where;
    parts.push(el('p', {}, el('b', {}, first), rest.length > 0 ? ` · ${rest.join(' · ')}` : ''));
  }
  return parts;
}
