/** The newest `limit` items, and how many older ones were let go. */
export class Ring<T> {
  items = $state.raw<readonly T[]>([]);
  dropped = $state(0);
  #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(more: readonly T[]): void {
    const all = [...this.items, ...more];
    const over = Math.max(0, all.length - this.#limit);
    this.items = over ? all.slice(over) : all;
    this.dropped += over;
  }

  clear(): void {
    this.items = [];
    this.dropped = 0;
  }
}
