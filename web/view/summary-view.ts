// SPDX-License-Identifier: Apache-2.0
import type { EmptyReason } from '../model/empty.ts';
import { FOLDED_FRAME, type FlameTree } from '../model/flame-tree.ts';
import {
  formatBytes,
  formatCores,
  formatPercent,
  formatSpan,
  formatWeight,
  typeTitle,
} from '../model/format.ts';
import { type ColorBy, type Family, familyColor, familyOf, type Theme } from '../model/palette.ts';
import type { SearchResult, SearchTerm } from '../model/search.ts';
import { type PageState, shownSpanMs } from '../model/url-state.ts';
import type { FlameDocument, Share, StatusDocument } from '../model/wire.ts';
import { button, byId, el, swatch } from './dom.ts';

const MAX_LEGEND = 6;

/** The texts around the graph: title, totals, legend, breadcrumb, notices, and what stands there when nothing does. */
export class SummaryView {
  readonly #title = byId('title', HTMLElement);
  readonly #total = byId('total', HTMLElement);
  readonly #legend = byId('legend', HTMLElement);
  readonly #breadcrumb = byId('breadcrumb', HTMLElement);
  readonly #selected = byId('selected', HTMLElement);
  readonly #share = byId('search-share', HTMLElement);
  readonly #notices = byId('notices', HTMLElement);
  readonly #held = byId('held', HTMLElement);
  readonly #empty = byId('empty', HTMLElement);

