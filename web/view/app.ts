// SPDX-License-Identifier: Apache-2.0
import { type EmptyReason, explainEmpty } from '../model/empty.ts';
import { FlameTree } from '../model/flame-tree.ts';
import { typeTitle } from '../model/format.ts';
import { parseSearch, search } from '../model/search.ts';
import {
  formatHash,
  type PageState,
  parseHash,
  type Range,
  selectionQuery,
  type View,
} from '../model/url-state.ts';
import { fetchSnapshot, type Snapshot } from './api.ts';
import { byId, Segmented } from './dom.ts';
import { FlameView } from './flame-view.ts';
import { HoverCard } from './hover-card.ts';
import { listenKeys } from './keys.ts';
import { Live } from './live.ts';
import { ServicesView } from './services-view.ts';
import { chosenShare, fillShares, SummaryView } from './summary-view.ts';
import { TableView } from './table-view.ts';
import { ThemeSwitch } from './theme.ts';
import { TimelineView } from './timeline-view.ts';

const PRESETS: readonly (readonly [string, string, Range])[] = [
  ['15', '15 s', { kind: 'last', ms: 15_000 }],
  ['60', '1 min', { kind: 'last', ms: 60_000 }],
  ['300', '5 min', { kind: 'last', ms: 300_000 }],
  ['all', 'All', { kind: 'all' }],
];

/** The page: one state, which the address bar shows, and one snapshot of the data it selects. */
export class App {
  #state: PageState = parseHash(location.hash);
  #snapshot: Snapshot | undefined;
  #tree: FlameTree | undefined;
  #request: AbortController | undefined;
  readonly #live: Live;
  readonly #summary = new SummaryView();
  readonly #card = new HoverCard(byId('card', HTMLElement));
  readonly #search = byId('search', HTMLInputElement);
  readonly #type = byId('type', HTMLSelectElement);
  readonly #thread = byId('thread', HTMLSelectElement);
  readonly #theme: ThemeSwitch;
  readonly #flame: FlameView;
  readonly #table: TableView;
  readonly #services: ServicesView;
  readonly #timeline: TimelineView;
  readonly #presets: Segmented<string>;
  readonly #view: Segmented<View>;
  readonly #colorBy: Segmented<PageState['colorBy']>;

