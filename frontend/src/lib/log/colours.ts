/**
 * Terminal colours in the window's themes. The first sixteen are tokens; any
 * other is moved towards black or white until it can be read (WCAG AA) on the
 * surface. A background is drawn as a block of the colour with text in the
 * colour of the surface, so it has the same contrast.
 */
import { rgb, type Colour, type Style } from './ansi';

/** --surface-1 of both themes; a test holds them equal. */
export const surfaces = { light: 0xffffff, dark: 0x15181c };

export interface Look {
  class: string;
  /** Custom properties: the colour in light and in dark. */
  css: string;
}

const looks = new Map<Style, Look>();

/** How a style looks: classes of AnsiText, and colours that no token has. */
export function look(style: Style): Look {
  let found = looks.get(style);
  if (!found) {
    if (looks.size > 4096) looks.clear();
    looks.set(style, (found = make(style)));
  }
  return found;
}

function make(style: Style): Look {
  const block = style.bg ?? (style.reverse ? style.fg : null);
  const colour = block ?? style.fg;
  const names = [
    style.bold && 'bold',
    style.italic && 'italic',
    style.underline && 'underline',
    (block !== null || style.reverse) && 'block',
    style.dim && colour === null && !style.reverse && 'dim',
    colour !== null && 'tinted',
  ];
  return { class: names.filter(Boolean).join(' '), css: colour === null ? '' : css(colour) };
}

function css(colour: Colour): string {
  if (colour < 16) return `--c: var(--ansi-${colour}); --d: var(--ansi-${colour})`;
  const value = colour >= rgb ? colour - rgb : palette(colour);
  return `--c: ${hex(legible(value, 'light'))}; --d: ${hex(legible(value, 'dark'))}`;
}

/** The value of 16–255: a cube of six steps a side, then greys. */
function palette(n: number): number {
  if (n >= 232) return (8 + (n - 232) * 10) * 0x10101;
  const step = (i: number) => (i === 0 ? 0 : 55 + i * 40);
  const i = n - 16;
  return step(Math.floor(i / 36)) * 65536 + step(Math.floor(i / 6) % 6) * 256 + step(i % 6);
}

/** The colour, as near as can be, that has a contrast of 4.5 with the theme's surface. */
export function legible(value: number, theme: keyof typeof surfaces): number {
  const to = theme === 'light' ? 0 : 0xffffff;
  let [low, high] = [0, 16];
  while (low < high) {
    const mid = (low + high) >> 1;
    if (contrast(mix(value, to, mid / 16), surfaces[theme]) >= 4.5) high = mid;
    else low = mid + 1;
  }
  return mix(value, to, low / 16);
}

export function contrast(a: number, b: number): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

function luminance(value: number): number {
  const [r, g, b] = channels(value).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  ) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function mix(value: number, to: number, part: number): number {
  const [a, b] = [channels(value), channels(to)];
  return a.reduce((sum, c, i) => sum * 256 + Math.round(c + (b[i]! - c) * part), 0);
}
function channels(value: number): number[] {
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
function hex(value: number): string {
  return `#${value.toString(16).padStart(6, '0')}`;
}
