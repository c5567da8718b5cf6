// SPDX-License-Identifier: Apache-2.0
import { groupBars, tickMs } from '../model/bars.ts';
import { formatClock, formatCores, formatWeight } from '../model/format.ts';
import type { Range } from '../model/url-state.ts';
import type { TimelineDocument } from '../model/wire.ts';
import { cssColor, fitCanvas } from './dom.ts';

const HEIGHT_PX = 84;
const AXIS_PX = 18;
/** Room for the caption, which must not hide a bar. */
const CAPTION_PX = 18;
const MIN_BAR_PX = 4;
const MIN_DRAG_PX = 4;

/** Bars of weight over the whole ring; dragging over them chooses a range. */
export class TimelineView {
  readonly #canvas: HTMLCanvasElement;
  readonly #note: HTMLElement;
  readonly #choose: (range: Range) => void;
  #doc: TimelineDocument | undefined;
  #range: Range = { kind: 'all' };
  #drag: { fromX: number; toX: number } | undefined;
  #hoverX = -1;

  constructor(canvas: HTMLCanvasElement, note: HTMLElement, choose: (range: Range) => void) {
    this.#canvas = canvas;
    this.#note = note;
    this.#choose = choose;
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** A range is being dragged: new data should wait. */
  get isBusy(): boolean {
    return this.#drag !== undefined;
  }

  show(doc: TimelineDocument, range: Range): void {
    this.#doc = doc;
    this.#range = range;
    this.draw();
  }

  draw(): void {
    const doc = this.#doc;
    if (doc === undefined) return;
    const width = this.#canvas.clientWidth;
    const context = fitCanvas(this.#canvas, width, HEIGHT_PX);
    context.clearRect(0, 0, width, HEIGHT_PX);
    const [fromX, untilX] = this.#selectionX(doc, width);
    this.#drawBars(context, doc, width, fromX, untilX);
    this.#drawAxis(context, doc, width);
    context.fillStyle = cssColor('--accent');
    if (this.#range.kind !== 'all' || this.#drag !== undefined) {
      context.globalAlpha = 0.09;
      context.fillRect(fromX, CAPTION_PX - 4, untilX - fromX, HEIGHT_PX - AXIS_PX - CAPTION_PX + 4);
      context.globalAlpha = 1;
      context.fillRect(fromX, CAPTION_PX - 4, 1, HEIGHT_PX - AXIS_PX - CAPTION_PX + 4);
      context.fillRect(untilX - 1, CAPTION_PX - 4, 1, HEIGHT_PX - AXIS_PX - CAPTION_PX + 4);
    }
  }

  #drawBars(
    context: CanvasRenderingContext2D,
    doc: TimelineDocument,
    width: number,
    fromX: number,
    untilX: number,
  ): void {
    const bars = groupBars(doc, width, MIN_BAR_PX);
    const slicePx = width / doc.weights.length;
    const phase = Math.round(doc.fromMs / doc.stepMs) % bars.group;
    const room = HEIGHT_PX - AXIS_PX - CAPTION_PX;
    const [on, off] = [cssColor('--accent'), cssColor('--bar')];
    let note = '';
    bars.weights.forEach((weight, i) => {
      const left = (i * bars.group - phase) * slicePx;
      const barPx = bars.group * slicePx;
      if (this.#hoverX >= 0 && this.#hoverX >= left && this.#hoverX < left + barPx) {
        note = `${formatClock(doc.fromMs + (i * bars.group - phase) * doc.stepMs)}  ${this.#amount(weight, doc, bars.group)}`;
      }
      if (weight <= 0) return;
      const height = Math.max(1.5, (weight / bars.max) * room);
      const middle = left + barPx / 2;
      context.fillStyle = middle >= fromX && middle <= untilX ? on : off;
      context.globalAlpha = context.fillStyle === off ? 1 : 0.72;
      context.fillRect(left, HEIGHT_PX - AXIS_PX - height, Math.max(1, barPx - 1), height);
    });
    context.globalAlpha = 1;
    context.fillStyle = cssColor('--line');
    context.fillRect(0, HEIGHT_PX - AXIS_PX, width, 1);
    this.#note.textContent = note || (bars.max > 0 ? `peak ${this.#amount(bars.max, doc, bars.group)}` : '');
  }

  #amount(weight: number, doc: TimelineDocument, group: number): string {
    return formatCores(weight, doc.type, group * doc.stepMs) ?? formatWeight(weight, doc.type);
  }

  #drawAxis(context: CanvasRenderingContext2D, doc: TimelineDocument, width: number): void {
    const span = doc.weights.length * doc.stepMs;
    const step = tickMs(span, width, 84);
    context.fillStyle = cssColor('--muted');
    context.font = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
    context.textBaseline = 'alphabetic';
    context.textAlign = 'center';
    for (let time = Math.ceil(doc.fromMs / step) * step; time < doc.fromMs + span; time += step) {
      const x = ((time - doc.fromMs) / span) * width;
      if (x < 26 || x > width - 26) continue;
      context.fillRect(Math.round(x), HEIGHT_PX - AXIS_PX, 1, 4);
      context.fillText(step < 60_000 ? formatClock(time) : formatClock(time).slice(0, 5), x, HEIGHT_PX - 3);
    }
    context.textAlign = 'left';
  }

  #selectionX(doc: TimelineDocument, width: number): [number, number] {
    if (this.#drag !== undefined) {
      const { fromX, toX } = this.#drag;
      return [Math.max(0, Math.min(fromX, toX)), Math.min(width, Math.max(fromX, toX))];
    }
    const span = doc.weights.length * doc.stepMs;
    const x = (time: number): number => Math.max(0, Math.min(width, ((time - doc.fromMs) / span) * width));
    if (this.#range.kind === 'last') return [x(doc.fromMs + span - this.#range.ms), width];
    return this.#range.kind === 'fixed' ? [x(this.#range.fromMs), x(this.#range.untilMs)] : [0, width];
  }

  #listen(): void {
    const canvas = this.#canvas;
    const xOf = (event: PointerEvent): number => event.clientX - canvas.getBoundingClientRect().left;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#drag = { fromX: xOf(event), toX: xOf(event) };
    });
    canvas.addEventListener('pointermove', (event) => {
      this.#hoverX = xOf(event);
      if (this.#drag !== undefined) this.#drag.toX = xOf(event);
      this.draw();
    });
    canvas.addEventListener('pointerleave', () => {
      this.#hoverX = -1;
      this.draw();
    });
    canvas.addEventListener('pointercancel', () => {
      this.#drag = undefined;
      this.draw();
    });
    canvas.addEventListener('pointerup', () => this.#release());
  }

  #release(): void {
    const [doc, drag] = [this.#doc, this.#drag];
    this.#drag = undefined;
    if (doc === undefined || drag === undefined) return;
    if (Math.abs(drag.toX - drag.fromX) < MIN_DRAG_PX) {
      this.#choose({ kind: 'all' });
      return;
    }
    const timeAt = (x: number): number =>
      doc.fromMs + (x / this.#canvas.clientWidth) * doc.weights.length * doc.stepMs;
    const snap = (time: number, round: (n: number) => number): number =>
      round(time / doc.stepMs) * doc.stepMs;
    const [left, right] = [Math.min(drag.fromX, drag.toX), Math.max(drag.fromX, drag.toX)];
    this.#choose({
      kind: 'fixed',
      fromMs: snap(timeAt(Math.max(0, left)), Math.floor),
      untilMs: snap(timeAt(Math.min(this.#canvas.clientWidth, right)), Math.ceil),
    });
  }
}