  constructor() {
    this.#flame = new FlameView(byId('flame', HTMLElement), {
      zoomTo: (node) => this.#zoomTo(node),
      select: (node) => this.#tree !== undefined && this.#summary.selected(this.#tree, node),
      hover: (node, x, y) => this.#hover(node, x, y),
    });
    this.#table = new TableView(byId('table-part', HTMLElement), (name) =>
      this.#searchFor(name === undefined ? '' : `=${name}`),
    );
    this.#services = new ServicesView(
      byId('service-list', HTMLElement),
      byId('service-filter', HTMLInputElement),
      (service, process) => {
        this.#openMenu(false);
        this.#change({ service, process, thread: undefined, zoom: [] });
      },
    );
    this.#timeline = new TimelineView(
      byId('timeline', HTMLCanvasElement),
      byId('timeline-note', HTMLElement),
      (range) => this.#change({ range }),
    );
    const labels = PRESETS.map(([key, label]) => [key, label] as const);
    this.#presets = new Segmented(byId('presets', HTMLElement), labels, (key) =>
      this.#preset(PRESETS.findIndex(([k]) => k === key)),
    );
    const views = [
      ['flame', 'Flame'],
      ['both', 'Both'],
      ['table', 'Table'],
    ] as const;
    this.#view = new Segmented<View>(byId('view', HTMLElement), views, (view) => this.#show({ view }));
    const colors = [
      ['language', 'Language'],
      ['binary', 'Binary'],
    ] as const;
    this.#colorBy = new Segmented(byId('color-by', HTMLElement), colors, (colorBy) =>
      this.#show({ colorBy }),
    );
    this.#theme = new ThemeSwitch(byId('theme', HTMLElement), () => queueMicrotask(() => this.#render()));
    this.#listen();
    this.#live = new Live(
      () => this.#refresh(),
      (isOn, isConnected) => this.#showLive(isOn, isConnected),
    );
  }

  /** Shows what the address bar asks for. */
  start(): void {
    this.#search.value = this.#state.search;
    this.#live.demand();
  }

  #listen(): void {
    this.#type.addEventListener('change', () =>
      this.#change({ type: chosenShare(this.#type), thread: undefined, zoom: [] }),
    );
    this.#thread.addEventListener('change', () => this.#change({ thread: chosenShare(this.#thread) }));
    this.#search.addEventListener('input', () => this.#show({ search: this.#search.value }));
    byId('live', HTMLElement).addEventListener('click', () => this.#live.toggle());
    byId('menu', HTMLElement).addEventListener('click', () => this.#openMenu());
    const help = byId('help-dialog', HTMLDialogElement);
    byId('help', HTMLElement).addEventListener('click', () => help.showModal());
    const download = byId('download', HTMLDetailsElement);
    document.addEventListener('click', (event) => {
      if (!(event.target instanceof Node)) return;
      if (!download.contains(event.target)) download.open = false;
      if (document.querySelector('main')?.contains(event.target) === true) this.#openMenu(false);
    });
    window.addEventListener('hashchange', () => {
      this.#state = parseHash(location.hash);
      this.#search.value = this.#state.search;
      this.#live.demand();
      this.#render();
    });
    listenKeys({
      search: () => this.#search.select(),
      help: () => help.showModal(),
      live: () => this.#live.toggle(),
      back: () => this.#back(),
      preset: (index) => this.#preset(index),
      isSearch: (target) => target === this.#search,
    });
  }

  async #refresh(): Promise<void> {
    if (this.#timeline.isBusy) return;
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    const asked = this.#state;
    const snapshot = await fetchSnapshot(selectionQuery(asked), request.signal);
    // The user chose something else meanwhile: a newer request is due.
    if (selectionQuery(asked).toString() !== selectionQuery(this.#state).toString()) return;
    this.#snapshot = snapshot;
    this.#tree = new FlameTree(snapshot.flame);
    this.#card.hide();
    this.#render();
  }

  /** Changes what is selected: asks for new data. */
  #change(part: Partial<PageState>): void {
    this.#remember({ ...this.#state, ...part });
    this.#live.demand();
    this.#render();
  }

  /** Changes how it is shown: the data stays. */
  #show(part: Partial<PageState>): void {
    this.#remember({ ...this.#state, ...part });
    this.#render();
  }

  #remember(state: PageState): void {
    this.#state = state;
    history.replaceState(null, '', formatHash(state) || location.pathname);
  }

  #preset(index: number): void {
    const preset = PRESETS[index];
    if (preset !== undefined) this.#change({ range: preset[2] });
  }

  #zoomTo(node: number): void {
    this.#card.hide();
    if (this.#tree !== undefined) this.#show({ zoom: this.#tree.path(node) });
  }

  #searchFor(text: string): void {
    this.#search.value = text;
    this.#show({ search: text });
  }

  #back(): void {
    if (this.#state.zoom.length > 0) this.#show({ zoom: this.#state.zoom.slice(0, -1) });
    else if (this.#state.search !== '') this.#searchFor('');
    this.#flame.focus();
  }

  #hover(node: number, x: number, y: number): void {
    if (node < 0 || this.#tree === undefined) this.#card.hide();
    else this.#card.show(this.#tree, node, this.#tree.find(this.#state.zoom), x, y);
  }

  #openMenu(open = byId('menu', HTMLElement).getAttribute('aria-expanded') !== 'true'): void {
    byId('menu', HTMLElement).setAttribute('aria-expanded', String(open));
    byId('services', HTMLElement).classList.toggle('open', open);
  }

  #showLive(isOn: boolean, isConnected: boolean): void {
    const pill = byId('live', HTMLElement);
    pill.setAttribute('aria-pressed', String(isOn));
    pill.classList.toggle('lost', !isConnected);
    const text = pill.querySelector('span');
    if (text !== null) text.textContent = isConnected ? (isOn ? 'Live' : 'Paused') : 'Connection lost';
  }

  #render(): void {
    const [snapshot, tree] = [this.#snapshot, this.#tree];
    const state = this.#state;
    this.#summary.title(state);
    this.#presets.show(
      PRESETS.find(([, , range]) => JSON.stringify(range) === JSON.stringify(state.range))?.[0],
    );
    this.#view.show(state.view);
    this.#colorBy.show(state.colorBy);
    this.#linkDownloads();
    if (snapshot === undefined || tree === undefined) return;
    const { flame, services, status, timeline } = snapshot;
    const reason = flame.total > 0 ? undefined : explainEmpty(status, state, services.services);
    this.#services.show({
      services: services.services,
      type: flame.type,
      service: state.service,
      process: state.process,
    });
    this.#fillSelects(snapshot);
    this.#timeline.show(timeline, state.range);
    this.#summary.held(status);
    this.#summary.notices(status, reason !== undefined);
    this.#summary.empty(reason, status, (action) => this.#leaveEmpty(action));
    this.#summary.total(flame, state, status);
    this.#renderGraph(tree, reason);
  }

  #renderGraph(tree: FlameTree, reason: EmptyReason | undefined): void {
    const { view, colorBy, zoom: path, search: text } = this.#state;
    const theme = this.#theme.current;
    const zoom = tree.find(path);
    const term = parseSearch(text);
    const result = term.kind === 'match' ? search(tree, term.matches) : undefined;
    const isEmpty = reason !== undefined;
    byId('flame-part', HTMLElement).hidden = isEmpty || view === 'table';
    byId('table-part', HTMLElement).hidden = isEmpty || view === 'flame';
    for (const node of document.querySelectorAll<HTMLElement>('.summary')) node.hidden = isEmpty;
    this.#search.setAttribute('aria-invalid', String(term.kind === 'error'));
    this.#summary.search(term, result, tree);
    if (isEmpty) return;
    this.#summary.legend(tree, colorBy, theme);
    this.#summary.breadcrumb(tree, zoom, (node) => this.#zoomTo(node));
    const scene = { tree, zoom, matched: result?.frames, colorBy, theme };
    if (view !== 'table') this.#flame.show(scene);
    if (view !== 'flame')
      this.#table.show({ ...scene, chosen: text.startsWith('=') ? text.slice(1) : undefined });
    this.#summary.selected(tree, this.#flame.selected);
  }

  #fillSelects({ flame, services }: Snapshot): void {
    const { service, process, thread } = this.#state;
    const entries = services.services.filter((entry) => service === undefined || entry.service === service);
    const shares = entries
      .flatMap((entry) => entry.processes.filter((p) => process === undefined || p.process === process))
      .flatMap((p) => p.types);
    const types = [...new Set(shares.map(([type]) => type))].sort().map((type) => [type, 0] as const);
    fillShares(this.#type, undefined, types, flame.type, typeTitle);
    const named = flame.threads.some(([name]) => name !== '') || thread !== undefined;
    fillShares(
      this.#thread,
      'All threads',
      named ? flame.threads : [],
      thread,
      (name) => name || '(unnamed)',
    );
    this.#thread.disabled = !named;
  }

  #leaveEmpty(action: NonNullable<EmptyReason['action']>): void {
    if (action === 'show-all-time') this.#change({ range: { kind: 'all' } });
    else this.#change({ service: undefined, process: undefined, thread: undefined, type: undefined });
  }

  #linkDownloads(): void {
    const query = selectionQuery(this.#state);
    for (const link of document.querySelectorAll<HTMLAnchorElement>('#download a')) {
      query.set('format', link.dataset['format'] ?? '');
      link.href = `api/download?${query}`;
      link.download = '';
    }
  }
}
