// SPDX-License-Identifier: Apache-2.0
import type { FrameInfo } from './flame-tree.ts';

export type ColorBy = 'language' | 'binary';
export type Theme = 'light' | 'dark';

/** A colour family: all frames of one language, or of one binary. */
export interface Family {
  readonly key: string;
  readonly label: string;
  /** Degrees of OKLCH; undefined = grey. */
  readonly hue: number | undefined;
}

const LANGUAGES: Readonly<Record<string, readonly [label: string, hue: number]>> = {
  kernel: ['Kernel', 15],
  native: ['Native', 250],
  go: ['Go', 200],
  v8js: ['JavaScript', 150],
  cpython: ['Python', 98],
  jvm: ['JVM', 60],
  ruby: ['Ruby', 355],
  php: ['PHP', 285],
  perl: ['Perl', 225],
  dotnet: ['.NET', 310],
  beam: ['BEAM', 330],
  luajit: ['Lua', 270],
  wasm: ['WebAssembly', 295],
};

const UNKNOWN: Family = { key: '', label: 'Unknown', hue: undefined };

export function familyOf(frame: FrameInfo, by: ColorBy): Family {
  if (by === 'language') {
    const known = Object.hasOwn(LANGUAGES, frame.kind) ? LANGUAGES[frame.kind] : undefined;
    if (known !== undefined) return { key: frame.kind, label: known[0], hue: known[1] };
    return frame.kind === '' || frame.kind === 'unknown'
      ? UNKNOWN
      : { key: frame.kind, label: frame.kind, hue: hash(frame.kind) % 360 };
  }
  const binary = frame.binary || (frame.kind === 'kernel' ? 'kernel' : '');
  return binary === '' ? UNKNOWN : { key: binary, label: binary, hue: (hash(binary) * 47) % 360 };
}

/**
 * Fill of a frame: the family's hue, a little lighter or darker by what tells neighbours apart (binary or
 * module within a language), always with enough contrast for the text on it.
 */
export function fillOf(frame: FrameInfo, by: ColorBy, theme: Theme): string {
  const { hue } = familyOf(frame, by);
  const shade = (hash(by === 'language' ? frame.binary || moduleOf(frame) : frame.name) % 5) - 2;
  return oklch(hue, shade, theme);
}

export function familyColor(family: Family, theme: Theme): string {
  return oklch(family.hue, 0, theme);
}

function oklch(hue: number | undefined, shade: number, theme: Theme): string {
  const lightness = theme === 'light' ? 0.855 + shade * 0.014 : 0.44 + shade * 0.016;
  const chroma = hue === undefined ? 0.006 : theme === 'light' ? 0.078 : 0.078;
  const turned = (hue ?? 250) + (hue === undefined ? 0 : shade * 3);
  return `oklch(${lightness.toFixed(3)} ${chroma} ${turned})`;
}

/** Module, package or namespace of a frame: its file's folder, or what stands before the last dot or `::`. */
function moduleOf(frame: FrameInfo): string {
  if (frame.file !== '') return frame.file.slice(0, Math.max(0, frame.file.lastIndexOf('/')));
  const cut = Math.max(frame.name.lastIndexOf('.'), frame.name.lastIndexOf('::'));
  return cut > 0 ? frame.name.slice(0, cut) : '';
}

function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h ^ (h >>> 15)) >>> 0;
}
