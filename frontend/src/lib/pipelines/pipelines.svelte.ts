import type { Action, Bridge, Problem, Run } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { Lines } from '$lib/log/lines.svelte';
import { overlay } from '$lib/ui/overlay.svelte';
import { Selection } from '$lib/ui/selection.svelte';

/** The runs of all pipelines, newest first, and what their runners offer to do. */
export class Pipelines {
  /** null until the engine has told. */
  list = $state.raw<readonly Run[] | null>(null);
  selection = new Selection();
  tab = $state<'log' | 'steps' | 'artefacts' | 'diff'>('log');
  busy = $state.raw<ReadonlyMap<string, Action>>(new Map());
  #bridge: Bridge;
  #kept = $state.raw<Run | null>(null); // asked for by a link, older than those of the list

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    feed.on('pipelines', (list) => (this.list = list));
  }

  get selected(): Run | undefined {
    const id = this.selection.cursor;
    return this.list?.find((r) => r.id === id) ?? (this.#kept?.id === id ? this.#kept : undefined);
  }
  get failing(): Run[] {
    const newest = new Map<string, Run>();
    for (const run of this.list ?? [])
      if (isOver(run) && run.status !== 'cancelled' && !newest.has(`${run.pipeline}\n${run.sourceBranch}`))
        newest.set(`${run.pipeline}\n${run.sourceBranch}`, run);
    return [...newest.values()].filter((run) => run.status === 'failed');
  }
  /** The runs that built a commit, or left it behind. */
  of(commit: string): Run[] {
    return (this.list ?? []).filter((r) => r.source === commit || r.result === commit);
  }
  /** How long the runs of a pipeline that are over took, oldest first, up to the run given. */
  durations(run: Run): number[] {
    const all = (this.list ?? []).filter((r) => r.pipeline === run.pipeline);
    const from = Math.max(
      0,
      all.findIndex((r) => r.id === run.id),
    );
    const took = all.slice(from).filter((r) => r.started && r.ended && r.status === 'passed');
    return took
      .slice(0, 16)
      .map((r) => duration(r, 0))
      .reverse();
  }

  async show(id: string): Promise<void> {
    this.selection.only(id);
    if (this.list?.some((r) => r.id === id)) return;
    try {
      this.#kept = await this.#bridge.run(id);
    } catch (thrown) {
      tell(problemOf(thrown));
    }
  }

  async act(action: Action, run: Run): Promise<void> {
    if (!run.offers.includes(action) || this.busy.has(run.id)) return;
    if (action === 'cancel' && !(await confirmCancel(run))) return;
    this.busy = new Map(this.busy).set(run.id, action);
    try {
      await this.#bridge.runAction(run.id, action);
    } catch (thrown) {
      tell(problemOf(thrown));
    } finally {
      const busy = new Map(this.busy);
      busy.delete(run.id);
      this.busy = busy;
    }
  }

  follow(id: string): RunLog {
    return new RunLog(this.#bridge, id);
  }

  async save(commit: string, path: string): Promise<void> {
    try {
      const to = await this.#bridge.saveFile({ commit, path });
      if (to) overlay.tell('ok', `Saved to ${to}.`);
    } catch (thrown) {
      tell(problemOf(thrown));
    }
  }
}

function tell({ message, hint }: Problem): void {
  overlay.tell('error', message, { hint });
}

function confirmCancel(run: Run): Promise<boolean> {
  return overlay.ask({
    title: `Cancel ${nameOf(run)}?`,
    text: 'Its log and what it has made so far stay. You can run it again.',
    action: 'Cancel run',
    danger: true,
  });
}

/** One followed log. */
export class RunLog {
  lines = new Lines();
  loading = $state(true);
  ended = $state(false);
  problem = $state('');
  readonly stop: () => void;

  constructor(bridge: Bridge, id: string) {
    this.stop = bridge.followRunLog(id, ({ lines, end, message }) => {
      this.loading = false;
      if (lines.length) this.lines.push(lines);
      if (end) this.ended = true;
      if (message) this.problem = message;
    });
  }
}

export function nameOf(run: Run): string {
  return `${run.pipeline} #${run.number}`;
}
export function isOver({ status }: Run): boolean {
  return status !== 'queued' && status !== 'running';
}
/** How long it took, or has taken so far, in ms. */
export function duration(part: { started?: string; ended?: string }, now: number): number {
  if (!part.started) return 0;
  return Math.max(0, (part.ended ? Date.parse(part.ended) : now) - Date.parse(part.started));
}
