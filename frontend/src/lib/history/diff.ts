import type { SettingDiff } from '$lib/bridge';

export interface DiffLine {
  kind: 'same' | 'old' | 'new';
  text: string;
}

/** The lines of a unified diff, as git writes it, without its heads. */
export function unifiedLines(diff: SettingDiff): DiffLine[] {
  const kinds: Record<string, DiffLine['kind']> = { '-': 'old', '+': 'new', ' ': 'same' };
  return diff.unified
    .replace(/^diff --git [^]*?(?=^@@|(?![^]))/m, '')
    .replace(/\n$/, '')
    .split('\n')
    .filter((line) => !/^(---|\+\+\+|@@|\\)/.test(line))
    .map((line) => ({ kind: kinds[line[0] ?? ' '] ?? 'same', text: line.slice(1) }));
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
