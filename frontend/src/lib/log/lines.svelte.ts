import { after, plain, text, type Style } from './ansi';

/** One line as it came, and the style in which it begins. */
export interface RawLine {
  text: string;
  style: Style;
}
/** A part of the window on many lines, without a copy of them all. */
export interface LineView {
  readonly length: number;
  slice(from: number, to: number): readonly RawLine[];
}

/** Lines are kept up to this number; the oldest make room, a tenth at a time. */
export const keptLines = 250_000;
const many = 4000;

/** The lines of a terminal. Adding to them costs what is added, however many there are. */
export class Lines {
  view = $state.raw<LineView>({ length: 0, slice: () => [] });
  /** How many of the oldest were let go. */
  dropped = $state(0);
  /** Characters of the longest line. */
  widest = $state(0);
  #texts: string[] = [];
  #styles: Style[] = [];
  #style = plain;
  #limit: number;

  constructor(limit = keptLines) {
    this.#limit = limit;
  }

  push(lines: readonly string[]): void {
    let widest = this.widest;
    for (const line of lines) {
      this.#texts.push(line);
      this.#styles.push(this.#style);
      this.#style = after(line, this.#style);
      if (line.length > widest) widest = Math.max(widest, text(line).length);
    }
    this.widest = widest;
    const over = this.#texts.length - this.#limit;
    if (over > 0) {
      const gone = Math.min(this.#texts.length, over + Math.floor(this.#limit / 10));
      this.#texts.splice(0, gone);
      this.#styles.splice(0, gone);
      this.dropped += gone;
    }
    this.#tell();
  }

  /** All lines without colours. */
  plainText(): string {
    return this.#texts.map(text).join('\n');
  }

  /** The numbers of the lines that contain a text, whatever its case; the first `limit` of them. Gives way to the page. */
  async find(needle: string, signal: AbortSignal, limit = 10_000): Promise<number[]> {
    const low = needle.toLowerCase();
    const found: number[] = [];
    for (let i = 0; i < this.#texts.length && found.length < limit; i += 1) {
      if (i % many === many - 1) await new Promise((resolve) => setTimeout(resolve));
      if (signal.aborted) return [];
      if (text(this.#texts[i]!).toLowerCase().includes(low)) found.push(i);
    }
    return found;
  }

  #tell(): void {
    const [texts, styles] = [this.#texts, this.#styles];
    this.view = {
      length: texts.length,
      slice: (from, to) =>
        texts.slice(from, to).map((line, i) => ({ text: line, style: styles[from + i] ?? plain })),
    };
  }
}
