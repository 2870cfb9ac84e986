/**
 * The bridge: the only way from the window to the engine.
 *
 * `wails.ts` implements it in the app, `fake/` in a browser. Everything the
 * engine tells arrives as events by topic; everything it is asked is a method.
 * A refused request rejects with a `Problem`, which holds what a person reads.
 */
import type {
  Action,
  Branch,
  CaptureAction,
  ConflictQuestion,
  ContainerAction,
  Content,
  Detail,
  DiffQuestion,
  FileDiff,
  LogPage,
  LogQuestion,
  Page,
  Payloads,
  Place,
  Port,
  PortRequest,
  Query,
  QueryStats,
  Run,
  Setting,
  SettingDiff,
  SettingsChange,
  SettingsCommit,
  Sides,
  Topic,
  Transaction,
  TreeEntry,
  Watcher,
} from './shapes.gen';

export type * from './shapes.gen';
export { Problem, problemOf } from './problem';

/** One event. `seq` grows within an epoch; a topic's newest event wins. */
export type AnyEvent = { [T in Topic]: { seq: number; topic: T; data: Payloads[T] } }[Topic];

/** Whether the app reaches an engine. Each engine it reaches begins a new epoch. */
export interface Link {
  epoch: number;
  state: 'connecting' | 'up' | 'down';
  message?: string;
  hint?: string;
}

/** The present state: the link, and for each topic one event that holds all of it (flows with reset set). */
export interface Snapshot {
  link: Link;
  events: AnyEvent[];
}

/** Lines of a followed log, of a container or of a run, without their ends; `end` is set on the last one, with the reason if it is a failure. */
export interface LogChunk {
  lines: string[];
  end?: boolean;
  message?: string;
}

export interface Bridge {
  /** Calls `fn` with each batch of events, at most 30 a second, in order. Returns how to stop. */
  onEvents(fn: (events: AnyEvent[]) => void): () => void;
  onLink(fn: (link: Link) => void): () => void;
  /** Menu and tray ask the window to show something, such as "settings". */
  onNavigate(fn: (page: string) => void): () => void;
  snapshot(): Promise<Snapshot>;

  startMachine(): Promise<void>;
  stopMachine(): Promise<void>;
  restartMachine(): Promise<void>;
  killMachine(): Promise<void>;

  containerAction(id: string, action: ContainerAction): Promise<void>;
  /** Sends the last `tail` lines and then new ones until the returned function is called. */
  followLogs(id: string, tail: number, fn: (chunk: LogChunk) => void): () => void;

  addPort(request: PortRequest): Promise<Port>;
  removePort(id: string): Promise<void>;

  captureControl(action: CaptureAction): Promise<void>;
  packets(query: Query): Promise<Page>;
  packet(n: number): Promise<Detail>;
  /** Asks where, writes what the filter selects, returns the path, or '' if the person changed their mind. */
  exportPcapng(filter: string): Promise<string>;

  settings(): Promise<Setting[]>;
  setSettings(change: SettingsChange): Promise<SettingsCommit>;
  settingsLog(limit: number): Promise<SettingsCommit[]>;
  settingsDiff(from: string, to: string): Promise<SettingDiff[]>;
  revertSettings(commit: string): Promise<SettingsCommit>;
  restoreSettings(commit: string): Promise<SettingsCommit>;

  dataBranches(): Promise<Branch[]>;
  dataLog(question: LogQuestion): Promise<LogPage>;
  dataDiff(question: DiffQuestion): Promise<FileDiff[]>;
  dataTree(place: Place): Promise<TreeEntry[]>;
  dataFile(place: Place): Promise<Content>;
  dataTransactions(): Promise<Transaction[]>;
  dataConflict(question: ConflictQuestion): Promise<Sides>;
  dataWatchers(): Promise<Watcher[]>;
  dataStats(): Promise<QueryStats>;
  /** Makes a branch what it was at a commit, by one new commit; "" lets the engine write the message. Returns the new commit's hash, as the two below do. */
  dataRestore(branch: string, commit: string, message: string): Promise<string>;
  /** Makes one file or directory of a branch what it was at a commit. */
  dataRestorePath(branch: string, commit: string, path: string): Promise<string>;
  dataRevert(branch: string, commit: string): Promise<string>;
  dataCloseTransaction(branch: string, name: string): Promise<void>;
  /** Asks where, writes a file of a commit there, returns the path, or '' if the person changed their mind. */
  saveFile(place: Place): Promise<string>;

  run(id: string): Promise<Run>;
  runAction(id: string, action: Action): Promise<void>;
  /** Sends the log of a run from its beginning and, while it runs, as it grows, until the returned function is called. */
  followRunLog(id: string, fn: (chunk: LogChunk) => void): () => void;

  copyText(text: string): Promise<void>;
  openURL(url: string): Promise<void>;
  /** Writes a defect of the window into the engine's log. Never rejects. */
  reportDefect(text: string): Promise<void>;
  quit(): Promise<void>;
}
