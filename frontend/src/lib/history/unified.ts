/** A unified diff, as git writes it, line by line, with the words that differ. */
export interface DiffLine {
  kind: 'same' | 'old' | 'new' | 'hunk';
  text: string;
  /** Line numbers of both sides, where the line is on that side. */
  old?: number;
  new?: number;
  /** The part of the text that differs from its counterpart. */
  mark?: [from: number, to: number];
}

/** The lines of one file's diff without its heads. The hunks' own counts say what is a line of text. */
export function diffLines(unified: string): DiffLine[] {
  const out: DiffLine[] = [];
  let [oldLeft, newLeft, oldAt, newAt] = [0, 0, 0, 0];
  for (const line of unified.split('\n')) {
    const text = line.slice(1);
    const sign = line[0] ?? ' ';
    if (oldLeft <= 0 && newLeft <= 0) {
      const head = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)/.exec(line);
      if (!head) continue;
      [oldAt, oldLeft] = [Number(head[1]), Number(head[2] ?? 1)];
      [newAt, newLeft] = [Number(head[3]), Number(head[4] ?? 1)];
      out.push({ kind: 'hunk', text: head[5] ?? '', old: oldAt, new: newAt });
    } else if (sign === '-') {
      out.push({ kind: 'old', text, old: oldAt++ });
      oldLeft -= 1;
    } else if (sign === '+') {
      out.push({ kind: 'new', text, new: newAt++ });
      newLeft -= 1;
    } else if (sign !== '\\') {
      out.push({ kind: 'same', text, old: oldAt++, new: newAt++ });
      oldLeft -= 1;
      newLeft -= 1;
    }
  }
  markWords(out);
  return out;
}

/** Marks what differs where as many lines come as go. */
function markWords(lines: DiffLine[]): void {
  for (let i = 0; i < lines.length;) {
    let olds = 0;
    let news = 0;
    while (lines[i + olds]?.kind === 'old') olds += 1;
    while (lines[i + olds + news]?.kind === 'new') news += 1;
    if (olds > 0 && olds === news)
      for (let k = 0; k < olds; k += 1) markPair(lines[i + k]!, lines[i + olds + k]!);
    i += Math.max(1, olds + news);
  }
}

function markPair(a: DiffLine, b: DiffLine): void {
  const [x, y] = [a.text.split(/\b/), b.text.split(/\b/)];
  let head = 0;
  while (head < x.length && head < y.length && x[head] === y[head]) head += 1;
  let tail = 0;
  while (tail < x.length - head && tail < y.length - head && x.at(-1 - tail) === y.at(-1 - tail)) tail += 1;
  const length = (words: string[], from: number, to: number) => words.slice(from, to).join('').length;
  const from = length(x, 0, head);
  const common = from + length(x, x.length - tail, x.length);
  // Where little is alike, all of it differs.
  if (common * 3 < Math.max(a.text.length, b.text.length)) return;
  const end = (words: string[], text: string) =>
    text.length - length(words, words.length - tail, words.length);
  a.mark = [from, end(x, a.text)];
  b.mark = [from, end(y, b.text)];
}

/** Pairs of lines beside each other; what one side lacks is null. */
export function sideLines(lines: readonly DiffLine[]): { old: DiffLine | null; new: DiffLine | null }[] {
  const out: { old: DiffLine | null; new: DiffLine | null }[] = [];
  let [olds, news]: [DiffLine[], DiffLine[]] = [[], []];
  const flush = () => {
    for (let i = 0; i < Math.max(olds.length, news.length); i += 1)
      out.push({ old: olds[i] ?? null, new: news[i] ?? null });
    [olds, news] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === 'old') olds.push(line);
    else if (line.kind === 'new') news.push(line);
    else {
      flush();
      out.push({ old: line, new: line });
    }
  }
  flush();
  return out;
}
