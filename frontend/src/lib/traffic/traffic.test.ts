import { describe, expect, test } from 'vitest';
import type { Bridge, CaptureStatus, Flow, Page, Query, Row } from '$lib/bridge';
import { Problem } from '$lib/bridge';
import { compile } from './filter';
import { fieldAt, visible } from './layers';
import { Packets } from './packets.svelte';
import { rates } from './flows.svelte';

const flow = {
  id: 12,
  proto: 'TCP',
  src: '172.18.0.3',
  srcPort: 40123,
  dst: '10.20.0.9',
  dstPort: 8080,
  srcName: 'shop-api-1',
  dstName: 'Example.org',
  container: 'shop-api-1',
  dir: 'out',
  app: 'HTTP',
  detail: 'GET /a b',
  state: 'established',
} as Flow;

describe('the filter of flows', () => {
  test.each([
    ['', true],
    ['shop example', true],
    ['shop nowhere', false],
    ['SHOP', true],
    ['-dns', true],
    ['-http', false],
    ['"/a b"', true],
    ['-"/a b"', false],
    ['8080', true],
    ['808', false], // numbers match only as a whole
    ['port:8080', true],
    ['port:80', false],
    ['host:api', true],
    ['host:EXAMPLE', true],
    ['host:10.0.0.0/8', true],
    ['host:10.0.0.0/16', false],
    ['host:10.20.0.9', true],
    ['host:10.20.0.90', false],
    ['container:shop-api-1', true],
    ['container:shop', false],
    ['proto:tcp proto:http', true],
    ['proto:udp', false],
    ['dir:out', true],
    ['-dir:out', false],
    ['flow:12', true],
    ['10.20.0.9:8080', true],
    ['http://x', false],
  ])('%s', (text, want) => expect(compile(text)(flow)).toBe(want));

  test.each(['nofield:1', 'port:http', 'dir:up', 'port:', '"open', 'host:"open'])('refuses %s', (text) => {
    expect(() => compile(text)).toThrow();
  });
});

test('rates move on while nothing arrives', () => {
  const last = new Date(10_500).toISOString();
  const f = { ...flow, last, rate: [1, 2, 3] };
  expect(rates(f, 10_900)).toEqual([1, 2, 3]);
  expect(rates(f, 12_000)).toEqual([3, 0, 0]);
  expect(rates(f, 99_000)).toEqual([0, 0, 0]);
});

describe('layers', () => {
  const leaf = (name: string, start: number, end: number) => ({ name, label: name, value: '1', start, end });
  const layers = [
    { name: 'eth', summary: 'Ethernet', start: 0, end: 14, fields: [leaf('dst', 0, 6)] },
    {
      name: 'tcp',
      summary: 'TCP',
      start: 14,
      end: 34,
      fields: [leaf('port', 14, 16), { ...leaf('flags', 20, 22), fields: [leaf('syn', 21, 22)] }],
    },
  ];
  test('a byte belongs to the innermost field, else to its layer', () => {
    expect(fieldAt(layers, 3)?.id).toBe('0.0');
    expect(fieldAt(layers, 10)?.id).toBe('0');
    expect(fieldAt(layers, 20)?.id).toBe('1.1');
    expect(fieldAt(layers, 21)?.id).toBe('1.1.0');
    expect(fieldAt(layers, 99)).toBeNull();
  });
  test('only what lies in open nodes is to be seen', () => {
    expect(visible(layers, new Set(['0']), new Set()).map((n) => n.id)).toEqual(['0', '1', '1.0', '1.1']);
    expect(visible(layers, new Set(['0']), new Set(['1.1'])).map((n) => n.id)).toContain('1.1.0');
  });
});

