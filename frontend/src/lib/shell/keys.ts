import type { App } from '$lib/app.svelte';
import { overlay } from '$lib/ui/overlay.svelte';
import { textScale } from '$lib/ui/scale.svelte';
import { pages } from './nav.svelte';

/** The keys that work everywhere. Lists, menus and forms handle their own first. */
export function handleKey(event: KeyboardEvent, app: App): void {
  const { nav } = app;
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    nav.palette = !nav.palette;
    return;
  }
  if (command && (event.key === '+' || event.key === '=' || event.key === '-' || event.key === '0')) {
    event.preventDefault();
    textScale.step(event.key === '0' ? 0 : event.key === '-' ? -1 : 1);
    return;
  }
  if (event.defaultPrevented || command || event.altKey || nav.palette || nav.shortcuts || overlay.question)
    return;

  const target = event.target;
  if (event.key === 'Escape') return escape(app, target);
  if (target instanceof HTMLElement && target.matches('input, textarea, select')) {
    if (target.id === 'filter' && (event.key === 'Enter' || event.key === 'ArrowDown')) {
      event.preventDefault();
      focusList();
    }
    return;
  }
  const page = pages[Number(event.key) - 1];
  if (event.key === '/') filterField()?.focus();
  else if (event.key === '?') nav.shortcuts = true;
  else if (page) nav.go(page);
  else if (['j', 'k', 'ArrowDown', 'ArrowUp', 'Home', 'End'].includes(event.key)) return pass(event);
  else return;
  event.preventDefault();
}

function escape({ nav }: App, target: EventTarget | null): void {
  if (target instanceof HTMLInputElement && target.id === 'filter') {
    if (nav.filter) nav.filter = '';
    else target.blur();
  } else if (target instanceof HTMLElement && target.matches('input, textarea, select')) target.blur();
}

function filterField(): HTMLInputElement | null {
  return document.querySelector('#filter');
}

/** The page's list, if there is one, gets the focus. */
function focusList(): HTMLElement | null {
  const list = document.querySelector<HTMLElement>('[data-list]');
  list?.focus();
  return list;
}

/** Hands a moving key to the page's list when nothing has the focus. */
function pass(event: KeyboardEvent): void {
  if (document.activeElement && document.activeElement !== document.body) return;
  const list = focusList();
  if (!list) return;
  event.preventDefault();
  list.dispatchEvent(new KeyboardEvent('keydown', { key: event.key, bubbles: true, cancelable: true }));
}
