import { overlay } from './overlay.svelte';

/** Where copied text goes; the app sets it once to its bridge. */
let writer: (text: string) => Promise<void> = (text) => navigator.clipboard.writeText(text);

export function setClipboard(write: (text: string) => Promise<void>): void {
  writer = write;
}

/** Copies; tells of a failure, and of success with `said`. */
export async function copy(text: string, said = ''): Promise<boolean> {
  try {
    await writer(text);
    if (said) overlay.tell('ok', said);
    return true;
  } catch {
    overlay.tell('error', 'The text could not be copied.', { hint: text });
    return false;
  }
}
