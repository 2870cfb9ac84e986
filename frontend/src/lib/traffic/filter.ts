/**
 * The filter of flows. Packets are filtered by the engine; flows are all here, so
 * their filter is too, in the engine's language (capture.Compile): words joined by
 * "and", "-" for not, quotes for a phrase, and the fields port, host, container,
 * proto, dir and flow.
 */
import type { Flow } from '$lib/bridge';
import { endpoint } from '$lib/ui/format';

export type Match = (flow: Flow) => boolean;

/** A filter that cannot be understood; the words are those of the engine. */
export class FilterProblem extends Error {
  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** Compiles a filter; throws a FilterProblem. */
export function compile(text: string): Match {
  const terms: Match[] = [];
  for (const [, minus, phrase, plain] of text.matchAll(/(-?)(?:"([^"]*)"|((?:[^\s"]|"[^"]*"?)+))/g)) {
    if (plain !== undefined && (plain.match(/"/g) ?? []).length % 2) {
      throw new FilterProblem('A quote is not closed.', 'End the phrase with ".');
    }
    const term = phrase !== undefined ? word(phrase) : field((plain ?? '').replaceAll('"', ''));
    terms.push(minus ? (flow) => !term(flow) : term);
  }
  return (flow) => terms.every((term) => term(flow));
}

/** A filter term for a name that may hold spaces. */
export function quoted(field: string, value: string): string {
  return /\s/.test(value) ? `${field}:"${value}"` : `${field}:${value}`;
}

function word(text: string): Match {
  const low = text.toLowerCase();
  if (/^\d+$/.test(low)) {
    const whole = new RegExp(`(?<![a-z0-9])${low}(?![a-z0-9])`);
    return (flow) => whole.test(textOf(flow));
  }
  return (flow) => textOf(flow).includes(low);
}

function field(text: string): Match {
  const [, name = '', value = ''] = /^([a-z]+):(.*)$/i.exec(text) ?? [];
  if (name === '' || value.startsWith('//') || isAddress(text)) return word(text);
  if (value === '')
    throw new FilterProblem(`${name}: has no value.`, 'Write it without a space, such as port:80.');
  const low = value.toLowerCase();
  switch (name.toLowerCase()) {
    case 'port': {
      const port = number(value);
      return (f) => f.proto !== 'ICMP' && f.proto !== 'ICMPv6' && [f.srcPort, f.dstPort].includes(port);
    }
    case 'flow': {
      const id = number(value);
      return (f) => f.id === id;
    }
    case 'dir':
      if (low !== 'in' && low !== 'out') {
        throw new FilterProblem(
          `“${value}” is no direction.`,
          'Use dir:in or dir:out: who opened the flow, as the guest sees it.',
        );
      }
      return (f) => f.dir === low;
    case 'proto':
      return (f) =>
        [f.proto, f.app ?? '', f.src.includes(':') ? 'ipv6' : 'ip'].some((p) => p.toLowerCase() === low);
    case 'host':
      return host(value, low);
    case 'container':
      return (f) => f.container === value || f.srcName === value || f.dstName === value;
    default:
      throw new FilterProblem(
        `There is no field “${name}”.`,
        'Use port, host, container, proto, dir or flow; to search for the text, put it in quotes.',
      );
  }
}

function number(text: string): number {
  if (!/^\d+$/.test(text)) throw new FilterProblem(`“${text}” does not fit.`, 'This is a number.');
  return Number(text);
}

function host(value: string, low: string): Match {
  const net = ipv4Net(value);
  if (net) return (f) => [f.src, f.dst].some((a) => inNet(a, net));
  if (isAddress(value)) return (f) => f.src === low || f.dst === low;
  return (f) =>
    [f.src, f.dst, f.srcName ?? '', f.dstName ?? ''].some((end) => end.toLowerCase().includes(low));
}

interface Net {
  base: number;
  mask: number;
}

/** An IPv4 network such as 10.0.0.0/8, or null. */
function ipv4Net(text: string): Net | null {
  const [, address = '', size = ''] = /^([\d.]+)\/(\d+)$/.exec(text) ?? [];
  const base = ipv4(address);
  const bits = Number(size);
  if (base === null || size === '' || bits > 32) return null;
  const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
  return { base: (base & mask) >>> 0, mask };
}

function inNet(address: string, { base, mask }: Net): boolean {
  const value = ipv4(address);
  return value !== null && (value & mask) >>> 0 === base;
}

function ipv4(text: string): number | null {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || !/^\d+(\.\d+){3}$/.test(text) || parts.some((p) => p > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function isAddress(text: string): boolean {
  return ipv4(text) !== null || (/^[0-9a-f:.]+$/i.test(text) && (text.match(/:/g) ?? []).length >= 2);
}

function textOf(f: Flow): string {
  const parts = [
    ...[f.proto, f.app, f.state, f.detail, f.container, f.project, f.service, f.image, f.srcName, f.dstName],
    ...[endpoint(f.src, f.srcPort), endpoint(f.dst, f.dstPort)],
  ];
  return parts.join(' ').toLowerCase();
}
