import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { after, maxLine, parse, plain, rgb, text, type Style } from './ansi';
import { contrast, legible, look, surfaces } from './colours';
import { Lines } from './lines.svelte';

const e = '\x1b[';
const style = (more: Partial<Style>): Style => ({ ...plain, ...more });
const show = (line: string) =>
  parse(line, plain).map(({ text, style }) => {
    const set = Object.entries(style).filter(([key, value]) => value !== plain[key as keyof Style]);
    return [text, Object.fromEntries(set)];
  });

describe('terminal output', () => {
  test.each<[string, unknown]>([
    ['', []],
    ['plain', [['plain', {}]]],
    [
      `${e}31mred${e}0m not`,
      [
        ['red', { fg: 1 }],
        [' not', {}],
      ],
    ],
    [`${e}1;2;3;4;7mx`, [['x', { bold: true, dim: true, italic: true, underline: true, reverse: true }]]],
    [
      `${e}1;31ma${e}22mb${e}39mc`,
      [
        ['a', { bold: true, fg: 1 }],
        ['b', { fg: 1 }],
        ['c', {}],
      ],
    ],
    [`${e}97;101mx`, [['x', { fg: 15, bg: 9 }]]],
    [
      `${e}38;5;208mx${e}mz`,
      [
        ['x', { fg: 208 }],
        ['z', {}],
      ],
    ],
    [`${e}38;2;255;0;16;1mx`, [['x', { fg: rgb + 0xff0010, bold: true }]]],
    [`${e}38:2::1:2:3mx`, [['x', { fg: rgb + 0x010203 }]]],
    [`${e}48:5:9;4mx`, [['x', { bg: 9, underline: true }]]],
    [`${e}38;5mx`, [['x', {}]]],
    [`${e}38;2;1mx`, [['x', {}]]],
    ['10%\r20%\r100%, done', [['100%, done', {}]]],
    ['abcdef\rXY', [['XYcdef', {}]]],
    [`abcdef\r${e}KXY`, [['XY', {}]]],
    [`abc${e}2K\rx`, [['x', {}]]],
    [`abc${e}1Kd`, [['   d', {}]]],
    ['ab\b\bX', [['Xb', {}]]],
    ['\b\bX', [['X', {}]]],
    ['a\tb', [['a       b', {}]]],
    ['done\r', [['done', {}]]],
    [`a\x07${e}?25lb${e}2Jc\x1b(Bd`, [['abcd', {}]]],
    ['a\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x07z', [['alinkz', {}]]],
    ['\x1b]0;title that never ends', []],
    ['\x9b32mx', [['x', { fg: 2 }]]],
    ['abc\u202edcba', [['abc\ufffddcba', {}]]],
    [`x${e}`, [['x[', {}]]],
    ['x\x1b', [['x', {}]]],
    ['née 🚢', [['née 🚢', {}]]],
  ])('%j', (line, want) => expect(show(line)).toEqual(want));

  test('a style lasts until it is taken back, on later lines too', () => {
    const first = after(`${e}1;33mwarn`, plain);
    expect(first).toEqual(style({ bold: true, fg: 3 }));
    expect(parse('next', first)).toEqual([{ text: 'next', style: first }]);
    expect(after(`${e}0m`, first)).toEqual(plain);
    expect(after('no colour', first)).toBe(first);
  });

  test('any bytes give bounded text without a control, and the style both ways agree on', () => {
    let seed = 7;
    const below = (n: number) => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
    const bits = [
      '\x1b',
      '[',
      '\x9b',
      ']',
      '\x07',
      ';',
      ':',
      '38',
      '5',
      '2',
      '1',
      '999999999999',
      'm',
      'K',
      '\r',
      '\b',
      '\t',
      'a',
      '🚢',
      '\ud800',
      '\0',
      '\u202e',
      ' ',
      '\\',
      '(',
      'P',
      '\x7f',
    ];
    let now = plain;
    for (let round = 0; round < 4000; round += 1) {
      const line = Array.from({ length: below(24) }, () => bits[below(bits.length)]).join('');
      const pieces = parse(line, now);
      const all = pieces.map((p) => p.text).join('');
      // eslint-disable-next-line no-control-regex
      expect(all).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      expect(all.length).toBeLessThanOrEqual(line.length * 8);
      const next = after(line, now);
      expect(pieces.every((p) => p.text.length > 0)).toBe(true);
      for (const colour of [next.fg, next.bg]) expect(colour ?? 0).toBeLessThanOrEqual(rgb + 0xffffff);
      const end = parse(`${line}${e}Z$`, now).at(-1);
      if (end?.text.endsWith('$')) expect(end.style).toEqual(after(`${line}${e}Z`, now));
      now = next;
    }
  });

  test('a line without an end is cut, however it is written', () => {
    const long = 'x'.repeat(maxLine * 9);
    expect(text(long)).toHaveLength(maxLine);
    expect(text(`${e}1m${long}`)).toHaveLength(maxLine);
    expect(text('\t'.repeat(maxLine)).length).toBeLessThanOrEqual(maxLine);
  });
});

