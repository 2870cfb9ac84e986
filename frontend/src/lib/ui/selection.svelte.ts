export type Key = string | number;

/** Which rows of a list are selected, as in a file manager: one cursor, and a set that Shift and Ctrl grow. */
export class Selection {
  cursor = $state.raw<Key | null>(null);
  keys = $state.raw<ReadonlySet<Key>>(new Set());
  #anchor: Key | null = null;

  has(key: Key): boolean {
    return this.keys.has(key);
  }

  /** Selects one row alone. */
  only(key: Key | null): void {
    this.cursor = key;
    this.#anchor = key;
    this.keys = new Set(key === null ? [] : [key]);
  }

  /** Adds or takes away one row. */
  toggle(key: Key): void {
    const keys = new Set(this.keys);
    if (!keys.delete(key)) keys.add(key);
    this.keys = keys;
    this.cursor = key;
    this.#anchor = key;
  }

  /** Selects from where the selection began to `key`, in the order given. */
  extend(key: Key, order: readonly Key[]): void {
    const from = this.#anchor === null ? -1 : order.indexOf(this.#anchor);
    const to = order.indexOf(key);
    if (from < 0 || to < 0) return this.only(key);
    this.keys = new Set(order.slice(Math.min(from, to), Math.max(from, to) + 1));
    this.cursor = key;
  }

  all(order: readonly Key[]): void {
    this.keys = new Set(order);
  }
}
