import { describe, expect, test } from 'vitest';
import { ago, binary, bytes, clock, count, endpoint, exact, percent, plural, rate, span } from './format';
import { Columns, type Column } from './columns.svelte';
import { Ring } from './ring.svelte';
import { Selection } from './selection.svelte';

describe('format', () => {
  test.each([
    [bytes(0), '0 B'],
    [bytes(999), '999 B'],
    [bytes(999.6), '1.0 kB'],
    [bytes(1_234_567), '1.2 MB'],
    [bytes(123_456_789), '123 MB'],
    [bytes(-1), '0 B'],
    [binary(1 << 30), '1.0 GiB'],
    [rate(1200), '1.2 kB/s'],
    [percent(0.44), '0.4 %'],
    [percent(99.6), '100 %'],
    [count(1234567), '1\u202f234\u202f567'],
    [plural(1, 'packet'), '1 packet'],
    [plural(2, 'entry', 'entries'), '2 entries'],
    [span(0.34), '340 µs'],
    [span(34), '34 ms'],
    [span(999.7), '1.0 s'],
    [span(2400), '2.4 s'],
    [span(185_000), '3 min 5 s'],
    [span(7_800_000), '2 h 10 min'],
    [span(90_000_000), '1 d 1 h'],
    [endpoint('10.0.0.1', 80), '10.0.0.1:80'],
    [endpoint('::1', 80), '[::1]:80'],
    [endpoint('5a:94:ef:e4:0c:ee', 0), '5a:94:ef:e4:0c:ee'],
  ])('%s', (got, want) => expect(got).toBe(want));

  test('times', () => {
    const at = new Date(2026, 10, 24, 9, 5, 7, 42).toISOString();
    expect(exact(at)).toBe('2026-11-24 09:05:07');
    expect(clock(at)).toBe('09:05:07.042');
    const now = Date.parse(at);
    expect([1, 34, 150, 7300, 200_000, 4e6].map((s) => ago(at, now + s * 1000))).toEqual([
      'just now',
      '34 s ago',
      '2 min ago',
      '2 h ago',
      '2 d ago',
      '2026-11-24',
    ]);
    expect([exact('x'), clock('x'), ago('x', 0)]).toEqual(['–', '–', '–']);
  });
});

describe('Columns', () => {
  interface Item {
    name: string;
    n: number;
  }
  const all: Column<Item>[] = [
    { id: 'name', title: 'Name', width: 100, text: (i) => i.name, sort: (i) => i.name },
    { id: 'n', title: 'N', width: 50, text: (i) => String(i.n), sort: (i) => i.n },
    { id: 'x', title: 'X', width: 50, text: () => '', hidden: true },
  ];
  const items = [
    { name: 'b', n: 10 },
    { name: 'a', n: 9 },
    { name: 'a', n: 10 },
  ];

  test('sorts up, down, and not', () => {
    const columns = new Columns('t1', all);
    const order = () =>
      columns
        .arrange(items)
        .map((i) => `${i.name}${i.n}`)
        .join(' ');
    columns.sortBy(all[1]!);
    expect(order()).toBe('a9 b10 a10');
    columns.sortBy(all[1]!);
    expect(order()).toBe('b10 a10 a9');
    columns.sortBy(all[1]!);
    expect(order()).toBe('b10 a9 a10');
  });

  test('remembers widths and what is shown, and keeps one column', () => {
    const columns = new Columns('t2', all);
    columns.resize(all[0]!, 177);
    columns.toggle(all[1]!);
    const again = new Columns('t2', all);
    expect(again.width(all[0]!)).toBe(177);
    expect(again.shown.map((c) => c.id)).toEqual(['name']);
    again.toggle(all[0]!);
    expect(again.shown.map((c) => c.id)).toEqual(['name']);
    again.reset();
    expect(again.shown.map((c) => c.id)).toEqual(['name', 'n']);
  });
});

test('Selection grows from where it began', () => {
  const s = new Selection();
  const order = [1, 2, 3, 4, 5];
  s.only(3);
  s.extend(5, order);
  expect([...s.keys]).toEqual([3, 4, 5]);
  s.extend(2, order);
  expect([...s.keys]).toEqual([2, 3]);
  expect(s.cursor).toBe(2);
  s.toggle(5);
  s.toggle(2);
  expect([...s.keys]).toEqual([3, 5]);
});

test('Ring keeps the newest and counts the rest', () => {
  const ring = new Ring<number>(3);
  ring.push([1, 2]);
  ring.push([3, 4, 5]);
  expect([...ring.items]).toEqual([3, 4, 5]);
  expect(ring.dropped).toBe(2);
});