describe('colours', () => {
  test('the surfaces are those of the tokens', () => {
    const css = readFileSync('src/lib/styles/tokens.css', 'utf8');
    expect(css).toContain(`--grey-0: #${surfaces.light.toString(16)}`);
    expect(css).toContain(`--grey-11: #${surfaces.dark.toString(16)}`);
  });
  test('any colour can be read in both themes, and one that can stays as it is', () => {
    for (let value = 0; value <= 0xffffff; value += 0x0b0d11) {
      for (const theme of ['light', 'dark'] as const) {
        const made = legible(value, theme);
        expect(contrast(made, surfaces[theme])).toBeGreaterThanOrEqual(4.5);
        if (contrast(value, surfaces[theme]) >= 4.5) expect(made).toBe(value);
      }
    }
  });
  test('the first sixteen are tokens, a background is a block', () => {
    expect(look(style({ fg: 1 }))).toEqual({
      class: 'tinted',
      css: '--c: var(--ansi-1); --d: var(--ansi-1)',
    });
    expect(look(style({ fg: 15, bg: 1 })).class).toBe('block tinted');
    expect(look(style({ reverse: true })).class).toBe('block');
    expect(look(style({ dim: true })).class).toBe('dim');
    expect(look(style({ fg: 231 })).css).toMatch(/^--c: #[0-9a-f]{6}; --d: #ffffff$/);
  });
});

describe('Lines', () => {
  test('keeps the newest, counts the rest, carries styles over, and finds', async () => {
    const lines = new Lines(100);
    lines.push([`${e}31mred`, 'still red', `${e}0mplain`]);
    expect(lines.view.slice(1, 2)).toEqual([{ text: 'still red', style: style({ fg: 1 }) }]);
    expect(await lines.find('RED', new AbortController().signal)).toEqual([0, 1]);
    lines.push(Array.from({ length: 98 }, (_, i) => `line ${i}`));
    expect([lines.view.length, lines.dropped]).toEqual([90, 11]);
    expect(lines.view.slice(0, 1)[0]!.text).toBe('line 8');
    expect(lines.widest).toBe(9);
    const stopped = new AbortController();
    stopped.abort();
    expect(await lines.find('line', stopped.signal)).toEqual([]);
  });

  test('a hundred thousand lines are taken in at once', () => {
    const lines = new Lines();
    const batch = Array.from({ length: 1000 }, (_, i) => `${e}32m✓${e}0m test ${i} ${e}2m(3 ms)${e}0m`);
    const from = performance.now();
    for (let i = 0; i < 100; i += 1) lines.push(batch);
    expect(lines.view.length).toBe(100_000);
    expect(performance.now() - from).toBeLessThan(3000);
  });
});
