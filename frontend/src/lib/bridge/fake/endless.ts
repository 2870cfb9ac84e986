/**
 * A made-up history of any length of which nothing is kept: each commit follows
 * from its number, and its number from its hash.
 */
import type { Commit } from '../shapes.gen';

export type Files = ReadonlyMap<string, string>;

export interface Plan {
  seed: number;
  count: number;
  /** When the newest commit was made, and how long before it each older one, in ms. */
  newest: number;
  step: number;
  parents: (i: number) => number[];
  subject: (i: number) => string;
  touched: (i: number) => string[];
  files: (i: number) => Files;
}

const factor = 0x9e3779b1;
const inverse = (() => {
  let x = factor;
  for (let i = 0; i < 5; i += 1) x = Math.imul(x, 2 - Math.imul(factor, x));
  return x;
})();
const people = [
  ['ann', 'ann@example.org'],
  ['ben', 'ben@example.org'],
  ['ann', 'ann@example.org'],
  ['cleo', 'cleo@example.org'],
] as const;

export class Endless {
  constructor(readonly plan: Plan) {}

  hash(i: number): string {
    let x = (Math.imul(i + 1, factor) ^ this.plan.seed) >>> 0;
    let out = '';
    for (let part = 0; part < 5; part += 1) {
      out += x.toString(16).padStart(8, '0');
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    }
    return out;
  }
  /** The number of the commit with this hash, or -1. */
  index(hash: string): number {
    const i = (Math.imul((parseInt(hash.slice(0, 8), 16) ^ this.plan.seed) >>> 0, inverse) >>> 0) - 1;
    return i >= 0 && i < this.plan.count && this.hash(i) === hash ? i : -1;
  }
  commit(i: number): Commit {
    const { plan } = this;
    const [author, email] = people[i % people.length]!;
    const parents = plan.parents(i).filter((p) => p >= 0);
    return {
      hash: this.hash(i),
      tree: textHash(`tree ${plan.seed} ${i}`),
      parents: i === 0 ? [] : parents.map((p) => this.hash(p)),
      author,
      email,
      time: new Date(
        plan.newest - (plan.count - 1 - i) * plan.step - ((i * 7919) % 900) * (plan.step / 2000),
      ).toISOString(),
      message: plan.subject(i),
      changes: plan.touched(i).map((path) => ({
        path,
        kind: i < 13 ? 'added' : 'modified',
        old: i < 13 ? '0'.repeat(40) : textHash(`${path}${i - 1}`),
        new: textHash(`${path}${i}`),
      })),
    };
  }
}

/** Forty digits that follow from a text. */
export function textHash(text: string): string {
  let x = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) x = Math.imul(x ^ text.charCodeAt(i), 0x01000193) >>> 0;
  let out = '';
  for (let part = 0; part < 5; part += 1) {
    out += x.toString(16).padStart(8, '0');
    x = (Math.imul(x ^ (x >>> 13), 1664525) + 1013904223) >>> 0;
  }
  return out;
}

/** Side branches in every twentieth, and now and then a criss-cross merge and an octopus. */
export function braided(i: number): number[] {
  const at = i % 20;
  const wild = Math.floor(i / 20) % 3 === 1;
  if (at >= 8 && at <= 16 && !wild) return [i - 1];
  const back: Record<number, number[]> = {
    3: [2],
    4: [2],
    5: [2],
    6: [1, 2],
    9: [2],
    10: [2, 1],
    11: [2, 3],
    12: [2, 1],
    14: [2],
    15: [3],
    16: [3, 2, 1],
  };
  return (back[at] ?? [1]).map((n) => i - n);
}

const paths = [
  'README.md',
  'Dockerfile',
  'compose.yaml',
  'src/server.ts',
  'src/cart.ts',
  'src/items.ts',
  'src/db.ts',
  'src/search/index.ts',
  'test/cart.test.ts',
  'test/items.test.ts',
  'assets/app.css',
  'config/limits.conf',
  'docs/deploy.md',
];
const verbs = ['Answer', 'Keep', 'Count', 'Refuse', 'Name', 'Sort', 'Cache', 'Show', 'Split', 'Bound'];
const things = [
  'items by page',
  'an empty cart',
  'the search index',
  'slow queries',
  'a coupon twice',
  'prices in cents',
  'the checkout',
  'sessions after a restart',
  'stock per warehouse',
];

export function shopTouched(i: number): string[] {
  const first = paths[(i * 5) % 13]!;
  return i % 7 === 3 ? [first, paths[(i * 5 + 4) % 13]!].sort() : [first];
}
export function shopSubject(i: number): string {
  if (braided(i).length > 2) return 'Merge the three ways to count stock';
  if (braided(i).length > 1) return `Merge “${verbs[(i * 3) % 10]} ${things[(i * 5) % 9]}”`;
  const body =
    i % 4 === 1
      ? '\n\nIt was counted per request before, which made\nthe first page slow after a restart.'
      : '';
  return `${verbs[(i * 7) % 10]} ${things[(i * 11) % 9]}${body}`;
}

/** The shop's files at a commit: each touch has changed one line, now and then made two of it. */
export function shopFiles(i: number): Files {
  const out = new Map(paths.map((path) => [path, [] as number[]]));
  for (let j = i; j >= Math.max(0, i - 520); j -= 1) {
    for (const path of shopTouched(j)) {
      const stamps = out.get(path)!;
      const line = (j * 7) % 30;
      stamps[line] ??= j;
    }
  }
  const files = new Map<string, string>();
  for (const [path, stamps] of out) {
    const text = Array.from({ length: 30 }, (_, k) => line(path, k, stamps[k] ?? 0)).join('\n');
    files.set(path, `${text}\n`);
  }
  return files.set('assets/logo.png', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x80');
}

function line(path: string, k: number, stamp: number): string {
  const n = 20 + ((stamp * 13 + k) % 80);
  const more = stamp % 5 === 4;
  if (path.endsWith('.ts')) {
    const code = `const part${k} = await fetchItems({ limit: ${n}, after: cursor${k % 5} });`;
    return more ? `// The first ${n} are enough for a page.\n${code}` : code;
  }
  if (path.endsWith('.css')) return `.item-${k} { margin: ${n % 9}px; padding: ${n}px; }`;
  if (path.endsWith('.md'))
    return k % 6 === 0 ? '' : `Step ${k}: wait at most ${n} seconds, then look at the log.`;
  return more ? `# measured on a quiet machine\nlimit-${k} = ${n}` : `limit-${k} = ${n}`;
}
