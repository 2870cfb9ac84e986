import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const css = readFileSync('src/lib/styles/tokens.css', 'utf8');

function block(selector: RegExp): Record<string, string> {
  const body = selector.exec(css)![1]!;
  return Object.fromEntries(
    [...body.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, name, value]) => [name!, value!]),
  );
}
const palette = block(/:root \{([^}]*)\}/);
const themes = {
  light: block(/:root\[data-theme='light'\] \{([^}]*)\}/),
  dark: block(/:root\[data-theme='dark'\] \{([^}]*)\}/),
};

type Rgba = [number, number, number, number];
function colour(theme: Record<string, string>, name: string): Rgba {
  const value = theme[name]!;
  const hex = (/var\(--([\w-]+)\)/.exec(value) ? palette[/var\(--([\w-]+)\)/.exec(value)![1]!]! : value)
    .slice(1)
    .padEnd(8, 'f');
  return [0, 2, 4, 6].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255) as Rgba;
}
function over([r, g, b, a]: Rgba, under: Rgba): Rgba {
  const mix = (x: number, y: number) => x * a + y * (1 - a);
  return [mix(r, under[0]), mix(g, under[1]), mix(b, under[2]), 1];
}
function luminance([r, g, b]: Rgba): number {
  const [x, y, z] = [r, g, b].map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [
    number,
    number,
    number,
  ];
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}

/** WCAG 2.2, 1.4.3: at least 4.5 for text. */
describe.each(Object.entries(themes))('contrast in the %s theme', (_, theme) => {
  const surfaces = ['surface-1', 'surface-2', 'bg'];
  const texts = ['text-1', 'text-2', 'text-3', 'accent', 'ok', 'warn', 'error', 'paused'];
  const pairs = [
    ...surfaces.flatMap((under) => texts.map((text) => [text, under])),
    ...['ok', 'warn', 'error'].flatMap((tone) => [
      ['text-1', `${tone}-soft`],
      ['text-2', `${tone}-soft`],
    ]),
    ['text-1', 'accent-soft'],
    ['text-2', 'accent-soft'],
    ['text-2', 'surface-3'],
    ['on-accent', 'accent'],
    ['text-1', 'mark'],
    ...Array.from({ length: 16 }, (_, i) => [`ansi-${i}`, 'surface-1']),
  ];
  test.each(pairs)('%s on %s', (text, under) => {
    const below = over(colour(theme, under!), colour(theme, 'surface-1'));
    const [a, b] = [luminance(colour(theme, text!)), luminance(below)];
    expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThanOrEqual(4.5);
  });
});
