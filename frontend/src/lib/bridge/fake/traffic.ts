/** A small network that talks: flows, packets and their frames, made up but consistent. */
import type { CaptureStatus, Detail, Flow, FlowChanges, Page, Query, Row } from '../shapes.gen';
import { dataLayer, frameBytes, frameLayers, httpLayer, type FrameSpec } from './frames';
import { compile, FilterProblem } from '$lib/traffic/filter';
import { Problem } from '../problem';
import { random } from './random';

interface Party {
  name: string;
  ip: string;
  container?: boolean;
}

const parties = {
  host: { name: 'host', ip: '192.168.65.254' },
  gateway: { name: 'gateway', ip: '192.168.65.1' },
  web: { name: 'web', ip: '172.17.0.2', container: true },
  api: { name: 'shop-api-1', ip: '172.18.0.3', container: true },
  db: { name: 'shop-db-1', ip: '172.18.0.2', container: true },
  worker: { name: 'shop-worker-1', ip: '172.18.0.5', container: true },
  github: { name: 'api.github.com', ip: '140.82.121.6' },
  debian: { name: 'packages.example.org', ip: '203.0.113.9' },
  stale: { name: '', ip: '10.20.0.9' },
} satisfies Record<string, Party>;

interface Talk {
  from: Party;
  to: Party;
  port: number;
  app: string;
  detail: () => string;
  size: [number, number];
  every: number; // seconds between flows
  life: number; // exchanges
}

const paths = [
  '/',
  '/assets/app.css',
  '/api/items?page=2',
  '/api/cart',
  '/healthz',
  '/api/items/4711',
  '/favicon.svg',
];
const names = [
  'api.github.com',
  'packages.example.org',
  'shop-db-1',
  'registry.example.org',
  'telemetry.example.net',
];

const talks: Talk[] = [
  {
    from: parties.host,
    to: parties.web,
    port: 80,
    app: 'HTTP',
    detail: () => 'localhost:8080',
    size: [420, 8200],
    every: 3,
    life: 6,
  },
  {
    from: parties.web,
    to: parties.api,
    port: 3000,
    app: 'HTTP',
    detail: () => 'shop-api-1:3000',
    size: [380, 2600],
    every: 4,
    life: 8,
  },
  {
    from: parties.api,
    to: parties.db,
    port: 5432,
    app: '',
    detail: () => '',
    size: [180, 1400],
    every: 20,
    life: 90,
  },
  {
    from: parties.worker,
    to: parties.github,
    port: 443,
    app: 'TLS',
    detail: () => 'api.github.com',
    size: [900, 5200],
    every: 9,
    life: 12,
  },
  {
    from: parties.api,
    to: parties.gateway,
    port: 53,
    app: 'DNS',
    detail: () => `A ${random.pick(names)}`,
    size: [68, 130],
    every: 2,
    life: 1,
  },
  {
    from: parties.worker,
    to: parties.debian,
    port: 443,
    app: 'TLS',
    detail: () => 'packages.example.org',
    size: [240, 64000],
    every: 30,
    life: 60,
  },
  {
    from: parties.worker,
    to: parties.stale,
    port: 9999,
    app: '',
    detail: () => '',
    size: [0, 0],
    every: 14,
    life: 1,
  },
];

interface Live {
  flow: Flow;
  talk: Talk;
  left: number;
  seq: number;
}
interface Stored {
  row: Row;
  spec: FrameSpec;
}

const ring = 20000;
const maxBytes = 64 << 20;

export class FakeTraffic {
  packets: Stored[] = [];
  recording = true;
  bytesOut = 0;
  bytesIn = 0;
  #live: Live[] = [];
  #all = new Map<number, Flow>();
  #nextFlow = 1;
  #nextPacket = 1;
  #cleared = new Date().toISOString();
  #dropped = 0;
  #paused = 0;
  #at = 0;
  #next = talks.map((t) => random.next() * t.every);
  #changed = new Set<number>();
  #removed: number[] = [];