  title(state: PageState): void {
    const process = state.process === undefined ? '' : state.process;
    this.#title.replaceChildren(
      state.service ?? 'All services',
      ...(process === '' ? [] : [el('small', {}, process)]),
    );
    document.title = `${state.service ?? 'All services'} · Profiles`;
  }

  total(flame: FlameDocument, state: PageState, status: StatusDocument): void {
    const spanMs = shownSpanMs(state.range, status);
    const cores = formatCores(flame.total, flame.type, spanMs);
    const parts = [typeTitle(flame.type), ...(cores === undefined ? [] : [cores]), formatSpan(spanMs)];
    if (flame.folded.nodes > 0) {
      parts.push(
        `${flame.folded.nodes.toLocaleString('en')} small frames folded (${formatPercent(flame.folded.weight, flame.total)})`,
      );
    }
    this.#total.replaceChildren(
      el('b', {}, formatWeight(flame.total, flame.type)),
      el('span', { class: 'muted' }, `  ${parts.join(' · ')}`),
    );
  }

  held(status: StatusDocument): void {
    const { events, bytes, maxBytes } = status.held;
    const lost = status.evictedSlices > 0 ? ' · oldest dropped for memory' : '';
    this.#held.textContent =
      events === 0
        ? ''
        : `${events.toLocaleString('en')} samples · ${formatBytes(bytes)} of ${formatBytes(maxBytes)}${lost}`;
  }

  legend(tree: FlameTree, by: ColorBy, theme: Theme): void {
    const weights = new Map<string, { family: Family; weight: number }>();
    for (let node = 1; node < tree.length; node++) {
      if ((tree.frame[node] as number) <= FOLDED_FRAME) continue;
      const family = familyOf(tree.infoOf(node), by);
      const entry = weights.get(family.key);
      if (entry === undefined) weights.set(family.key, { family, weight: tree.self[node] as number });
      else entry.weight += tree.self[node] as number;
    }
    const sorted = [...weights.values()].sort((a, b) => b.weight - a.weight);
    const items = sorted
      .slice(0, MAX_LEGEND)
      .map(({ family }) => el('li', {}, swatch(familyColor(family, theme)), family.label));
    if (sorted.length > MAX_LEGEND) items.push(el('li', {}, `+${sorted.length - MAX_LEGEND}`));
    this.#legend.replaceChildren(...items);
  }

  breadcrumb(tree: FlameTree, zoom: number, zoomTo: (node: number) => void): void {
    const nodes: number[] = [];
    for (let node = zoom; node > 0; node = tree.parent[node] as number) nodes.push(node);
    nodes.reverse();
    const shown = nodes.length > 5 ? [...nodes.slice(0, 1), -1, ...nodes.slice(-3)] : nodes;
    const items = shown.map((node, i) => {
      if (node < 0) return el('li', {}, '…');
      const { name } = tree.infoOf(node);
      if (i === shown.length - 1) return el('li', { 'aria-current': 'location', title: name }, name);
      return el(
        'li',
        {},
        button({ title: name }, () => zoomTo(node), name),
      );
    });
    items.unshift(
      items.length === 0
        ? el('li', { class: 'muted' }, 'Click a frame to zoom in')
        : el(
            'li',
            {},
            button({}, () => zoomTo(0), 'all'),
          ),
    );
    this.#breadcrumb.replaceChildren(...items);
  }

  selected(tree: FlameTree, node: number): void {
    if (node < 0 || node >= tree.length) {
      this.#selected.replaceChildren();
      return;
    }
    const all = tree.total[0] ?? 0;
    const [total, self] = [tree.total[node] ?? 0, tree.self[node] ?? 0];
    const text = `total ${formatWeight(total, tree.type)} (${formatPercent(total, all)}), self ${formatWeight(self, tree.type)} (${formatPercent(self, all)})`;
    this.#selected.replaceChildren(el('b', {}, tree.infoOf(node).name), ` — ${text}`);
  }

  search(term: SearchTerm, result: SearchResult | undefined, tree: FlameTree): void {
    this.#share.classList.toggle('error', term.kind === 'error');
    if (term.kind === 'error') this.#share.textContent = `Search: ${term.message}`;
    else if (result === undefined) this.#share.textContent = '';
    else {
      const functions = `${result.count} ${result.count === 1 ? 'function' : 'functions'}`;
      this.#share.textContent = `Matched ${formatPercent(result.weight, tree.total[0] ?? 0)} · ${functions}`;
    }
  }

  notices(status: StatusDocument, isEmpty: boolean): void {
    const items = isEmpty
      ? []
      : status.notices.map(({ key, text }) => el('div', {}, el('b', {}, key), ` ${text}`));
    this.#notices.replaceChildren(...items);
  }

  empty(
    reason: EmptyReason | undefined,
    status: StatusDocument,
    act: (action: NonNullable<EmptyReason['action']>) => void,
  ): void {
    this.#empty.hidden = reason === undefined;
    if (reason === undefined) return;
    const parts: HTMLElement[] = [el('h2', {}, reason.title), el('p', {}, reason.detail)];
    if (status.notices.length > 0) {
      parts.push(
        el('ul', {}, ...status.notices.map(({ key, text }) => el('li', {}, el('b', {}, key), text))),
      );
    }
    const { action } = reason;
    if (action !== undefined) {
      const label =
        action === 'show-all-time' ? `Show all ${formatSpan(status.retentionMs)}` : 'Show all services';
      parts.push(button({ class: 'button' }, () => act(action), label));
    }
    this.#empty.replaceChildren(...parts);
  }
}

/** Fills a select with an "all" entry and shares; keeps a chosen value that has no weight now. */
export function fillShares(
  select: HTMLSelectElement,
  all: string | undefined,
  shares: readonly Share[],
  chosen: string | undefined,
  label: (name: string) => string,
): void {
  const options = shares.map(([name]) => ({ value: `=${name}`, text: label(name) }));
  if (chosen !== undefined && !shares.some(([name]) => name === chosen))
    options.push({ value: `=${chosen}`, text: label(chosen) });
  if (all !== undefined) options.unshift({ value: '', text: all });
  const wanted = JSON.stringify(options);
  if (select.dataset['options'] !== wanted) {
    select.dataset['options'] = wanted;
    select.replaceChildren(...options.map(({ value, text }) => el('option', { value }, text)));
  }
  select.value = chosen === undefined ? '' : `=${chosen}`;
}

/** What was chosen in such a select; undefined = all. */
export function chosenShare(select: HTMLSelectElement): string | undefined {
  return select.value === '' ? undefined : select.value.slice(1);
}
