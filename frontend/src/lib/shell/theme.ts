import type { Theme } from './nav.svelte';

const dark = typeof matchMedia === 'function' ? matchMedia('(prefers-color-scheme: dark)') : null;

/** Sets the theme on the root element; "system" follows the system from then on. Returns how to stop. */
export function applyTheme(theme: Theme): () => void {
  const set = () => {
    document.documentElement.dataset.theme = theme === 'system' ? (dark?.matches ? 'dark' : 'light') : theme;
  };
  set();
  dark?.addEventListener('change', set);
  return () => dark?.removeEventListener('change', set);
}
