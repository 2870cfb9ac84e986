/** Git's unified diff of two short texts, by the longest common subsequence of their lines. */
export function unified(path: string, old: string, now: string): string {
  const [a, b] = [lines(old), lines(now)];
  const marked = mark(a, b);
  const changed = marked.flatMap((line, i) => (line[0] === ' ' ? [] : [i]));
  if (changed.length === 0) return '';
  let out = `--- ${old === '' ? '/dev/null' : `a/${path}`}\n+++ ${now === '' ? '/dev/null' : `b/${path}`}\n`;
  for (let at = 0; at < changed.length;) {
    let end = at;
    while (end + 1 < changed.length && changed[end + 1]! - changed[end]! <= 7) end += 1;
    const first = Math.max(0, changed[at]! - 3);
    const hunk = marked.slice(first, changed[end]! + 4);
    const count = (part: string[], not: string) => part.filter((line) => line[0] !== not).length;
    const start = (not: string, n: number) => count(marked.slice(0, first), not) + (n ? 1 : 0);
    const [n, m] = [count(hunk, '+'), count(hunk, '-')];
    out += `@@ -${start('+', n)},${n} +${start('-', m)},${m} @@\n${hunk.join('\n')}\n`;
    at = end + 1;
  }
  return out;
}

function lines(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function mark(a: string[], b: string[]): string[] {
  const longest = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      longest[i]![j] =
        a[i] === b[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
  const out: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push(` ${a[i]}`);
      [i, j] = [i + 1, j + 1];
    } else if (j >= b.length || (i < a.length && longest[i + 1]![j]! >= longest[i]![j + 1]!)) {
      out.push(`-${a[i]}`);
      i += 1;
    } else {
      out.push(`+${b[j]}`);
      j += 1;
    }
  }
  return out;
}
