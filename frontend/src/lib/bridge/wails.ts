/**
 * The bridge inside the app: the generated functions of app.API and the events
 * that the app emits. A refusal rejects with what the app's ErrorFormatter made
 * of a Go error: {code, message, hint}.
 *
 * The functions' types are generated from the Go side, the window's shapes from
 * the engine: where the two drift apart, this file does not compile.
 */
import type { AnyEvent, Bridge, Link, LogChunk } from '.';
import { problemOf } from './problem';
import { mend } from './mend';
import type { Detail } from './shapes.gen';
import * as api from './wailsjs/go/app/API';

/** What the app emits: topic → payload. */
interface Emitted {
  'slipway:events': AnyEvent[];
  'slipway:link': Link;
  'slipway:logs': LogChunk & { stream: string };
  'slipway:navigate': string;
}

interface Runtime {
  EventsOn(name: string, fn: (data: never) => void): () => void;
  ClipboardSetText(text: string): Promise<boolean>;
  BrowserOpenURL(url: string): void;
}

declare global {
  interface Window {
    go?: object;
    runtime?: Runtime;
  }
}

/** Tells whether the page runs in the app's web view. */
export function inApp(): boolean {
  return window.go !== undefined && window.runtime !== undefined;
}

/**
 * Tells the app when the page first drew something, on the clock that Go reads
 * too. The app knows when it was started.
 */
function reportFirstPaint(): void {
  const observer = new PerformanceObserver((list) => {
    const paint = list.getEntriesByName('first-contentful-paint')[0];
    if (!paint) return;
    observer.disconnect();
    void api.Painted(performance.timeOrigin + paint.startTime);
  });
  observer.observe({ type: 'paint', buffered: true });
}

export function wailsBridge(): Bridge {
  const runtime = window.runtime!;
  reportFirstPaint();

  function on<K extends keyof Emitted>(name: K, fn: (data: Emitted[K]) => void): () => void {
    return runtime.EventsOn(name, fn as (data: never) => void);
  }
  /** Waits for an answer; a refusal becomes a Problem. */
  async function ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (thrown) {
      throw problemOf(thrown);
    }
  }

  let streams = 0;
  function followLogs(id: string, tail: number, fn: (chunk: LogChunk) => void): () => void {
    const stream = `log-${(streams += 1)}`;
    const off = on('slipway:logs', (chunk) => {
      if (chunk.stream === stream) fn({ ...chunk, lines: chunk.lines ?? [] });
    });
    api.FollowLogs(stream, id, tail).catch((thrown: unknown) => {
      fn({ lines: [], end: true, message: problemOf(thrown).message });
    });
    return () => {
      off();
      void api.StopLogs(stream).catch(() => undefined); // the stream may have ended by itself
    };
  }

  return {
    onEvents: (fn) => on('slipway:events', (events) => fn(events.map(mend.event))),
    onLink: (fn) => on('slipway:link', fn),
    onNavigate: (fn) => on('slipway:navigate', fn),
    snapshot: async () => {
      const { link, events } = await ask(api.Snapshot());
      // Wails takes raw JSON for bytes and an enumeration for text.
      return { link: link as Link, events: ((events ?? []) as unknown as AnyEvent[]).map(mend.event) };
    },
    startMachine: () => ask(api.StartMachine()),
    stopMachine: () => ask(api.StopMachine()),
    restartMachine: () => ask(api.RestartMachine()),
    killMachine: () => ask(api.KillMachine()),
    containerAction: (id, action) => ask(api.ContainerAction(id, action)),
    followLogs,
    addPort: (request) => ask(api.AddPort(request)),
    removePort: (id) => ask(api.RemovePort(id)),
    captureControl: (action) => ask(api.CaptureControl(action)),
    packets: async (query) => mend.shape('Page', await ask(api.Packets(query))),
    packet: async (n) => {
      const { bytes, ...detail } = await ask(api.Packet(n));
      // Wails takes bytes for numbers; JSON has them as base64.
      return mend.shape<Detail>('Detail', { ...detail, bytes: bytes as unknown as string });
    },
    exportPcapng: (filter) => ask(api.ExportPcapng(filter)),
    settings: async () => mend.list('Setting', await ask(api.Settings())),
    setSettings: async (change) => mend.shape('SettingsCommit', await ask(api.SetSettings(change))),
    settingsLog: async (limit) => mend.list('SettingsCommit', await ask(api.SettingsLog(limit))),
    settingsDiff: async (from, to) => mend.list('SettingDiff', await ask(api.SettingsDiff(from, to))),
    revertSettings: async (commit) => mend.shape('SettingsCommit', await ask(api.RevertSettings(commit))),
    restoreSettings: async (commit) => mend.shape('SettingsCommit', await ask(api.RestoreSettings(commit))),
    copyText: async (text) => {
      if (!(await runtime.ClipboardSetText(text))) throw problemOf('The clipboard did not take the text.');
    },
    openURL: async (url) => runtime.BrowserOpenURL(url),
    reportDefect: (text) => api.ReportDefect(text).catch(() => undefined),
    quit: () => ask(api.Quit()),
  };
}
