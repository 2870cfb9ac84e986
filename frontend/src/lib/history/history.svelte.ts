import type { Bridge, Problem, SettingDiff, SettingsCommit } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { overlay } from '$lib/ui/overlay.svelte';
import { Selection } from '$lib/ui/selection.svelte';

const limit = 500;

/** The settings' commits, what one of them changed, and the way back. */
export class History {
  /** Newest first; null until loaded. */
  commits = $state.raw<readonly SettingsCommit[] | null>(null);
  problem = $state.raw<Problem | null>(null);
  diff = $state.raw<readonly SettingDiff[] | null>(null);
  diffProblem = $state.raw<Problem | null>(null);
  busy = $state(false);
  selection = new Selection();
  #bridge: Bridge;
  #head: string | null = null; // '' is a head too: nothing was ever changed
  #wanted = '';

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    feed.on('settings', ({ head }) => {
      if (head === this.#head) return;
      this.#head = head;
      void this.load();
    });
  }

  get selected(): SettingsCommit | undefined {
    return this.commits?.find((c) => c.hash === this.selection.cursor);
  }
  /** Older commits exist that are not listed. */
  get cut(): boolean {
    return this.commits?.length === limit;
  }

  async load(): Promise<void> {
    try {
      this.commits = await this.#bridge.settingsLog(limit);
      this.problem = null;
      if (!this.selected) this.selection.only(this.commits[0]?.hash ?? null);
    } catch (thrown) {
      this.problem = problemOf(thrown);
    }
  }

  async look(commit: SettingsCommit | undefined): Promise<void> {
    const hash = (this.#wanted = commit?.hash ?? '');
    this.diff = null;
    this.diffProblem = null;
    if (!hash) return;
    try {
      const diff = await this.#bridge.settingsDiff('', hash);
      if (this.#wanted === hash) this.diff = diff;
    } catch (thrown) {
      if (this.#wanted === hash) this.diffProblem = problemOf(thrown);
    }
  }

  async revert(commit: SettingsCommit): Promise<void> {
    const yes = await overlay.ask({
      title: 'Undo this change?',
      text: `“${commit.message}” is undone by a new change; later changes to other settings stay. You can undo that too.`,
      action: 'Undo change',
    });
    if (yes) await this.#change(() => this.#bridge.revertSettings(commit.hash));
  }

  async restore(commit: SettingsCommit): Promise<void> {
    const yes = await overlay.ask({
      title: 'Go back to these settings?',
      text: 'All settings become what they were after this change, by a new change. Nothing is lost from the history.',
      action: 'Go back',
    });
    if (yes) await this.#change(() => this.#bridge.restoreSettings(commit.hash));
  }

  async #change(work: () => Promise<SettingsCommit>): Promise<void> {
    this.busy = true;
    try {
      const made = await work();
      await this.load();
      this.selection.only(made.hash);
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    } finally {
      this.busy = false;
    }
  }
}
