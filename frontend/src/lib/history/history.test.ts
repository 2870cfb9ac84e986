import { describe, expect, test } from 'vitest';
import type { Bridge, Commit, LogPage, LogQuestion } from '$lib/bridge';
import { Problem } from '$lib/bridge';
import { FakeBridge } from '$lib/bridge/fake';
import { layout, noLanes, type GraphRow, type Node } from './graph';
import { CommitLog, newOnes } from './log.svelte';
import { diffLines, sideLines } from './unified';

/** "c:b,a" is commit c with parents b and a. */
function nodes(text: string): Node[] {
  return text.split(' ').map((word) => {
    const [hash = '', parents = ''] = word.split(':');
    return { hash, parents: parents ? parents.split(',') : [] };
  });
}
/** Each row as its lane, then its lines: ^ up, v down, | by. */
function draw(rows: GraphRow[]): string[] {
  const signs = { up: '^', down: 'v', by: '|' };
  return rows.map(({ lane, lines }) =>
    [lane, ...lines.map((l) => `${signs[l.kind]}${l.from}${l.from === l.to ? '' : l.to}`)].join(' '),
  );
}
const lanesOf = (text: string) => draw(layout(nodes(text), noLanes()).rows);

describe('the commit graph', () => {
  test.each([
    ['a line', 'c:b b:a a', ['0 v0', '0 ^0 v0', '0 ^0']],
    ['a side branch', 'm:c,s c:b s:b b', ['0 v0 v01', '0 ^0 v0 |1', '1 ^1 v10 |0', '0 ^0']],
    [
      'a side branch listed first: the main line stays left',
      'm:c,s s:b c:b b',
      ['0 v0 v01', '1 ^1 v1 |0', '0 ^0 v0 |10', '0 ^0'],
    ],
    [
      'a criss-cross',
      'x:p,q p:a,b q:b,a a:r b:r r',
      ['0 v0 v01', '0 ^0 v0 v02 |1', '1 ^1 v1 v10 |0 |21', '0 ^0 v0 |1', '1 ^1 v10 |0', '0 ^0'],
    ],
    [
      'an octopus',
      'o:a,b,c a:r b:r c:r r',
      ['0 v0 v01 v02', '0 ^0 v0 |1 |2', '1 ^1 v10 |0 |2', '2 ^2 v20 |0', '0 ^0'],
    ],
    ['two roots', 'b:a y:x a x', ['0 v0', '1 v1 |0', '0 ^0 |1', '1 ^1']],
    [
      'a freed lane is used again',
      'm:b,s s:b n:b,t t:b b',
      ['0 v0 v01', '1 ^1 v10 |0', '1 v10 v1 |0', '1 ^1 v10 |0', '0 ^0'],
    ],
    ['a parent twice', 'b:a,a a', ['0 v0', '0 ^0']],
    ['a parent above its child', 'a b:a c:b', ['0', '0', '0']],
  ])('%s', (_, text, want) => expect(lanesOf(text)).toEqual(want));

  test('page by page gives what all at once gives, and every line has both ends', async () => {
    const fake = new FakeBridge('busy');
    const { commits } = await fake.dataLog({ branch: 'main', limit: 1000 });
    fake.close();
    const all = layout(commits, noLanes()).rows;
    let lanes = noLanes();
    const pages: GraphRow[] = [];
    for (let i = 0; i < commits.length; i += 37) {
      const page = layout(commits.slice(i, i + 37), lanes);
      lanes = page.lanes;
      pages.push(...page.rows);
    }
    expect(pages).toEqual(all);
    for (const [i, row] of all.slice(0, -1).entries()) {
      const below = new Set(row.lines.filter((l) => l.kind !== 'up').map((l) => l.to));
      const above = new Set(all[i + 1]!.lines.filter((l) => l.kind !== 'down').map((l) => l.from));
      expect(above).toEqual(below);
    }
    expect(Math.max(...all.map((row) => row.width))).toBeLessThan(6);
  });

  test('a hundred thousand commits are laid out quickly', () => {
    const list = Array.from({ length: 100_000 }, (_, i) => ({
      hash: String(i),
      parents: i % 10 ? [String(i + 1)] : [String(i + 1), String(i + 4)],
    }));
    const from = performance.now();
    expect(layout(list, noLanes()).rows).toHaveLength(100_000);
    expect(performance.now() - from).toBeLessThan(3000);
  });
});

