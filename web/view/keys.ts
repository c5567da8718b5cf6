// SPDX-License-Identifier: Apache-2.0

export interface KeyActions {
  search(): void;
  help(): void;
  live(): void;
  back(): void;
  preset(index: number): void;
  isSearch(target: EventTarget | null): boolean;
}

/** Keys of the whole page. Typing into fields and dialogs stays theirs; Escape leaves the search box. */
export function listenKeys(actions: KeyActions): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    if (document.querySelector('dialog[open]') !== null) return;
    if (actions.isSearch(target) && event.key === 'Escape' && target instanceof HTMLElement) target.blur();
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return;
    const onButton =
      target instanceof HTMLButtonElement ||
      target instanceof HTMLAnchorElement ||
      (target instanceof Element && target.tagName === 'SUMMARY');
    if (event.key === ' ' && onButton) return;
    const run = actionOf(event.key, actions);
    if (run === undefined) return;
    event.preventDefault();
    run();
  });
}

function actionOf(key: string, actions: KeyActions): (() => void) | undefined {
  if (key === '/') return actions.search;
  if (key === '?') return actions.help;
  if (key === ' ') return actions.live;
  if (key === 'Escape' || key === 'Backspace') return actions.back;
  if (/^[1-4]$/.test(key)) return () => actions.preset(Number(key) - 1);
  return undefined;
}
