// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupBars, tickMs } from './bars.ts';
import { explainEmpty } from './empty.ts';
import { FlameTree } from './flame-tree.ts';
import { formatCores, formatPercent, formatWeight, typeTitle } from './format.ts';
import { layout, neighbour, newRects, nodeAt } from './layout.ts';
import { familyOf, fillOf } from './palette.ts';
import { parseSearch, search } from './search.ts';
import { sortRows, topFunctions } from './top-table.ts';
import { DEFAULT_STATE, formatHash, parseHash, selectionQuery } from './url-state.ts';
import type { FlameDocument, StatusDocument } from './wire.ts';

/** A document drawn as text: one node a line, indented by depth, `name self` or `name@file self`. */
function drawn(text: string): FlameTree {
  const strings = ['', 'all', '(small)'];
  const frames = { name: [1, 2], file: [0, 0], line: [0, 0], binary: [0, 0], kind: [0, 0] };
  const tree = { depth: [0], frame: [0], self: [0] };
  const rows = new Map<string, number>();
  for (const line of text.split('\n').filter((l) => l.trim() !== '')) {
    const [id = '', self = '0'] = line.trim().split(' ');
    let row = rows.get(id);
    if (row === undefined) {
      const [name = '', file = ''] = id.split('@');
      row = frames.name.push(strings.push(name) - 1) - 1;
      frames.file.push(strings.push(file) - 1);
      for (const column of [frames.line, frames.binary, frames.kind]) column.push(0);
      rows.set(id, row);
    }
    tree.depth.push((line.length - line.trimStart().length) / 2 + 1);
    tree.frame.push(row);
    tree.self.push(Number(self));
  }
  const doc: FlameDocument = {
    type: 'cpu:nanoseconds',
    fromMs: 0,
    untilMs: 1000,
    total: tree.self.reduce((a, b) => a + b, 0),
    folded: { nodes: 0, weight: 0 },
    threads: [],
    strings,
    frames,
    tree,
  };
  return new FlameTree(doc);
}

const tree = drawn(`
main 0
  work 10
    malloc 20
    work 5
      malloc 15
  idle 50
`);
const node = (...path: string[]): number => tree.find(path);

describe('flame tree', () => {
  it('sums totals up and places siblings beside each other', () => {
    assert.equal(tree.total[0], 100);
    assert.equal(tree.total[node('main', 'work')], 50);
    assert.equal(tree.start[node('main', 'idle')], 50);
    assert.equal(tree.start[node('main', 'work', 'work')], 20);
    assert.equal(tree.maxDepth, 4);
    assert.equal(tree.end[node('main', 'work')], node('main', 'idle'));
  });

  it('finds the deepest part of a path that is still there', () => {
    assert.deepEqual(tree.path(tree.find(['main', 'work', 'gone', 'malloc'])), ['main', 'work']);
    assert.equal(tree.find(['other']), 0);
  });

  it('leads to each of the siblings that differ in their file alone, in newer data too', () => {
    const modules = drawn('main 0\n  <module>@a.py 60\n  <module>@b.py 30\n    load 10');
    for (let i = 0; i < modules.length; i++) assert.equal(modules.find(modules.path(i)), i);
    const newer = drawn('main 0\n  <module>@b.py 70\n    load 20\n  <module>@a.py 60');
    assert.equal(newer.find(modules.path(3)), 2);
    assert.equal(newer.find(modules.path(2)), 4);
    const state = parseHash(formatHash({ ...DEFAULT_STATE, zoom: modules.path(4) }));
    assert.equal(modules.find(state.zoom), 4);
    assert.equal(newer.find(['main', '<module>']), 2);
    const alone = drawn('main 0\n  <module>@c.py 5');
    assert.equal(alone.find(modules.path(3)), 2);
  });
});

