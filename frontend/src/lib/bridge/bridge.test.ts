import { afterEach, describe, expect, test, vi } from 'vitest';
import { connect } from './connect';
import { mend } from './mend';
import { Problem, problemOf } from './problem';
import { wailsBridge } from './wails';

afterEach(() => {
  delete window.go;
  delete window.runtime;
});

describe('problemOf', () => {
  test.each([
    [new Problem('taken', 'a', 'b'), 'taken', 'a', 'b'],
    [
      { code: 'taken', message: 'Port 80 is taken.', hint: 'Stop it.' },
      'taken',
      'Port 80 is taken.',
      'Stop it.',
    ],
    ['{"code":"denied","message":"No."}', 'denied', 'No.', ''],
    ['something broke', 'internal', 'something broke', ''],
    ['{not json', 'internal', '{not json', ''],
    [new Error('boom'), 'internal', 'boom', ''],
    [undefined, 'internal', 'The engine gave no reason.', ''],
  ])('%s', (thrown, code, message, hint) => {
    expect(problemOf(thrown)).toMatchObject({ code, message, hint });
  });
});

describe('mend', () => {
  test('makes lists and maps of the nulls that Go writes', () => {
    const status = {
      versions: { guest: null },
      machine: { phases: null },
      settings: { pending: null },
      warnings: null,
    };
    const event = mend.event({ seq: 1, topic: 'status', data: status as never });
    expect(event.data).toEqual({
      versions: { guest: {} },
      machine: { phases: [] },
      settings: { pending: [] },
      warnings: [],
    });
  });
  test('reaches into lists', () => {
    const list = [{ id: 'a', addresses: null, ports: [{ proto: 'tcp' }] }];
    const { data } = mend.event({ seq: 1, topic: 'containers', data: list as never });
    expect(data).toEqual([{ id: 'a', addresses: [], ports: [{ proto: 'tcp' }] }]);
    expect(mend.list('Setting', null as never)).toEqual([]);
  });
});

describe('the bridge in the app', () => {
  function pretend(api: Record<string, (...args: never[]) => unknown>) {
    const handlers = new Map<string, (data: never) => void>();
    const runtime = {
      EventsOn: (name: string, fn: (data: never) => void) => {
        handlers.set(name, fn);
        return () => handlers.delete(name);
      },
      ClipboardSetText: vi.fn(async () => true),
      BrowserOpenURL: vi.fn(),
    };
    window.go = { app: { API: api as never } };
    window.runtime = runtime;
    return { handlers, runtime, bridge: wailsBridge() };
  }

  test('turns a refusal into a Problem', async () => {
    const { bridge } = pretend({
      AddPort: async () => Promise.reject({ code: 'taken', message: 'Taken.', hint: 'Pick another.' }),
    });
    const refused = bridge.addPort({ proto: 'tcp', hostIp: '', hostPort: 80, target: 'web:80' });
    await expect(refused).rejects.toMatchObject({ code: 'taken', message: 'Taken.', hint: 'Pick another.' });
  });

  test('follows only its own log and stops it', async () => {
    const StopLogs = vi.fn(async () => undefined);
    const FollowLogs = vi.fn(async (..._: unknown[]) => undefined);
    const { bridge, handlers } = pretend({ FollowLogs, StopLogs });
    const chunks: unknown[] = [];
    const stop = bridge.followLogs('web', 100, (chunk) => chunks.push(chunk.lines));
    const stream = FollowLogs.mock.calls[0]![0] as string;
    handlers.get('slipway:logs')!({ stream: 'other', lines: ['no'] } as never);
    handlers.get('slipway:logs')!({ stream, lines: ['yes'] } as never);
    stop();
    expect(chunks).toEqual([['yes']]);
    expect(StopLogs).toHaveBeenCalledWith(stream);
    expect(handlers.has('slipway:logs')).toBe(false);
  });

  test('a log that cannot be followed ends with the reason', async () => {
    const { bridge } = pretend({
      FollowLogs: async () => Promise.reject('no such container'),
      StopLogs: async () => undefined,
    });
    const end = await new Promise((resolve) => bridge.followLogs('gone', 1, resolve));
    expect(end).toMatchObject({ end: true, message: 'no such container' });
  });

  test('mends a snapshot without events', async () => {
    const { bridge } = pretend({ Snapshot: async () => ({ link: { epoch: 1, state: 'up' }, events: null }) });
    expect(await bridge.snapshot()).toEqual({ link: { epoch: 1, state: 'up' }, events: [] });
  });
});

test('outside of the app there is no engine, and the page says so', async () => {
  await expect(connect()).rejects.toThrow('Open the app');
});
