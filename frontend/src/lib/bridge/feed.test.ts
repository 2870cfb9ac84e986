import { describe, expect, test, vi } from 'vitest';
import type { AnyEvent, Bridge, Link, Snapshot } from '.';
import { Feed } from './feed';
import { Problem } from './problem';

/** A bridge whose snapshots and events the test decides. */
function puppet() {
  let events: (e: AnyEvent[]) => void = () => undefined;
  let link: (l: Link) => void = () => undefined;
  const waiting: PromiseWithResolvers<Snapshot>[] = [];
  const bridge = {
    onEvents: (fn: typeof events) => ((events = fn), () => (events = () => undefined)),
    onLink: (fn: typeof link) => ((link = fn), () => (link = () => undefined)),
    snapshot: () => {
      const p = withResolvers<Snapshot>();
      waiting.push(p);
      return p.promise;
    },
  } as unknown as Bridge;
  return { bridge, waiting, emit: (...e: AnyEvent[]) => events(e), link: (l: Link) => link(l) };
}
interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
}
function withResolvers<T>(): PromiseWithResolvers<T> {
  const out = {} as PromiseWithResolvers<T>;
  out.promise = new Promise<T>((resolve, reject) => Object.assign(out, { resolve, reject }));
  return out;
}

const up: Link = { epoch: 1, state: 'up' };
const ports = (seq: number, ...ids: string[]): AnyEvent => ({
  seq,
  topic: 'ports',
  data: ids.map((id) => ({ id })) as never,
});
const log = (seq: number, text: string): AnyEvent => ({
  seq,
  topic: 'log',
  data: [{ time: '', source: 'console', level: 'info', text }],
});

function listen(feed: Feed): string[] {
  const seen: string[] = [];
  feed.on('ports', (list) => seen.push(list.map((p) => p.id).join()));
  feed.on('log', (lines) => seen.push(lines.map((l) => l.text).join()));
  feed.onLink((l) => seen.push(`${l.state}${l.message ? `: ${l.message}` : ''}`));
  feed.onReset(() => seen.push('reset'));
  return seen;
}

describe('Feed', () => {
  test('holds events until the snapshot is there, then replays only what it lacks', async () => {
    const { bridge, waiting, emit } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const started = feed.start();
    emit(log(4, 'old'), ports(5, 'old'));
    emit(log(7, 'new'));
    expect(seen).toEqual([]);
    waiting[0]!.resolve({ link: up, events: [log(6, 'start,old'), ports(6, 'a')] });
    await started;
    expect(seen).toEqual(['up', 'reset', 'start,old', 'a', 'new']);
  });

  test('hands each event on once and never an older one after a newer', async () => {
    const { bridge, waiting, emit } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const started = feed.start();
    waiting[0]!.resolve({ link: up, events: [] });
    await started;
    emit(ports(2, 'b'), ports(1, 'a'), ports(2, 'b'));
    expect(seen.slice(2)).toEqual(['b']);
  });

  test('begins again with another engine, whose numbers start over', async () => {
    const { bridge, waiting, emit, link } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const started = feed.start();
    waiting[0]!.resolve({ link: up, events: [ports(90, 'first')] });
    await started;
    emit(ports(91, 'late'));
    link({ epoch: 2, state: 'up' });
    emit(ports(3, 'held'));
    expect(waiting).toHaveLength(2);
    waiting[1]!.resolve({ link: { epoch: 2, state: 'up' }, events: [ports(2, 'second')] });
    await expect.poll(() => seen.at(-1)).toBe('held');
    expect(seen.slice(3)).toEqual(['late', 'up', 'up', 'reset', 'second', 'held']);
  });

  test('asks again if another engine came while it waited, and not twice at once', async () => {
    const { bridge, waiting, link } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const started = feed.start();
    link({ epoch: 2, state: 'up' });
    expect(waiting).toHaveLength(1);
    waiting[0]!.resolve({ link: up, events: [ports(90, 'former')] });
    await expect.poll(() => waiting.length).toBe(2);
    waiting[1]!.resolve({ link: { epoch: 2, state: 'up' }, events: [ports(1, 'present')] });
    await started;
    expect(seen).toEqual(['up', 'up', 'reset', 'present']);
  });

  test('the link that asking for a snapshot makes causes no second question', async () => {
    const { bridge, waiting, link, emit } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const started = feed.start();
    link(up);
    emit(ports(4, 'b'));
    waiting[0]!.resolve({ link: up, events: [ports(3, 'a')] });
    await started;
    expect(seen).toEqual(['up', 'up', 'reset', 'a', 'b']);
    expect(waiting).toHaveLength(1);
  });

  test('while the window is hidden nothing is told; then the newest of each state, or a new snapshot', async () => {
    const { bridge, waiting, emit } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(false);
    const turn = (to: boolean) => {
      hidden.mockReturnValue(to);
      document.dispatchEvent(new Event('visibilitychange'));
    };
    const started = feed.start();
    waiting[0]!.resolve({ link: up, events: [] });
    await started;
    turn(true);
    emit(ports(1, 'a'), log(2, 'x'));
    emit(ports(3, 'b'));
    expect(seen.slice(2)).toEqual([]);
    turn(false);
    expect(seen.slice(2)).toEqual(['x', 'b']);
    turn(true);
    emit(...Array.from({ length: 501 }, (_, i) => log(10 + i, 'many')));
    turn(false);
    waiting[1]!.resolve({ link: up, events: [ports(600, 'anew')] });
    await expect.poll(() => seen.at(-1)).toBe('anew');
    expect(seen).not.toContain('many');
    feed.stop();
    hidden.mockRestore();
  });

  test('tells why there is no snapshot, and can try again', async () => {
    const { bridge, waiting } = puppet();
    const feed = new Feed(bridge);
    const seen = listen(feed);
    const started = feed.start();
    waiting[0]!.reject(new Problem('unavailable', 'No engine.', 'Start one.'));
    await started;
    expect(seen).toEqual(['down: No engine.']);
    const again = feed.load();
    waiting[1]!.resolve({ link: up, events: [ports(1, 'a')] });
    await again;
    expect(seen.slice(1)).toEqual(['up', 'reset', 'a']);
  });
});
