// SPDX-License-Identifier: Apache-2.0
import type { FlameTree } from '../model/flame-tree.ts';
import { formatPercent, formatWeight } from '../model/format.ts';
import { type ColorBy, fillOf, type Theme } from '../model/palette.ts';
import { type SortKey, sortRows, topFunctions, type TopRow } from '../model/top-table.ts';
import { button, el, swatch } from './dom.ts';

const PAGE_ROWS = 100;
const COLUMNS: readonly (readonly [SortKey, string])[] = [
  ['name', 'Function'],
  ['self', 'Self'],
  ['total', 'Total'],
];

export interface TableScene {
  readonly tree: FlameTree;
  readonly zoom: number;
  readonly matched: Uint8Array | undefined;
  readonly colorBy: ColorBy;
  readonly theme: Theme;
  /** Name of the function that is highlighted everywhere. */
  readonly chosen: string | undefined;
}

/** The functions of what is shown, heaviest first. */
export class TableView {
  readonly #body = el('tbody');
  readonly #footer = el('footer');
  readonly #heads = new Map<SortKey, HTMLElement>();
  readonly #choose: (name: string | undefined) => void;
  #sort: SortKey = 'self';
  #ascending = false;
  #limit = PAGE_ROWS;
  #scene: TableScene | undefined;

  constructor(host: HTMLElement, choose: (name: string | undefined) => void) {
    this.#choose = choose;
    const heads = COLUMNS.map(([key, label]) => {
      const head = el(
        'th',
        { scope: 'col', class: key === 'name' ? '' : 'num' },
        button({}, () => this.#sortBy(key), label),
      );
      this.#heads.set(key, head);
      return head;
    });
    host.append(
      el(
        'div',
        { class: 'table' },
        el('table', {}, el('thead', {}, el('tr', {}, ...heads)), this.#body),
        this.#footer,
      ),
    );
  }

  show(scene: TableScene): void {
    this.#scene = scene;
    this.#render();
  }

  #sortBy(key: SortKey): void {
    this.#ascending = this.#sort === key ? !this.#ascending : key === 'name';
    this.#sort = key;
    this.#render();
  }

  #render(): void {
    const scene = this.#scene;
    if (scene === undefined) return;
    for (const [key, head] of this.#heads) {
      if (key === this.#sort) head.setAttribute('aria-sort', this.#ascending ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    }
    const all = topFunctions(scene.tree, scene.zoom);
    const filtered =
      scene.matched === undefined ? all : all.filter((row) => scene.matched?.[row.frame] === 1);
    const rows = sortRows(scene.tree, filtered, this.#sort, this.#ascending);
    const focused = this.#body.contains(document.activeElement)
      ? document.activeElement?.textContent
      : undefined;
    this.#body.replaceChildren(...rows.slice(0, this.#limit).map((row) => this.#row(scene, row)));
    if (focused !== undefined) {
      [...this.#body.querySelectorAll('button')]
        .find((b) => b.textContent === focused)
        ?.focus({ preventScroll: true });
    }
    const shown = rows.length > this.#limit ? `${this.#limit} of ` : '';
    const count = `${shown}${rows.length.toLocaleString('en')} ${rows.length === 1 ? 'function' : 'functions'}`;
    this.#footer.replaceChildren(el('span', {}, rows.length === 0 ? 'No function matches' : count));
    if (rows.length > this.#limit) {
      const more = button(
        { class: 'link' },
        () => this.#more(),
        `Show ${Math.min(PAGE_ROWS * 5, rows.length - this.#limit)} more`,
      );
      this.#footer.append(more);
    }
  }

  #more(): void {
    this.#limit += PAGE_ROWS * 5;
    this.#render();
  }

  #row(scene: TableScene, row: TopRow): HTMLElement {
    const frame = scene.tree.frames[row.frame];
    if (frame === undefined) return el('tr');
    const isChosen = frame.name === scene.chosen;
    const place =
      frame.file === ''
        ? frame.binary
        : `${frame.file.slice(frame.file.lastIndexOf('/') + 1)}${frame.line > 0 ? `:${frame.line}` : ''}`;
    const label = button(
      { class: 'fn', title: frame.name, 'aria-pressed': String(isChosen) },
      () => undefined,
      swatch(fillOf(frame, scene.colorBy, scene.theme)),
      el('span', {}, frame.name),
      el('small', {}, place),
    );
    const made = el(
      'tr',
      { class: isChosen ? 'chosen' : '' },
      el('td', {}, label),
      this.#number(scene, row.self),
      this.#number(scene, row.total),
    );
    made.addEventListener('click', () => this.#choose(isChosen ? undefined : frame.name));
    return made;
  }

  #number(scene: TableScene, weight: number): HTMLElement {
    const whole = scene.tree.total[scene.zoom] ?? 0;
    const bar = el('i');
    bar.style.setProperty('--share', String(whole === 0 ? 0 : weight / whole));
    return el(
      'td',
      { class: 'num' },
      ...(weight === 0
        ? ['–', ' ', el('em')]
        : [formatWeight(weight, scene.tree.type), ' ', el('em', {}, formatPercent(weight, whole))]),
      bar,
    );
  }
}