describe('layout', () => {
  const lay = (widthPx: number, zoom: number) => {
    const rects = newRects(tree.length);
    layout(
      tree,
      { origin: tree.start[zoom] ?? 0, span: tree.total[zoom] ?? 1, widthPx, firstRow: 0, lastRow: 99 },
      rects,
    );
    return rects;
  };

  it('gives the root the whole width and children their share', () => {
    const rects = lay(200, 0);
    const at = rects.node.indexOf(node('main', 'idle'));
    assert.equal(rects.length, tree.length);
    assert.equal(rects.x[at], 100);
    assert.equal(rects.width[at], 100);
  });

  it('gives a zoomed frame and its ancestors the whole width and leaves out what is beside', () => {
    const rects = lay(200, node('main', 'work'));
    const drawnNodes = [...rects.node.subarray(0, rects.length)];
    assert.deepEqual(
      drawnNodes.slice(0, 3).map((n) => tree.infoOf(n).name),
      ['all', 'main', 'work'],
    );
    assert.deepEqual([...rects.width.subarray(0, 3)], [200, 200, 200]);
    assert.ok(!drawnNodes.includes(node('main', 'idle')));
  });

  it('leaves out what is narrower than can be seen, with all below', () => {
    const rects = newRects(tree.length);
    layout(tree, { origin: 0, span: 100_000, widthPx: 200, firstRow: 0, lastRow: 99 }, rects);
    assert.equal(rects.length, 0);
  });

  it('finds the frame under a point, and none beside', () => {
    const rects = lay(200, 0);
    assert.equal(nodeAt(rects, 2, 150), node('main', 'idle'));
    assert.equal(nodeAt(rects, 3, 150), -1);
  });

  it('moves by arrow keys along the stack and among frames of one depth', () => {
    assert.equal(neighbour(tree, node('main', 'work'), 'right', 0), node('main', 'idle'));
    assert.equal(neighbour(tree, node('main', 'idle'), 'left', 0), node('main', 'work'));
    assert.equal(neighbour(tree, node('main', 'idle'), 'down', 0), node('main', 'idle'));
    assert.equal(neighbour(tree, node('main', 'idle'), 'up', 0), node('main'));
    assert.equal(neighbour(tree, node('main', 'work'), 'right', node('main', 'work')), node('main', 'work'));
  });
});

describe('search', () => {
  const share = (text: string): number | string => {
    const term = parseSearch(text);
    if (term.kind === 'match') return search(tree, term.matches).weight;
    return term.kind === 'error' ? term.message : 'none';
  };

  it('counts each stack once, however often a match recurs in it', () => {
    assert.equal(share('work'), 50);
    assert.equal(share('malloc'), 35);
    assert.equal(share('/^(work|malloc)$/'), 50);
    assert.equal(share('WORK'), 50);
  });

  it('takes "=" as the exact name', () => {
    assert.equal(share('=idle'), 50);
    assert.equal(share('=idl'), 0);
  });

  it('never matches the root or what was folded', () => {
    assert.equal(share('all'), 35);
    assert.equal(share('small'), 0);
  });

  it('refuses expressions that could hang the page and those that are none', () => {
    for (const bad of ['/(a+)+$/', '/(a|aa)+/', '/((ab)*c)*/', '/(a)\\1/', `/${'a'.repeat(300)}/`]) {
      assert.equal(typeof share(bad), 'string', bad);
      assert.notEqual(share(bad), 'none', bad);
    }
    assert.equal(share('/(/'), 'not a regular expression');
    assert.equal(typeof share('/a+b*[(+]c?/'), 'number');
  });
});

describe('top functions', () => {
  const table = (zoom: number) =>
    Object.fromEntries(
      topFunctions(tree, zoom).map((row) => [tree.frames[row.frame]?.name, [row.self, row.total]]),
    );

  it('counts a recursive function once in its total', () => {
    assert.deepEqual(table(0), { main: [0, 100], work: [15, 50], malloc: [35, 35], idle: [50, 50] });
  });

  it('shows what lies below the zoomed frame', () => {
    assert.deepEqual(table(node('main', 'work', 'work')), { work: [5, 20], malloc: [15, 15] });
  });

  it('sorts by weight with ties by name, and by name', () => {
    const names = (key: 'self' | 'total' | 'name', up: boolean) =>
      sortRows(tree, topFunctions(tree, 0), key, up).map((row) => tree.frames[row.frame]?.name);
    assert.deepEqual(names('total', false), ['main', 'idle', 'work', 'malloc']);
    assert.deepEqual(names('self', true), ['main', 'work', 'malloc', 'idle']);
    assert.deepEqual(names('name', true), ['idle', 'main', 'malloc', 'work']);
  });
});

describe('texts', () => {
  it('writes weights in the unit people use', () => {
    assert.equal(formatWeight(1_234_000_000, 'cpu:nanoseconds'), '1.23 s');
    assert.equal(formatWeight(0, 'cpu:nanoseconds'), '0');
    assert.equal(formatWeight(3 * 1024 * 1024, 'inuse_space:bytes'), '3 MiB');
    assert.equal(formatWeight(12_345, 'samples:count'), '12.3 k');
    assert.equal(formatPercent(1, 100_000), '<0.01%');
    assert.equal(formatPercent(1, 0), '0.00%');
    assert.equal(formatCores(90e9, 'cpu:nanoseconds', 60_000), '1.50 cores');
    assert.equal(formatCores(90e9, 'off_cpu:nanoseconds', 60_000), undefined);
    assert.equal(typeTitle('cpu:nanoseconds'), 'CPU time');
    assert.equal(typeTitle('live_bytes:bytes'), 'live bytes (bytes)');
  });
});

