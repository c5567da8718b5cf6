// SPDX-License-Identifier: Apache-2.0
import type { FlameTree } from '../model/flame-tree.ts';
import { FOLDED_FRAME } from '../model/flame-tree.ts';
import { type Direction, layout, neighbour, newRects, nodeAt, type Rects } from '../model/layout.ts';
import { type ColorBy, fillOf, type Theme } from '../model/palette.ts';
import { cssColor, fitCanvas } from './dom.ts';

const ROW_PX = 20;
const PAD_PX = 5;
const FONT =
  '12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif';
const ZOOM_MS = 180;
const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  ArrowLeft: 'left',
  ArrowRight: 'right',
};

/** What the graph shows, beside where it is scrolled to. */
export interface FlameScene {
  readonly tree: FlameTree;
  readonly zoom: number;
  /** 1 for each frame row that stays coloured, or undefined where nothing is searched. */
  readonly matched: Uint8Array | undefined;
  readonly colorBy: ColorBy;
  readonly theme: Theme;
}

export interface FlameEvents {
  zoomTo(node: number): void;
  select(node: number): void;
  /** The pointer is over a node, or over none (-1). */
  hover(node: number, x: number, y: number): void;
}

/** The icicle: root on top, drawn on one canvas as large as the visible part. */
export class FlameView {
  readonly #host: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #spacer: HTMLElement;
  readonly #events: FlameEvents;
  #scene: FlameScene | undefined;
  #rects: Rects = newRects(0);
  #selected = -1;
  #hovered = -1;
  #from = { origin: 0, span: 1 };
  #shown = { origin: 0, span: 1 };
  #animationStart = 0;
  #frameRequest = 0;
  readonly #fills = new Map<number, string>();
  readonly #widths = new Map<string, number>();

