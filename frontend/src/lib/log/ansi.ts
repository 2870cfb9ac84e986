/**
 * Terminal output as styled text: SGR in 16, 256 and true colours, bold, dim,
 * italic, underline, reverse, carriage return, backspace, tab and "erase line".
 * All else that steers a terminal is left out. Whatever the input, the answer is
 * bounded and holds no control character: a log is written by strangers.
 */

/** 0–15: the terminal's own, 16–255: the palette, from `rgb` on: red, green and blue in the low 24 bits. */
export type Colour = number;
export const rgb = 0x1000000;

export interface Style {
  fg: Colour | null;
  bg: Colour | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  reverse: boolean;
}
export interface Piece {
  text: string;
  style: Style;
}

export const plain: Style = {
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  reverse: false,
};

/** Longer lines are cut here. */
export const maxLine = 10_000;

// C0, DEL, C1, and the marks that make text run the other way.
// eslint-disable-next-line no-control-regex
const special = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
// eslint-disable-next-line no-control-regex
const csi = /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])/y;
// eslint-disable-next-line no-control-regex
const other = /\x1b(?:[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|[ -/]*[0-Z\\^-~]?)/y;

/** The style that holds after a line, without looking at its text. */
export function after(line: string, style: Style): Style {
  if (!line.includes('\x1b') && !line.includes('\x9b')) return style;
  let now = style;
  for (let i = 0; i < line.length;) {
    const code = line.charCodeAt(i);
    if (code !== 0x1b && code !== 0x9b) {
      i += 1;
      continue;
    }
    const [end, params, final] = sequence(line, i);
    if (final === 'm') now = sgr(params, now);
    i = end;
  }
  return now;
}

/** The pieces of one line that begins in `style`. */
export function parse(line: string, style: Style): Piece[] {
  if (line.length > maxLine * 4) line = line.slice(0, maxLine * 4);
  if (!special.test(line)) return line ? [{ text: cut(line), style }] : [];
  const cells: string[] = [];
  const styles: Style[] = [];
  let at = 0;
  for (let i = 0; i < line.length;) {
    const char = String.fromCodePoint(line.codePointAt(i)!);
    if (char === '\x1b' || char === '\x9b') {
      const [end, params, final] = sequence(line, i);
      if (final === 'm') style = sgr(params, style);
      else if (final === 'K') at = erase(cells, styles, at, params);
      i = end;
      continue;
    }
    i += char.length;
    if (char === '\r') at = 0;
    else if (char === '\b') at = Math.max(0, at - 1);
    else if (char === '\t') {
      do put(' ');
      while (at % 8 !== 0 && at < maxLine);
    } else if (!special.test(char)) put(char);
    else if (char >= '\u2000') put('\ufffd');
  }
  return join(cells, styles);

  function put(char: string): void {
    if (at >= maxLine) return;
    cells[at] = char;
    styles[at] = style;
    at += 1;
  }
}

/** The text alone. */
export function text(line: string): string {
  return special.test(line)
    ? parse(line, plain)
        .map((piece) => piece.text)
        .join('')
    : cut(line);
}

function cut(line: string): string {
  return line.length > maxLine ? line.slice(0, maxLine) : line;
}

/** Where the sequence that begins at `i` ends, its parameters, and its last letter if it is a CSI. */
function sequence(line: string, i: number): [end: number, params: string, final: string] {
  csi.lastIndex = i;
  const found = csi.exec(line);
  if (found) return [csi.lastIndex, found[1]!, found[2]!];
  other.lastIndex = i;
  return [other.test(line) && other.lastIndex > i ? other.lastIndex : i + 1, '', ''];
}

/** Erases to the end (0), the whole line (2), or, by blanks, up to here (1). */
function erase(cells: string[], styles: Style[], at: number, params: string): number {
  if (params === '1') {
    cells.fill(' ', 0, at);
    styles.fill(plain, 0, at);
  } else cells.length = styles.length = params === '2' ? 0 : Math.min(at, cells.length);
  return at;
}

function join(cells: string[], styles: Style[]): Piece[] {
  const pieces: Piece[] = [];
  for (let i = 0; i < cells.length; i += 1) {
    const char = cells[i] ?? ' '; // never written: skipped after an erased line
    const style = styles[i] ?? plain;
    const last = pieces.at(-1);
    if (last?.style === style) last.text += char;
    else pieces.push({ text: char, style });
  }
  return pieces;
}

function sgr(params: string, style: Style): Style {
  const parts = params.split(';', 32);
  const now = { ...style };
  for (let i = 0; i < parts.length; i += 1) {
    const [first = '', ...sub] = parts[i]!.split(':');
    const n = Number(first || 0);
    if (n === 38 || n === 48) {
      // 38;2;r;g;b and 38;5;n, or as one part 38:2::r:g:b and 38:5:n.
      const words = sub.length ? sub : parts.slice(i + 1, i + 5);
      const [colour, used] = extended(words, sub.length > 4);
      if (!sub.length) i += used;
      if (colour !== null) now[n === 38 ? 'fg' : 'bg'] = colour;
    } else set(now, n, sub[0]);
  }
  return now;
}

function extended(words: string[], spaced: boolean): [Colour | null, number] {
  const byte = (word: string | undefined) => Math.max(0, Math.min(255, Number(word) || 0));
  if (words[0] === '5') return [words[1] === undefined ? null : byte(words[1]), 2];
  if (words[0] !== '2') return [null, 1];
  const [r, g, b] = words.slice(spaced ? 2 : 1);
  if (b === undefined) return [null, 4];
  return [rgb + byte(r) * 65536 + byte(g) * 256 + byte(b), 4];
}

function set(style: Style, n: number, sub: string | undefined): void {
  if (n === 0) Object.assign(style, plain);
  else if (n === 1) style.bold = true;
  else if (n === 2) style.dim = true;
  else if (n === 3) style.italic = true;
  else if (n === 4) style.underline = sub !== '0';
  else if (n === 7) style.reverse = true;
  else if (n === 22) style.bold = style.dim = false;
  else if (n === 23) style.italic = false;
  else if (n === 24) style.underline = false;
  else if (n === 27) style.reverse = false;
  else if (n >= 30 && n <= 37) style.fg = n - 30;
  else if (n === 39) style.fg = null;
  else if (n >= 40 && n <= 47) style.bg = n - 40;
  else if (n === 49) style.bg = null;
  else if (n >= 90 && n <= 97) style.fg = n - 82;
  else if (n >= 100 && n <= 107) style.bg = n - 92;
}