describe('page state', () => {
  it('survives the address bar', () => {
    const state = parseHash(
      formatHash({
        service: 'shop & co',
        process: 'node:4711@a/b',
        type: 'cpu:nanoseconds',
        thread: '',
        range: { kind: 'fixed', fromMs: 1000, untilMs: 2000 },
        search: '/a#b/',
        zoom: ['main', 'std::vector<int, a>'],
        view: 'table',
        colorBy: 'binary',
      }),
    );
    assert.deepEqual(parseHash(formatHash(state)), state);
    assert.equal(state.service, 'shop & co');
    assert.equal(state.thread, '');
    assert.deepEqual(state.zoom, ['main', 'std::vector<int, a>']);
    assert.deepEqual(state.range, { kind: 'fixed', fromMs: 1000, untilMs: 2000 });
  });

  it('takes defaults for what it does not understand and writes no default', () => {
    assert.deepEqual(parseHash('#r=later&v=3d&c=mood'), DEFAULT_STATE);
    assert.equal(formatHash(DEFAULT_STATE), '');
  });

  it('asks the server for ranges that end now by their length', () => {
    assert.equal(selectionQuery({ ...DEFAULT_STATE, service: 'a' }).toString(), 'service=a&from=-60000');
    assert.equal(selectionQuery({ ...DEFAULT_STATE, range: { kind: 'all' } }).toString(), '');
  });
});

describe('time bars', () => {
  it('groups slices to a visible width and keeps groups on the same times', () => {
    const doc = { fromMs: 1000, stepMs: 1000, type: 't', weights: [1, 2, 3, 4, 5, 6] };
    const bars = groupBars(doc, 12, 4);
    assert.equal(bars.group, 2);
    assert.deepEqual([...bars.weights], [1, 5, 9, 6]);
    assert.equal(bars.max, 9);
    const later = groupBars({ ...doc, fromMs: 2000, weights: [2, 3, 4, 5, 6, 7] }, 12, 4);
    assert.deepEqual([...later.weights], [5, 9, 13]);
  });

  it('chooses round label distances', () => {
    assert.equal(tickMs(600_000, 1200, 84), 60_000);
    assert.equal(tickMs(600_000, 300, 84), 300_000);
  });
});

describe('colours', () => {
  const frame = { name: 'f', file: '', line: 0, binary: 'libc.so.6', kind: 'native' };

  it('follows the language or the binary', () => {
    assert.equal(familyOf(frame, 'language').label, 'Native');
    assert.equal(familyOf(frame, 'binary').label, 'libc.so.6');
    assert.equal(familyOf({ ...frame, kind: '' }, 'language').label, 'Unknown');
    assert.equal(familyOf({ ...frame, kind: 'unknown' }, 'language').hue, undefined);
    assert.equal(familyOf({ ...frame, kind: 'constructor' }, 'language').label, 'constructor');
    assert.notEqual(fillOf(frame, 'language', 'light'), fillOf(frame, 'language', 'dark'));
  });
});

describe('empty page', () => {
  const status: StatusDocument = {
    nowMs: 0,
    batches: 0,
    events: 0,
    lastArrivalMs: 0,
    held: { events: 0, slices: 0, bytes: 0, maxBytes: 1, oldestMs: null },
    retentionMs: 600_000,
    sliceMs: 1000,
    evictedSlices: 0,
    evictedEvents: 0,
    notices: [],
  };
  const busy = { ...status, batches: 3, held: { ...status.held, events: 5 } };

  const held = [{ service: 'x', lastSeenMs: 1, types: [], processes: [] }];

  it('names the first cause in the chain', () => {
    assert.equal(explainEmpty(status, DEFAULT_STATE, []).title, 'Waiting for the first profiles');
    const blocked = { ...status, notices: [{ key: 'a', text: 'b' }] };
    assert.match(explainEmpty(blocked, DEFAULT_STATE, []).title, /No profiles yet/);
    assert.match(explainEmpty({ ...status, batches: 3 }, DEFAULT_STATE, []).title, /aged out/);
    assert.equal(explainEmpty(busy, DEFAULT_STATE, held).action, 'show-all-time');
  });

  it('tells a service that is silent now from one that is not held', () => {
    const chosen = { ...DEFAULT_STATE, service: 'x' };
    assert.match(explainEmpty(busy, chosen, held).detail, /^x: nothing in this time range/);
    assert.equal(explainEmpty(busy, chosen, held).action, 'show-all-time');
    assert.match(explainEmpty(busy, chosen, []).detail, /^x: no sample in the 10 min that are kept/);
    assert.equal(explainEmpty(busy, chosen, []).action, 'show-everything');
    assert.equal(explainEmpty(busy, { ...chosen, range: { kind: 'all' } }, held).action, 'show-everything');
  });
});
