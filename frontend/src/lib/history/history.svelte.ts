import type { Branch, Bridge, Commit, Problem } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { overlay } from '$lib/ui/overlay.svelte';
import { paced } from '$lib/ui/paced';
import { Selection } from '$lib/ui/selection.svelte';
import { load, save } from '$lib/ui/stored';
import { CommitLog } from './log.svelte';
import { Open } from './open.svelte';
import { settingsBranch, Undo } from './undo';

export type HistoryTab = 'commits' | 'transactions' | 'watchers';

/** The data store: its branches, the history of one of them, what is open, and the way back. */
export class History {
  tab = $state<HistoryTab>('commits');
  /** By name; null until loaded. */
  branches = $state.raw<readonly Branch[] | null>(null);
  problem = $state.raw<Problem | null>(null);
  branchSelection = new Selection();
  selection = new Selection();
  busy = $state(false);
  readonly log: CommitLog;
  readonly open: Open;
  #bridge: Bridge;
  #undo: Undo;
  #shown = false;
  #stale = true;
  #loading: Promise<void> | null = null;
  #wanted = ''; // a commit to select when it is there

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    this.#undo = new Undo(bridge);
    this.log = new CommitLog(bridge);
    this.open = new Open(bridge);
    const refresh = paced(() => this.load());
    const changed = () => {
      this.#stale = true;
      if (this.#shown) refresh();
    };
    feed.on('data', changed);
    feed.on('settings', changed); // an engine may tell of its settings only
    feed.onReset(changed);
  }

  /** The page is shown; returns what to do when it is not any more. */
  show(): () => void {
    this.#shown = true;
    if (this.#stale) void this.load();
    return () => (this.#shown = false);
  }

  get branch(): Branch | undefined {
    return this.branches?.find((b) => b.name === this.branchSelection.cursor);
  }
  get commits(): readonly Commit[] {
    return this.log.entries?.map((e) => e.commit) ?? [];
  }
  /** The commits that are selected, newest first: one is shown, of several the ends are compared. */
  get chosen(): Commit[] {
    const { keys } = this.selection;
    if (keys.size === 0) return [];
    const out = (this.log.entries ?? []).filter((e) => keys.has(e.commit.hash)).map((e) => e.commit);
    return out.length > 2 ? [out[0]!, out.at(-1)!] : out;
  }

  /** Reads the branches, the shown one's news, and what is open. One reading is under way at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }
  async #load(): Promise<void> {
    this.#stale = false;
    try {
      const head = this.branch?.head;
      const branches = await this.#bridge.dataBranches();
      this.branches = branches;
      this.problem = null;
      const last = load('branch', '');
      const names = branches.map((b) => b.name);
      if (!this.branch) {
        const name = [last, 'main', 'master', settingsBranch].find((n) => names.includes(n)) ?? names[0];
        if (name !== undefined) await this.choose(name);
      } else if (this.branch.head !== head || this.log.problem) await this.log.refresh();
      await this.open.load();
    } catch (thrown) {
      this.problem = problemOf(thrown);
    }
  }

  /** Shows a branch from its head. */
  async choose(name: string, path = ''): Promise<void> {
    save('branch', name);
    this.branchSelection.only(name);
    this.tab = 'commits';
    await this.#ask({ branch: name, path });
  }
  /** Only what changed a file or what is below it; '' for all. */
  async narrow(path: string): Promise<void> {
    await this.#ask({ ...this.log.asked, path: path.replace(/^\/+|\/+$/g, '') });
  }
  /** Shows one commit, with its history if it is not listed. */
  async reveal(branch: string, commit: string): Promise<void> {
    this.tab = 'commits';
    if (!this.branches) await this.load();
    const known = this.branches?.some((b) => b.name === branch) ? branch : (this.branch?.name ?? branch);
    if (this.branch?.name !== known || this.log.asked.path || this.log.problem) {
      this.#wanted = commit;
      await this.choose(known);
    }
    if (this.commits.some((c) => c.hash === commit)) this.selection.only(commit);
    else await this.#ask({ branch: known, from: commit });
  }
  async #ask(question: { branch?: string; path?: string; from?: string }): Promise<void> {
    const keep = this.#wanted || question.from || '';
    this.#wanted = '';
    await this.log.ask(question);
    this.selection.only(this.commits.find((c) => c.hash === keep)?.hash ?? this.commits[0]?.hash ?? null);
  }

  revert = (commit: Commit) => this.#change((branch) => this.#undo.revert(branch, commit));
  restore = (commit: Commit, branch?: string) => this.#change((b) => this.#undo.restore(b, commit), branch);
  restorePath = (commit: string, path: string) =>
    this.#change((branch) => this.#undo.restorePath(branch, commit, path));

  async #change(work: (branch: Branch) => Promise<string>, name = this.branch?.name): Promise<void> {
    const branch = this.branches?.find((b) => b.name === name);
    if (!branch || this.busy) return;
    this.busy = true;
    try {
      const made = await work(branch);
      if (!made) return;
      await this.load();
      await this.log.refresh();
      if (this.log.asked.from) await this.choose(branch.name);
      this.selection.only(made);
      overlay.tell('ok', `Done, by a new commit on ${branch.name}.`, {
        action: { label: 'Undo', run: () => void this.#takeBack(branch.name, made) },
      });
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    } finally {
      this.busy = false;
    }
  }
  async #takeBack(branch: string, commit: string): Promise<void> {
    try {
      await this.#undo.takeBack(branch, commit);
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    }
  }
}
