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
import type {
  Branch,
  Content,
  Detail,
  FileDiff,
  LogPage,
  QueryStats,
  Run,
  Sides,
  Transaction,
  TreeEntry,
  Watcher,
} from './shapes.gen';
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
  function follow(begin: (stream: string) => Promise<void>, fn: (chunk: LogChunk) => void): () => void {
    const stream = `log-${(streams += 1)}`;
    const off = on('slipway:logs', (chunk) => {
      if (chunk.stream === stream) fn({ ...chunk, lines: chunk.lines ?? [] });
    });
    begin(stream).catch((thrown: unknown) => {
      fn({ lines: [], end: true, message: problemOf(thrown).message });
    });
    return () => {
      off();
      void api.StopLogs(stream).catch(() => undefined); // the stream may have ended by itself
    };
  }

  // Wails knows no text in the place of an array (a hash) and no enumerations.
  const shaped = <T>(answer: Promise<unknown>): Promise<T> => ask(answer) as Promise<T>;

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
    followLogs: (id, tail, fn) => follow((stream) => api.FollowLogs(stream, id, tail), fn),
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
    dataBranches: async () => mend.list('Branch', await shaped<Branch[]>(api.DataBranches())),
    dataLog: async (question) => mend.shape('LogPage', await shaped<LogPage>(api.DataLog(question))),
    dataDiff: async (question) => mend.list('FileDiff', await shaped<FileDiff[]>(api.DataDiff(question))),
    dataTree: async (place) => mend.list('TreeEntry', await shaped<TreeEntry[]>(api.DataTree(place))),
    dataFile: (place) => shaped<Content>(api.DataFile(place)),
    dataTransactions: async () =>
      mend.list('Transaction', await shaped<Transaction[]>(api.DataTransactions())),
    dataConflict: (question) => shaped<Sides>(api.DataConflict(question)),
    dataWatchers: async () => mend.list('Watcher', await shaped<Watcher[]>(api.DataWatchers())),
    dataStats: () => shaped<QueryStats>(api.DataStats()),
    dataRestore: (branch, commit, message) => ask(api.DataRestore(branch, commit, message)),
    dataRestorePath: (branch, commit, path) => ask(api.DataRestorePath(branch, commit, path)),
    dataRevert: (branch, commit) => ask(api.DataRevert(branch, commit)),
    dataCloseTransaction: (branch, name) => ask(api.DataCloseTransaction(branch, name)),
    saveFile: (place) => ask(api.SaveFile(place)),
    run: async (id) => mend.shape('Run', await shaped<Run>(api.Run(id))),
    runAction: (id, action) => ask(api.RunAction(id, action)),
    followRunLog: (id, fn) => follow((stream) => api.FollowRunLog(stream, id), fn),
    copyText: async (text) => {
      if (!(await runtime.ClipboardSetText(text))) throw problemOf('The clipboard did not take the text.');
    },
    openURL: async (url) => runtime.BrowserOpenURL(url),
    reportDefect: (text) => api.ReportDefect(text).catch(() => undefined),
    quit: () => ask(api.Quit()),
  };
}
