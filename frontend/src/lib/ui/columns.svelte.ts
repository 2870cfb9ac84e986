import { load, save } from './stored';

/** One column of a table of T. Widths are in px at 100 % text. */
export interface Column<T> {
  id: string;
  title: string;
  width: number;
  /** Takes the width that is left over. */
  grow?: boolean;
  align?: 'end';
  mono?: boolean;
  /** Drawn by the table's `cell` snippet; `text` is then its tooltip. */
  custom?: boolean;
  text: (row: T) => string;
  /** What the column sorts by; a column without it does not sort. */
  sort?: (row: T) => number | string;
  hidden?: boolean;
}

interface Kept {
  widths: Record<string, number>;
  hidden: string[];
  sort: { id: string; down: boolean } | null;
}

/** Which columns a table shows, how wide, and by which it is sorted; remembered under the table's id. */
export class Columns<T> {
  readonly all: readonly Column<T>[];
  #id: string;
  #kept = $state.raw<Kept>({ widths: {}, hidden: [], sort: null });

  constructor(id: string, all: readonly Column<T>[], sort: Kept['sort'] = null) {
    this.all = all;
    this.#id = id;
    const hidden = all.filter((c) => c.hidden).map((c) => c.id);
    this.#kept = load(`columns:${id}`, { widths: {}, hidden, sort });
  }

  get shown(): Column<T>[] {
    return this.all.filter((c) => !this.#kept.hidden.includes(c.id));
  }
  get sort(): Kept['sort'] {
    return this.#kept.sort;
  }
  width(column: Column<T>): number {
    return this.#kept.widths[column.id] ?? column.width;
  }
  isHidden(column: Column<T>): boolean {
    return this.#kept.hidden.includes(column.id);
  }

  /** For CSS grid, in rem so that it grows with the text. */
  get template(): string {
    return this.shown
      .map((c) => {
        const rem = `${(this.width(c) / 13).toFixed(3)}rem`;
        return c.grow ? `minmax(${rem}, 1fr)` : rem;
      })
      .join(' ');
  }
  /** The least width of a row. */
  get total(): string {
    return `${(this.shown.reduce((sum, c) => sum + this.width(c), 0) / 13).toFixed(3)}rem`;
  }

  resize(column: Column<T>, width: number): void {
    const widths = { ...this.#kept.widths, [column.id]: Math.max(36, Math.round(width)) };
    this.#set({ ...this.#kept, widths });
  }
  toggle(column: Column<T>): void {
    const hidden = this.isHidden(column)
      ? this.#kept.hidden.filter((id) => id !== column.id)
      : [...this.#kept.hidden, column.id];
    if (hidden.length < this.all.length) this.#set({ ...this.#kept, hidden });
  }
  /** Up, down, then as they come. */
  sortBy(column: Column<T>): void {
    if (!column.sort) return;
    const now = this.#kept.sort;
    const next =
      now?.id !== column.id
        ? { id: column.id, down: false }
        : now.down
          ? null
          : { id: column.id, down: true };
    this.#set({ ...this.#kept, sort: next });
  }
  reset(): void {
    this.#set({ widths: {}, hidden: this.all.filter((c) => c.hidden).map((c) => c.id), sort: null });
  }

  /** The rows in order. Equal ones keep their order. */
  arrange(rows: readonly T[]): readonly T[] {
    const sort = this.#kept.sort;
    const by = sort && this.all.find((c) => c.id === sort.id)?.sort;
    if (!by) return rows;
    const sign = sort.down ? -1 : 1;
    return rows
      .map((row) => ({ row, key: by(row) }))
      .sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0))
      .map((pair) => pair.row);
  }

  #set(kept: Kept): void {
    this.#kept = kept;
    save(`columns:${this.#id}`, kept);
  }
}
