/** Real frames and their layers, as the engine would show them, for made-up packets. */
import type { Field, Layer } from '../shapes.gen';

export interface FrameSpec {
  src: string;
  dst: string;
  srcPort: number;
  dstPort: number;
  proto: 'TCP' | 'UDP';
  /** TCP flags, such as "SYN, ACK". */
  flags?: string;
  seq?: number;
  ack?: number;
  payload?: string;
  /** Called with where the payload begins. */
  app?: (at: number, payload: string) => Layer | null;
}

const flagBits: Record<string, number> = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 };

export function frameBytes(f: FrameSpec): Uint8Array {
  const payload = new TextEncoder().encode(f.payload ?? '');
  const transport = f.proto === 'TCP' ? 20 : 8;
  const out = new Uint8Array(34 + transport + payload.length);
  const view = new DataView(out.buffer);
  out.set([0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd, 0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xee, 0x08, 0x00]);
  out.set([0x45, 0], 14);
  view.setUint16(16, 20 + transport + payload.length);
  view.setUint16(18, (f.seq ?? 0) & 0xffff);
  out.set([0x40, 0, 64, f.proto === 'TCP' ? 6 : 17], 20);
  out.set(f.src.split('.').map(Number), 26);
  out.set(f.dst.split('.').map(Number), 30);
  view.setUint16(34, f.srcPort);
  view.setUint16(36, f.dstPort);
  if (f.proto === 'TCP') {
    view.setUint32(38, f.seq ?? 0);
    view.setUint32(42, f.ack ?? 0);
    out[46] = 0x50;
    out[47] = (f.flags ?? 'ACK').split(', ').reduce((bits, name) => bits | (flagBits[name] ?? 0), 0);
    view.setUint16(48, 64240);
  } else {
    view.setUint16(38, 8 + payload.length);
  }
  out.set(payload, 34 + transport);
  return out;
}

function field(
  name: string,
  label: string,
  value: string | number,
  start: number,
  size: number,
  fields?: Field[],
): Field {
  return { name, label, value: String(value), start, end: start + size, ...(fields ? { fields } : {}) };
}

export function frameLayers(f: FrameSpec): Layer[] {
  const size = f.payload ? new TextEncoder().encode(f.payload).length : 0;
  const head = f.proto === 'TCP' ? 20 : 8;
  const layers: Layer[] = [
    {
      name: 'eth',
      summary: 'Ethernet II, 5a:94:ef:e4:0c:ee → 5a:94:ef:e4:0c:dd',
      start: 0,
      end: 14,
      fields: [
        field('eth.dst', 'Destination', '5a:94:ef:e4:0c:dd', 0, 6),
        field('eth.src', 'Source', '5a:94:ef:e4:0c:ee', 6, 6),
        field('eth.type', 'Type', '0x0800 (IPv4)', 12, 2),
      ],
    },
    {
      name: 'ip',
      summary: `IPv4, ${f.src} → ${f.dst}`,
      start: 14,
      end: 34,
      fields: [
        field('ip.version', 'Version', 4, 14, 1),
        field('ip.dsfield', 'Differentiated services', '0x00', 15, 1),
        field('ip.len', 'Total length', 20 + head + size, 16, 2),
        field('ip.id', 'Identification', `0x${((f.seq ?? 0) & 0xffff).toString(16).padStart(4, '0')}`, 18, 2),
        field('ip.flags', 'Flags', '0x2', 20, 1, [field('ip.flags.df', 'Don’t fragment', 'set', 20, 1)]),
        field('ip.ttl', 'Time to live', 64, 22, 1),
        field('ip.proto', 'Protocol', f.proto === 'TCP' ? '6 (TCP)' : '17 (UDP)', 23, 1),
        field('ip.src', 'Source', f.src, 26, 4),
        field('ip.dst', 'Destination', f.dst, 30, 4),
      ],
    },
  ];
  if (f.proto === 'TCP') {
    layers.push({
      name: 'tcp',
      summary: `TCP, ${f.srcPort} → ${f.dstPort} [${f.flags ?? 'ACK'}]`,
      start: 34,
      end: 54,
      fields: [
        field('tcp.srcport', 'Source port', f.srcPort, 34, 2),
        field('tcp.dstport', 'Destination port', f.dstPort, 36, 2),
        field('tcp.seq', 'Sequence number', f.seq ?? 0, 38, 4),
        field('tcp.ack', 'Acknowledgment number', f.ack ?? 0, 42, 4),
        field(
          'tcp.flags',
          'Flags',
          f.flags ?? 'ACK',
          46,
          2,
          (f.flags ?? 'ACK').split(', ').map((n) => field(`tcp.flags.${n.toLowerCase()}`, n, 'set', 47, 1)),
        ),
        field('tcp.window_size_value', 'Window', 64240, 48, 2),
      ],
    });
  } else {
    layers.push({
      name: 'udp',
      summary: `UDP, ${f.srcPort} → ${f.dstPort}`,
      start: 34,
      end: 42,
      fields: [
        field('udp.srcport', 'Source port', f.srcPort, 34, 2),
        field('udp.dstport', 'Destination port', f.dstPort, 36, 2),
        field('udp.length', 'Length', 8 + size, 38, 2),
      ],
    });
  }
  const app = f.payload ? f.app?.(34 + head, f.payload) : null;
  if (app) layers.push(app);
  return layers;
}

/** An HTTP/1 head as a layer, a field for each line. */
export function httpLayer(at: number, payload: string): Layer {
  let pos = at;
  const fields: Field[] = [];
  const head = payload.split('\r\n\r\n')[0] ?? '';
  const lines = head.split('\r\n');
  for (const [i, line] of lines.entries()) {
    const [name = '', ...rest] = line.split(': ');
    const response = line.startsWith('HTTP/');
    if (i === 0)
      fields.push(
        field(
          response ? 'http.response.line' : 'http.request.line',
          response ? 'Status line' : 'Request line',
          line,
          pos,
          line.length,
        ),
      );
    else
      fields.push(
        field(`http.${name.toLowerCase().replaceAll('-', '_')}`, name, rest.join(': '), pos, line.length),
      );
    pos += line.length + 2;
  }
  return { name: 'http', summary: `HTTP, ${lines[0]}`, start: at, end: at + payload.length, fields };
}

/** Any other payload: one field with all of it. */
export function dataLayer(name: string, summary: string) {
  return (at: number, payload: string): Layer => {
    const size = new TextEncoder().encode(payload).length;
    return {
      name,
      summary,
      start: at,
      end: at + size,
      fields: [field(`${name}.data`, 'Payload', `${size} bytes`, at, size)],
    };
  };
}