describe('a unified diff', () => {
  const diff = [
    'diff --git a/x b/x',
    '--- a/x',
    '+++ b/x',
    '@@ -1,4 +1,4 @@ fn',
    ' first',
    '--- two dashes',
    '+++ two pluses',
    '-const limit = 20;',
    '+const limit = 30;',
    ' last',
    '@@ -9 +9 @@',
    '-a',
    '+b',
    '\\ No newline at end of file',
    '',
  ].join('\n');

  test('counts its lines, and takes a line of dashes for text', () => {
    expect(diffLines(diff).map(({ kind, text, old, new: now }) => [kind, text, old, now])).toEqual([
      ['hunk', 'fn', 1, 1],
      ['same', 'first', 1, 1],
      ['old', '-- two dashes', 2, undefined],
      ['new', '++ two pluses', undefined, 2],
      ['old', 'const limit = 20;', 3, undefined],
      ['new', 'const limit = 30;', undefined, 3],
      ['same', 'last', 4, 4],
      ['hunk', '', 9, 9],
      ['old', 'a', 9, undefined],
      ['new', 'b', undefined, 9],
    ]);
  });
  test('marks the words that differ, but not where all does', () => {
    const of = (a: string, b: string) => diffLines(`@@ -1 +1 @@\n-${a}\n+${b}\n`).slice(1);
    const marked = of('const limit = 20;', 'const limit = 300;').map((l) => l.text.slice(...l.mark!));
    expect(marked).toEqual(['20', '300']);
    expect(of('alpha beta', 'gamma delta').map((l) => l.mark)).toEqual([undefined, undefined]);
    expect(
      of('same words', 'same more words')
        .map((l) => l.text.slice(...l.mark!))
        .at(1),
    ).toContain('more');
  });
  test('stands side by side', () => {
    const pairs = sideLines(diffLines('@@ -1,2 +1,3 @@\n-a\n+b\n+c\n d\n').slice(1));
    expect(pairs.map((p) => [p.old?.text, p.new?.text])).toEqual([
      ['a', 'b'],
      [undefined, 'c'],
      ['d', 'd'],
    ]);
  });
  test('nothing and nonsense have no lines', () => {
    expect(diffLines('')).toEqual([]);
    expect(diffLines('@@ nonsense\n+x')).toEqual([]);
  });
});

describe('reading a history', () => {
  function paged(list: string[]) {
    const asked: LogQuestion[] = [];
    const answer = { fail: false };
    const bridge = {
      dataLog: async (q: LogQuestion): Promise<LogPage> => {
        asked.push(q);
        if (answer.fail) throw new Problem('unavailable', 'Gone.');
        const at = q.from ? list.indexOf(q.from) : 0;
        const end = at + Math.min(q.limit ?? 100, 300);
        const commits = list
          .slice(at, end)
          .map((hash, i) => ({ hash, parents: [list[at + i + 1]] }) as unknown as Commit);
        return end < list.length ? { commits, next: list[end]! } : { commits };
      },
    } as unknown as Bridge;
    return { log: new CommitLog(bridge), asked, answer };
  }
  const hashes = (log: CommitLog) => log.entries?.map((e) => e.commit.hash);
  const names = (n: number) => Array.from({ length: n }, (_, i) => `c${i}`);

  test('goes on with the next page until the end', async () => {
    const list = names(700);
    const { log, asked } = paged(list);
    await log.ask({ branch: 'main' });
    expect(log.more).toBe(true);
    while (log.more) await log.older();
    expect(hashes(log)).toEqual(list);
    expect(asked.map((q) => q.from)).toEqual([undefined, 'c200', 'c500']);
    await log.older();
    expect(asked).toHaveLength(3);
  });

  test('puts new commits on top without losing what was read', async () => {
    const list = names(500);
    const { log } = paged(list);
    await log.ask({ branch: 'main' });
    await log.older();
    list.unshift('n1', 'n2');
    await log.refresh();
    expect(hashes(log)).toEqual(list);
    expect([log.shifted, log.more]).toEqual([-2, false]);
    expect(log.entries?.[2]?.graph?.lines).toContainEqual({ kind: 'up', from: 0, to: 0 });
  });

  test('begins again when the branch was turned back or merged', async () => {
    const list = names(500);
    const { log } = paged(list);
    await log.ask({ branch: 'main' });
    await log.older();
    list.splice(3, 1);
    await log.refresh();
    expect(hashes(log)).toEqual(list.slice(0, 200));
    expect(log.more).toBe(true);
  });

  test('the answer to a former question is not shown, and a failure says why', async () => {
    const { log, answer } = paged(names(10));
    const first = log.ask({ branch: 'a' });
    await Promise.all([first, log.ask({ branch: 'b', path: 'x' })]);
    expect(log.asked.branch).toBe('b');
    expect(log.entries?.[0]?.graph).toBeUndefined();
    answer.fail = true;
    await log.ask({ branch: 'c' });
    expect([log.problem?.message, log.entries, log.loading]).toEqual(['Gone.', null, false]);
  });

  test('tells how many commits are new', () => {
    const of = (text: string) => [...text].map((hash) => ({ hash }));
    expect(newOnes(of('abc'), of('abc'))).toBe(0);
    expect(newOnes(of('xab'), of('abc'))).toBe(1);
    expect(newOnes(of('xaybc'), of('abc'))).toBe(-1);
    expect(newOnes(of('xyz'), of('abc'))).toBe(-1);
    expect(newOnes(of('ab'), of('a'))).toBe(0);
  });
});
