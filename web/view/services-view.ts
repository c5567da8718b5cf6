// SPDX-License-Identifier: Apache-2.0
import { formatPercent } from '../model/format.ts';
import type { ServiceEntry, Share } from '../model/wire.ts';
import { button, el } from './dom.ts';

export interface ServicesScene {
  readonly services: readonly ServiceEntry[];
  /** Type whose weight is compared. */
  readonly type: string;
  readonly service: string | undefined;
  readonly process: string | undefined;
}

/** The list of services with their share; the chosen one opens to its processes. */
export class ServicesView {
  readonly #list: HTMLElement;
  readonly #filter: HTMLInputElement;
  readonly #choose: (service: string | undefined, process: string | undefined) => void;
  #scene: ServicesScene | undefined;

  constructor(
    list: HTMLElement,
    filter: HTMLInputElement,
    choose: (service: string | undefined, process: string | undefined) => void,
  ) {
    this.#list = list;
    this.#filter = filter;
    this.#choose = choose;
    filter.addEventListener('input', () => this.#render());
  }

  show(scene: ServicesScene): void {
    this.#scene = scene;
    this.#render();
  }

  #render(): void {
    const scene = this.#scene;
    if (scene === undefined) return;
    const needle = this.#filter.value.trim().toLowerCase();
    const weightOf = (types: readonly Share[]): number =>
      types.find(([type]) => type === scene.type)?.[1] ?? 0;
    const whole = scene.services.reduce((sum, entry) => sum + weightOf(entry.types), 0);
    const entries = scene.services
      .map((entry) => ({ entry, weight: weightOf(entry.types) }))
      .filter(
        ({ entry }) =>
          needle === '' || entry.service.toLowerCase().includes(needle) || entry.service === scene.service,
      )
      .sort((a, b) => b.weight - a.weight || (a.entry.service < b.entry.service ? -1 : 1));
    const items = entries.map(({ entry, weight }) => {
      const isOpen = entry.service === scene.service;
      const item = el(
        'li',
        {},
        this.#entry(entry.service, weight, whole, isOpen && scene.process === undefined, () =>
          this.#choose(entry.service, undefined),
        ),
      );
      if (isOpen && (entry.processes.length > 1 || scene.process !== undefined)) {
        const rows = entry.processes.map(({ process, types }) =>
          el(
            'li',
            {},
            this.#entry(process, weightOf(types), whole, process === scene.process, () =>
              this.#choose(entry.service, process),
            ),
          ),
        );
        item.append(el('ul', { 'aria-label': `Processes of ${entry.service}` }, ...rows));
      }
      return item;
    });
    if (scene.services.length > 0) {
      items.unshift(
        el(
          'li',
          {},
          this.#entry('All services', whole, whole, scene.service === undefined, () =>
            this.#choose(undefined, undefined),
          ),
        ),
      );
      if (entries.length === 0) items.push(el('li', { class: 'none' }, 'No service matches'));
    } else items.push(el('li', { class: 'none' }, 'No service has sent profiles yet'));
    this.#replace(items);
  }

  #replace(items: HTMLElement[]): void {
    const held = document.activeElement;
    const label = held instanceof HTMLElement && this.#list.contains(held) ? held.dataset['name'] : undefined;
    const top = this.#list.scrollTop;
    this.#list.replaceChildren(...items);
    this.#list.scrollTop = top;
    if (label === undefined) return;
    [...this.#list.querySelectorAll('button')]
      .find((b) => b.dataset['name'] === label)
      ?.focus({ preventScroll: true });
  }

  #entry(name: string, weight: number, whole: number, isCurrent: boolean, press: () => void): HTMLElement {
    const bar = el('i');
    bar.style.width = `${whole === 0 ? 0 : (100 * weight) / whole}%`;
    return button(
      { 'aria-current': String(isCurrent), title: name, 'data-name': name },
      press,
      el('span', {}, name),
      el('span', {}, weight === 0 ? '–' : formatPercent(weight, whole)),
      el('div', { class: 'share' }, bar),
    );
  }
}