  constructor(host: HTMLElement, events: FlameEvents) {
    this.#host = host;
    this.#events = events;
    const canvas = host.querySelector('canvas');
    const spacer = host.querySelector<HTMLElement>('.spacer');
    if (canvas === null || spacer === null) throw new Error('page has no flame graph canvas');
    this.#canvas = canvas;
    this.#spacer = spacer;
    this.#listen();
    new ResizeObserver(() => this.#request()).observe(host);
  }

  get selected(): number {
    return this.#selected;
  }

  focus(): void {
    this.#canvas.focus({ preventScroll: true });
  }

  /** Draws a scene. A change of zoom within the same tree moves there; new data appears at once. */
  show(scene: FlameScene): void {
    const before = this.#scene;
    const sameTree = before?.tree === scene.tree;
    this.#scene = scene;
    if (!sameTree) {
      this.#selected =
        before === undefined || this.#selected < 0 ? -1 : reselect(before.tree, scene.tree, this.#selected);
      this.#hovered = -1;
      this.#rects = newRects(scene.tree.length);
    }
    if (!sameTree || before.colorBy !== scene.colorBy || before.theme !== scene.theme) this.#fills.clear();
    const rows = scene.tree.maxDepth + 1;
    this.#spacer.style.height = `${rows * ROW_PX}px`;
    this.#host.style.height = `${Math.max(150, Math.min(rows * ROW_PX + 2, Math.round(window.innerHeight * 0.6)))}px`;
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    const moves = sameTree && before.zoom !== scene.zoom && !calm;
    this.#from = { ...this.#shown };
    this.#animationStart = moves ? performance.now() : 0;
    this.#request();
  }

  #request(): void {
    if (this.#frameRequest === 0) this.#frameRequest = requestAnimationFrame((now) => this.#draw(now));
  }

  #viewAt(scene: FlameScene, now: number): void {
    const target = { origin: scene.tree.start[scene.zoom] ?? 0, span: scene.tree.total[scene.zoom] ?? 1 };
    const progress = this.#animationStart === 0 ? 1 : Math.min(1, (now - this.#animationStart) / ZOOM_MS);
    const eased = 1 - (1 - progress) ** 3;
    this.#shown = {
      origin: this.#from.origin + (target.origin - this.#from.origin) * eased,
      span: this.#from.span + (target.span - this.#from.span) * eased,
    };
    if (progress < 1) this.#request();
    else this.#animationStart = 0;
  }

  #draw(now: number): void {
    this.#frameRequest = 0;
    const scene = this.#scene;
    if (scene === undefined) return;
    this.#viewAt(scene, now);
    const width = this.#host.clientWidth;
    const height = this.#host.clientHeight;
    const context = fitCanvas(this.#canvas, width, height);
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    const top = this.#host.scrollTop;
    const firstRow = Math.floor(top / ROW_PX);
    const lastRow = Math.ceil((top + height) / ROW_PX);
    layout(scene.tree, { ...this.#shown, widthPx: width, firstRow, lastRow }, this.#rects);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    context.textBaseline = 'middle';
    this.#paint(context, scene, top);
    this.#outline(context, top);
  }

  #paint(context: CanvasRenderingContext2D, scene: FlameScene, top: number): void {
    const { tree, matched, theme } = scene;
    const dim = theme === 'light' ? '#eeeeeb' : '#24282d';
    const text = theme === 'light' ? '#1b1f24' : '#eef0f2';
    const faint = theme === 'light' ? '#8b919a' : '#737b86';
    const zoomDepth = tree.depth[scene.zoom] as number;
    for (let i = 0; i < this.#rects.length; i++) {
      const node = this.#rects.node[i] as number;
      const row = this.#rects.row[i] as number;
      const x = this.#rects.x[i] as number;
      const width = this.#rects.width[i] as number;
      const y = row * ROW_PX - top;
      const isDim = matched !== undefined && matched[tree.frame[node] as number] !== 1;
      context.globalAlpha = row < zoomDepth ? 0.55 : 1;
      context.fillStyle = isDim ? dim : this.#fill(scene, tree.frame[node] as number);
      // The gap between neighbours closes where frames are only a few pixels wide.
      context.fillRect(x, y, width > 3 ? width - 1 : Math.max(width, 0.5), ROW_PX - 1);
      if (width < 28) continue;
      context.fillStyle = isDim ? faint : text;
      const label = this.#clip(context, tree.infoOf(node).name, width - 2 * PAD_PX);
      if (label !== '') context.fillText(label, x + PAD_PX, y + ROW_PX / 2);
    }
    context.globalAlpha = 1;
  }

  #fill(scene: FlameScene, frame: number): string {
    let fill = this.#fills.get(frame);
    if (fill !== undefined) return fill;
    const info = scene.tree.frames[frame];
    if (info === undefined || frame <= FOLDED_FRAME) fill = scene.theme === 'light' ? '#e1e2e0' : '#363b42';
    else fill = fillOf(info, scene.colorBy, scene.theme);
    this.#fills.set(frame, fill);
    return fill;
  }

  #clip(context: CanvasRenderingContext2D, name: string, room: number): string {
    let width = this.#widths.get(name);
    if (width === undefined) {
      if (this.#widths.size > 20_000) this.#widths.clear();
      width = context.measureText(name).width;
      this.#widths.set(name, width);
    }
    if (width <= room) return name;
    const keep = Math.floor((name.length * (room - 8)) / width);
    return keep < 2 ? '' : `${name.slice(0, keep)}…`;
  }

  #outline(context: CanvasRenderingContext2D, top: number): void {
    const around = (node: number, color: string, line: number): void => {
      for (let i = 0; i < this.#rects.length; i++) {
        if (this.#rects.node[i] !== node) continue;
        context.strokeStyle = color;
        context.lineWidth = line;
        const width = Math.max(1, (this.#rects.width[i] as number) - 1 - line);
        context.strokeRect(
          (this.#rects.x[i] as number) + line / 2,
          (this.#rects.row[i] as number) * ROW_PX - top + line / 2,
          width,
          ROW_PX - 1 - line,
        );
      }
    };
    if (this.#hovered >= 0) around(this.#hovered, cssColor('--muted'), 1);
    if (this.#selected >= 0) around(this.#selected, cssColor('--accent'), 2);
  }

  #nodeUnder(event: MouseEvent): number {
    const box = this.#canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top + this.#host.scrollTop) / ROW_PX);
    return nodeAt(this.#rects, row, event.clientX - box.left);
  }

  #listen(): void {
    this.#host.addEventListener('scroll', () => this.#request(), { passive: true });
    this.#canvas.addEventListener('pointermove', (event) => {
      const node = this.#nodeUnder(event);
      if (node !== this.#hovered) {
        this.#hovered = node;
        this.#request();
      }
      this.#canvas.style.cursor = node < 0 ? 'default' : 'pointer';
      if (event.pointerType !== 'touch') this.#events.hover(node, event.clientX, event.clientY);
    });
    this.#canvas.addEventListener('pointerleave', () => {
      this.#hovered = -1;
      this.#events.hover(-1, 0, 0);
      this.#request();
    });
    this.#canvas.addEventListener('click', (event) => {
      const node = this.#nodeUnder(event);
      if (node < 0) return;
      this.#select(node);
      this.#events.zoomTo(node);
    });
    this.#canvas.addEventListener('keydown', (event) => this.#key(event));
  }

  #key(event: KeyboardEvent): void {
    const scene = this.#scene;
    if (scene === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = ARROWS[event.key];
    if (direction !== undefined) {
      event.preventDefault();
      const from =
        this.#selected < 0 ? scene.zoom : neighbour(scene.tree, this.#selected, direction, scene.zoom);
      this.#select(from);
      this.#reveal(from);
    } else if (event.key === 'Enter' && this.#selected >= 0) {
      event.preventDefault();
      this.#events.zoomTo(this.#selected);
    }
  }

  #select(node: number): void {
    this.#selected = node;
    this.#events.select(node);
    this.#request();
  }

  #reveal(node: number): void {
    const y = (this.#scene?.tree.depth[node] ?? 0) * ROW_PX;
    const { scrollTop, clientHeight } = this.#host;
    if (y < scrollTop) this.#host.scrollTop = y;
    else if (y + ROW_PX > scrollTop + clientHeight) this.#host.scrollTop = y + ROW_PX - clientHeight;
  }
}

/** The same stack in newer data, or none. */
function reselect(before: FlameTree, after: FlameTree, node: number): number {
  const path = before.path(node);
  const found = after.find(path);
  return after.depth[found] === path.length ? found : -1;
}
