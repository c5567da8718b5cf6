// SPDX-License-Identifier: Apache-2.0

type Child = Node | string;

/** The element that the page's markup promises under this id. Throws where it is absent or another kind. */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`page has no ${kind.name} "${id}"`);
  return found;
}

/** An element with attributes and children; texts are set as text, never as markup. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button that runs `press`. */
export function button(
  attributes: Readonly<Record<string, string>>,
  press: () => void,
  ...children: Child[]
): HTMLButtonElement {
  const made = el('button', { type: 'button', ...attributes }, ...children);
  made.addEventListener('click', press);
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A square of one colour. */
export function swatch(color: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 1 1');
  svg.setAttribute('aria-hidden', 'true');
  const rect = document.createElementNS(SVG, 'rect');
  rect.setAttribute('width', '1');
  rect.setAttribute('height', '1');
  rect.setAttribute('fill', color);
  svg.append(rect);
  return svg;
}

/** Buttons of which one is pressed. */
export class Segmented<T extends string> {
  readonly #buttons = new Map<T, HTMLButtonElement>();

  constructor(
    host: HTMLElement,
    options: readonly (readonly [value: T, label: string])[],
    choose: (value: T) => void,
  ) {
    for (const [value, label] of options) {
      const made = button({ 'aria-pressed': 'false', 'data-value': value }, () => choose(value), label);
      this.#buttons.set(value, made);
      host.append(made);
    }
  }

  show(pressed: T | undefined): void {
    for (const [value, made] of this.#buttons) made.setAttribute('aria-pressed', String(value === pressed));
  }
}

/** Fits the bitmap of a canvas to its box and the screen's density; returns a context in CSS pixels. */
export function fitCanvas(
  canvas: HTMLCanvasElement,
  widthPx: number,
  heightPx: number,
): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(widthPx * ratio));
  const height = Math.max(1, Math.round(heightPx * ratio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gives no canvas');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

export function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
