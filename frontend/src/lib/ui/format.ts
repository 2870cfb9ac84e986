/**
 * Numbers and times as the whole window writes them. No Intl: a process started
 * without a locale gives the web view the language "C", on which Intl throws.
 */

const sizes = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** 1234567 → "1.2 MB". Powers of 1000, as networks count. */
export function bytes(n: number): string {
  return scaled(n, 1000, sizes);
}

/** 1073741824 → "1.0 GiB". Powers of 1024, as memory and disks are set. */
export function binary(n: number): string {
  return scaled(n, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`;
}

function scaled(n: number, step: number, units: string[]): string {
  let value = Math.max(0, n);
  let unit = 0;
  while (value >= step * 0.9995 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 80331 → "80 331", with a thin no-break space. */
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** "1 packet", "2 packets". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function percent(n: number): string {
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} %`;
}

/** A span: "340 µs", "34 ms", "2.4 s", "3 min 5 s", "2 h 10 min", "4 d 2 h". */
export function span(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return min < 10 ? both(min, 'min', Math.floor(s % 60), 's') : `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 24) return both(h, 'h', min % 60, 'min');
  return both(Math.floor(h / 24), 'd', h % 24, 'h');
}

function both(a: number, unitA: string, b: number, unitB: string): string {
  return b === 0 ? `${a} ${unitA}` : `${a} ${unitA} ${b} ${unitB}`;
}

/** "just now", "34 s ago", "2 min ago", "3 h ago", "4 d ago", then the date. */
export function ago(time: string, now: number): string {
  const s = (now - Date.parse(time)) / 1000;
  if (Number.isNaN(s)) return '–';
  if (s < 2) return 'just now';
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 30 * 86400) return `${Math.floor(s / 86400)} d ago`;
  return exact(time).slice(0, 10);
}

/** Local time, "2026-11-24 14:02:11". */
export function exact(time: string): string {
  const t = new Date(time);
  if (Number.isNaN(t.getTime())) return '–';
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(time).slice(0, 8)}`;
}

/** Local time of day to the millisecond, "14:02:11.123". */
export function clock(time: string): string {
  const t = new Date(time);
  if (Number.isNaN(t.getTime())) return '–';
  const ms = String(t.getMilliseconds()).padStart(3, '0');
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${ms}`;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** An address with its port; IPv6 in brackets. */
export function endpoint(address: string, port: number): string {
  if (!port) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
