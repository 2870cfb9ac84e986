import type { Flow, FlowChanges } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { endpoint } from '$lib/ui/format';
import type { Tone } from '$lib/ui/State.svelte';

/** The flow table, kept in a plain map; the list is made anew for each batch of changes. */
export class Flows {
  /** null until the engine has told. Oldest first. */
  list = $state.raw<readonly Flow[] | null>(null);
  #byId = new Map<number, Flow>();

  constructor(feed: Feed) {
    feed.on('flows', (changes) => this.#apply(changes));
  }

  get(id: number): Flow | undefined {
    void this.list; // changes with the list
    return this.#byId.get(id);
  }

  #apply({ reset, changed, removed }: FlowChanges): void {
    if (reset) this.#byId.clear();
    for (const flow of changed) this.#byId.set(flow.id, flow);
    for (const id of removed) this.#byId.delete(id);
    this.list = [...this.#byId.values()];
  }
}

export function source(f: { src: string; srcPort: number; srcName?: string }): string {
  return endpoint(f.srcName || f.src, f.srcPort);
}
export function destination(f: { dst: string; dstPort: number; dstName?: string }): string {
  return endpoint(f.dstName || f.dst, f.dstPort);
}

export function isOver(flow: Flow): boolean {
  return flow.state === 'closed' || flow.state === 'reset' || flow.state === 'refused';
}

/** How long the flow has lasted, or lasted. */
export function age(flow: Flow, now: number): number {
  return Math.max(0, (isOver(flow) ? Date.parse(flow.last) : now) - Date.parse(flow.start));
}

/**
 * Bytes in each of the last 30 seconds, the present one last. What the engine
 * told ends with the second of the flow's last packet and moves left from then on.
 */
export function rates(flow: Flow, now: number): readonly number[] {
  const told = flow.rate ?? [];
  const quiet = Math.min(
    told.length,
    Math.max(0, Math.floor(now / 1000) - Math.floor(Date.parse(flow.last) / 1000)),
  );
  return quiet === 0 ? told : [...told.slice(quiet), ...Array<number>(quiet).fill(0)];
}

/** Bytes in the last whole second. */
export function currentRate(flow: Flow, now: number): number {
  return rates(flow, now).at(-2) ?? 0;
}

export const flowStates: Record<string, { tone: Tone; word: string }> = {
  open: { tone: 'busy', word: 'Asking' },
  established: { tone: 'ok', word: 'Open' },
  closing: { tone: 'busy', word: 'Closing' },
  closed: { tone: 'idle', word: 'Closed' },
  reset: { tone: 'error', word: 'Cut off' },
  refused: { tone: 'error', word: 'Refused' },
};