  /** Lets `seconds` pass, up to `now`. */
  run(now: number, seconds: number): void {
    for (const [i, talk] of talks.entries()) {
      this.#next[i]! -= seconds;
      if (this.#next[i]! <= 0) {
        this.#next[i] = talk.every * (0.5 + random.next());
        this.#open(talk, now - random.next() * seconds * 1000);
      }
    }
    const busy = [...this.#live].sort(() => random.next() - 0.5).slice(0, 6);
    for (const live of busy) this.#exchange(live, now - random.next() * 400);
    this.packets.splice(0, Math.max(0, this.packets.length - ring));
    this.#forget(now);
  }

  changes(): FlowChanges {
    const changed = [...this.#changed].map((id) => this.#all.get(id)).filter((f) => f !== undefined);
    const removed = this.#removed;
    this.#changed.clear();
    this.#removed = [];
    return {
      seq: 0,
      reset: false,
      changed: changed.map((f) => ({ ...f, rate: [...(f.rate ?? [])] })),
      removed,
    };
  }
  all(): FlowChanges {
    return { seq: 0, reset: true, changed: [...this.#all.values()].map((f) => ({ ...f })), removed: [] };
  }
  get openFlows(): number {
    return this.#live.length;
  }

  status(): CaptureStatus {
    const bytes = this.packets.reduce((sum, p) => sum + p.row.length + 32, 0);
    return {
      recording: this.recording,
      startedAt: this.#cleared,
      packets: this.packets.length,
      bytes,
      maxBytes,
      snaplen: 0,
      first: this.packets[0]?.row.n ?? 0,
      last: this.packets.at(-1)?.row.n ?? 0,
      seen: this.#nextPacket - 1,
      seenBytes: this.bytesIn + this.bytesOut,
      dropped: this.#dropped,
      paused: this.#paused,
      flows: this.#all.size,
      maxFlows: 8192,
      flowsDropped: 0,
      namesDropped: 0,
      followers: 0,
    };
  }

  page(query: Query): Page {
    const limit = query.limit || 100;
    const backwards = query.tail === true || query.before !== undefined;
    const inRange = this.packets.filter(
      ({ row }) => (!query.after || row.n > query.after) && (!query.before || row.n < query.before),
    );
    if (backwards) inRange.reverse();
    const rows: Row[] = [];
    let examined = 0;
    for (const { row } of inRange) {
      if (rows.length >= limit) break;
      examined += 1;
      if (wanted(row, query)) rows.push(row);
    }
    const next = inRange[examined - 1]?.row.n ?? 0;
    if (backwards) rows.reverse();
    return {
      rows,
      first: this.packets[0]?.row.n ?? 0,
      last: this.packets.at(-1)?.row.n ?? 0,
      next,
      examined,
      more: examined < inRange.length,
      dropped: 0,
    };
  }

  detail(n: number): Detail | null {
    const found = this.packets.find((p) => p.row.n === n);
    if (!found) return null;
    const bytes = btoa(String.fromCharCode(...frameBytes(found.spec)));
    return { ...found.row, layers: frameLayers(found.spec), bytes, truncated: false };
  }

  clear(): void {
    this.packets = [];
    this.#cleared = new Date().toISOString();
  }

  #open(talk: Talk, at: number): void {
    const container = talk.to.container ? talk.to.name : talk.from.container ? talk.from.name : '';
    const flow: Flow = {
      id: this.#nextFlow++,
      proto: talk.port === 53 ? 'UDP' : 'TCP',
      src: talk.from.ip,
      srcPort: 32768 + random.below(28000),
      dst: talk.to.ip,
      dstPort: talk.port,
      srcName: talk.from.name,
      dstName: talk.to.name,
      container,
      dir: talk.from.container ? 'out' : 'in',
      app: '',
      detail: '',
      state: 'open',
      start: iso(at),
      last: iso(at),
      bytesOut: 0,
      bytesIn: 0,
      packetsOut: 0,
      packetsIn: 0,
      rtt: 0,
      retransmits: 0,
      rate: Array<number>(30).fill(0),
      ...(container.startsWith('shop-') ? { project: 'shop', service: container.split('-')[1] } : {}),
    };
    this.#all.set(flow.id, flow);
    const live: Live = { flow, talk, left: talk.life, seq: 1000 + random.below(1e6) };
    if (flow.proto === 'TCP') {
      this.#packet(live, at, true, { flags: 'SYN' }, 'SYN');
      if (talk.size[1] === 0) {
        this.#packet(live, at + 31, false, { flags: 'RST, ACK' }, 'RST, ACK');
        flow.state = 'refused';
        return;
      }
      flow.rtt = talk.to.container ? 0.2 + random.next() : 8 + random.next() * 30;
      this.#packet(live, at + flow.rtt, false, { flags: 'SYN, ACK' }, 'SYN, ACK');
      this.#packet(live, at + flow.rtt + 0.1, true, { flags: 'ACK' }, 'ACK');
    }
    flow.state = 'established';
    flow.app = talk.app;
    flow.detail = talk.detail();
    this.#live.push(live);
  }

  #exchange(live: Live, at: number): void {
    const { flow, talk } = live;
    const [out, back] = talk.size.map((n) => Math.max(40, Math.round(n * (0.4 + random.next()))));
    const path = random.pick(paths);
    if (talk.app === 'HTTP') {
      const request = `GET ${path} HTTP/1.1\r\nHost: ${flow.detail}\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n`;
      const status = path === '/favicon.svg' ? '404 Not Found' : '200 OK';
      const reply = `HTTP/1.1 ${status}\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: ${back}\r\n\r\n{"items":[{"id":4711,"name":"rope, 8 mm"}]}`;
      this.#packet(
        live,
        at,
        true,
        { flags: 'PSH, ACK', payload: request, app: httpLayer },
        `GET ${path} HTTP/1.1`,
        out,
      );
      this.#packet(
        live,
        at + 6 + random.next() * 30,
        false,
        { flags: 'PSH, ACK', payload: reply, app: httpLayer },
        `HTTP/1.1 ${status}`,
        back,
      );
    } else if (talk.app === 'DNS') {
      const name = flow.detail?.slice(2) ?? '';
      const payload = `\x12\x34\x01\0\0\x01\0\0\0\0\0\0${name
        .split('.')
        .map((l) => String.fromCharCode(l.length) + l)
        .join('')}\0\0\x01\0\x01`;
      const app = dataLayer('dns', `DNS, A ${name}`);
      this.#packet(live, at, true, { payload, app }, `Standard query A ${name}`, out);
      this.#packet(
        live,
        at + 4,
        false,
        { payload, app },
        `Standard query response A ${name} A 140.82.121.6`,
        back,
      );
    } else {
      const app =
        talk.app === 'TLS' ? dataLayer('tls', 'TLS 1.3, Application data') : dataLayer('data', 'Data');
      const info = talk.app === 'TLS' ? 'Application data' : 'PSH, ACK';
      const payload = Array.from({ length: 48 }, () => String.fromCharCode(32 + random.below(90))).join('');
      this.#packet(live, at, true, { flags: 'PSH, ACK', payload, app }, info, out);
      this.#packet(live, at + 12, false, { flags: 'PSH, ACK', payload, app }, info, back);
    }
    live.left -= 1;
    if (live.left <= 0) this.#close(live, at + 50);
  }

  #close(live: Live, at: number): void {
    if (live.flow.proto === 'TCP') {
      this.#packet(live, at, true, { flags: 'FIN, ACK' }, 'FIN, ACK');
      this.#packet(live, at + 0.4, false, { flags: 'FIN, ACK' }, 'FIN, ACK');
    }
    live.flow.state = 'closed';
    this.#live = this.#live.filter((l) => l !== live);
  }

  #packet(
    { flow, talk, seq }: Live,
    at: number,
    out: boolean,
    more: Partial<FrameSpec>,
    info: string,
    length?: number,
  ): void {
    at = this.#at = Math.max(at, this.#at + 0.02);
    const there = { src: flow.src, srcPort: flow.srcPort, dst: flow.dst, dstPort: flow.dstPort };
    const back = { src: flow.dst, srcPort: flow.dstPort, dst: flow.src, dstPort: flow.srcPort };
    const ends = out ? there : back;
    const size = length ?? 54 + (more.payload?.length ?? 0);
    const spec: FrameSpec = { ...ends, proto: flow.proto as 'TCP' | 'UDP', seq, ack: seq + 1, ...more };
    const n = this.#nextPacket;
    const row: Row = {
      n,
      time: iso(at),
      dir: (flow.dir === 'out') === out ? 'out' : 'in',
      ...ends,
      srcName: (out ? talk.from : talk.to).name,
      dstName: (out ? talk.to : talk.from).name,
      proto: more.payload && talk.app ? talk.app : flow.proto,
      length: size,
      info,
      flow: flow.id,
    };
    if (this.recording) {
      this.#nextPacket += 1;
      this.packets.push({ row, spec });
    } else this.#paused += 1;
    if (out) [flow.bytesOut, flow.packetsOut] = [flow.bytesOut + size, flow.packetsOut + 1];
    else [flow.bytesIn, flow.packetsIn] = [flow.bytesIn + size, flow.packetsIn + 1];
    if (row.dir === 'out') this.bytesOut += size;
    else this.bytesIn += size;
    const gap = Math.min(30, Math.max(0, Math.floor(at / 1000) - Math.floor(Date.parse(flow.last) / 1000)));
    flow.rate = [...(flow.rate ?? []).slice(gap), ...Array<number>(gap).fill(0)];
    flow.rate[29] = (flow.rate[29] ?? 0) + size;
    flow.last = iso(Math.max(at, Date.parse(flow.last)));
    this.#changed.add(flow.id);
  }

  #forget(now: number): void {
    for (const [id, flow] of this.#all) {
      if (this.#live.some((l) => l.flow === flow) || now - Date.parse(flow.last) < 120_000) continue;
      this.#all.delete(id);
      this.#removed.push(id);
    }
  }
}

function wanted(row: Row, { filter, flow }: Query): boolean {
  if (flow && row.flow !== flow) return false;
  if (!filter) return true;
  const like = { ...row, id: row.flow, app: row.proto, detail: row.info };
  try {
    return compile(filter)(like as unknown as Flow);
  } catch (thrown) {
    throw thrown instanceof FilterProblem ? new Problem('invalid', thrown.message, thrown.hint) : thrown;
  }
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