/** An engine with packets 1…last, of which each `every`th fits; it examines at most 1000 a call. */
function recording(last: number, every = 1) {
  const asked: Query[] = [];
  const state = { first: 1, last };
  const packets = async (q: Query): Promise<Page> => {
    asked.push(q);
    if (q.filter === 'bad:') throw new Problem('invalid', 'No such field.', 'Use another.');
    const back = !!q.tail || q.before !== undefined;
    const rows: Row[] = [];
    let n = back ? (q.before ?? state.last + 1) - 1 : Math.max(state.first, (q.after ?? 0) + 1);
    let next = 0;
    let examined = 0;
    while (n >= state.first && n <= state.last && rows.length < (q.limit ?? 100) && examined < 1000) {
      if (n % every === 0) rows.push({ n } as Row);
      next = n;
      examined += 1;
      n += back ? -1 : 1;
    }
    if (back) rows.reverse();
    return {
      rows,
      first: state.first,
      last: state.last,
      next,
      examined,
      more: n >= state.first && n <= state.last,
      dropped: 0,
    };
  };
  const view = new Packets({ packets } as unknown as Bridge);
  const status = () =>
    ({ first: state.first, last: state.last, packets: state.last - state.first + 1 }) as CaptureStatus;
  const settle = async () => {
    do await new Promise((resolve) => setTimeout(resolve));
    while (view.loading);
  };
  const ends = () => [view.rows[0]?.n, view.rows.at(-1)?.n, view.rows.length];
  return {
    view,
    asked,
    state,
    settle,
    ends,
    grow: (n: number) => ((state.last += n), view.update(status())),
    status,
  };
}

describe('Packets', () => {
  test('begins at the end and fetches older ones when asked', async () => {
    const r = recording(10_000);
    r.view.ask('', 0);
    await r.settle();
    expect(r.ends()).toEqual([9701, 10_000, 300]);
    r.view.older();
    await r.settle();
    expect(r.ends()).toEqual([9401, 10_000, 600]);
    expect(r.view.shifted).toBe(-300);
    expect(r.asked).toHaveLength(2);
  });

  test('follows new packets, and not once scrolled away', async () => {
    const r = recording(1000);
    r.view.ask('', 0);
    await r.settle();
    r.grow(5);
    await r.settle();
    expect(r.ends()).toEqual([701, 1005, 305]);
    r.view.follow = false;
    r.grow(5);
    await r.settle();
    expect(r.ends()).toEqual([701, 1005, 305]);
    r.view.newer();
    await r.settle();
    expect(r.ends()).toEqual([701, 1010, 310]);
  });

  test('jumps to the end when far behind', async () => {
    const r = recording(1000);
    r.view.ask('', 0);
    await r.settle();
    r.grow(50_000);
    await r.settle();
    expect(r.ends()).toEqual([50_701, 51_000, 300]);
  });

  test('keeps a bounded number of rows, whichever way one goes', async () => {
    const r = recording(20_000);
    r.view.ask('', 0);
    await r.settle();
    r.view.follow = false;
    for (let i = 0; i < 12; i += 1) {
      r.view.older();
      await r.settle();
    }
    expect(r.ends()).toEqual([16_101, 19_100, 3000]);
    r.view.newer();
    await r.settle();
    expect(r.ends()).toEqual([16_401, 19_400, 3000]);
    r.view.older();
    await r.settle();
    expect(r.ends()).toEqual([16_101, 19_100, 3000]);
  });

  test('goes on searching past pages without a match', async () => {
    const r = recording(10_000, 3000);
    r.view.ask('rare', 0);
    await r.settle();
    expect(r.view.rows.map((row) => row.n)).toEqual([3000, 6000, 9000]);
    expect(r.view.examined).toBe(10_000);
  });

  test('lets go of what the recording let go, and empties when it is cleared', async () => {
    const r = recording(1000);
    r.view.ask('', 0);
    await r.settle();
    r.state.first = 801;
    r.view.update(r.status());
    expect(r.ends()).toEqual([801, 1000, 200]);
    r.view.update({ first: 0, last: 1000, packets: 0 } as CaptureStatus);
    expect(r.view.rows).toHaveLength(0);
  });

  test('shows why a filter is refused, and recovers', async () => {
    const r = recording(10);
    r.view.ask('bad:', 0);
    await r.settle();
    expect(r.view.problem?.message).toBe('No such field.');
    r.view.ask('', 0);
    await r.settle();
    expect(r.view.problem).toBeNull();
    expect(r.view.rows).toHaveLength(10);
  });

  test('drops the answer to a former question, and asks nothing while nobody looks', async () => {
    const r = recording(10_000, 3000);
    r.view.ask('rare', 0);
    r.view.ask('rare', 7);
    await r.settle();
    expect(r.view.rows.map((row) => row.n)).toEqual([3000, 6000, 9000]);
    r.view.rest();
    const before = r.asked.length;
    r.grow(100);
    await r.settle();
    expect(r.asked).toHaveLength(before);
  });
});
