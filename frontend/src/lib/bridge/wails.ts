/**
 * The bridge inside the app. `API` is what the Go struct app.API binds; Wails
 * puts it at window.go.app.API and rejects with what the app's ErrorFormatter
 * made of a Go error: {code, message, hint}.
 */
import type { AnyEvent, Bridge, Link, LogChunk, Snapshot } from '.';
import { problemOf } from './problem';
import { mend } from './mend';
import type {
  CaptureAction,
  ContainerAction,
  Detail,
  Page,
  Port,
  PortRequest,
  Query,
  Setting,
  SettingDiff,
  SettingsChange,
  SettingsCommit,
} from './shapes.gen';

/** The methods of app.API. Each may take a context first on the Go side, and returns (value, error). */
interface API {
  Snapshot(): Promise<Snapshot>;
  StartMachine(): Promise<void>;
  StopMachine(): Promise<void>;
  RestartMachine(): Promise<void>;
  KillMachine(): Promise<void>;
  ContainerAction(id: string, action: ContainerAction): Promise<void>;
  /** Begins to emit "slipway:logs" with this stream name, which the window chose. */
  FollowLogs(stream: string, id: string, tail: number): Promise<void>;
  StopLogs(stream: string): Promise<void>;
  AddPort(request: PortRequest): Promise<Port>;
  RemovePort(id: string): Promise<void>;
  CaptureControl(action: CaptureAction): Promise<void>;
  Packets(query: Query): Promise<Page>;
  Packet(n: number): Promise<Detail>;
  /** Opens a save dialog; returns the path, "" if cancelled. */
  ExportPcapng(filter: string): Promise<string>;
  Settings(): Promise<Setting[]>;
  SetSettings(change: SettingsChange): Promise<SettingsCommit>;
  SettingsLog(limit: number): Promise<SettingsCommit[]>;
  SettingsDiff(from: string, to: string): Promise<SettingDiff[]>;
  RevertSettings(commit: string): Promise<SettingsCommit>;
  RestoreSettings(commit: string): Promise<SettingsCommit>;
  ReportDefect(text: string): Promise<void>;
  Quit(): Promise<void>;
}

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
    go?: { app?: { API?: API } };
    runtime?: Runtime;
  }
}

/** Tells whether the page runs in the app's web view. */
export function inApp(): boolean {
  return window.go?.app?.API !== undefined && window.runtime !== undefined;
}

export function wailsBridge(): Bridge {
  const api = window.go!.app!.API!;
  const runtime = window.runtime!;

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
      return { link, events: (events ?? []).map(mend.event) };
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
    packet: async (n) => mend.shape('Detail', await ask(api.Packet(n))),
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
