import type { Bridge, Commit, LogQuestion, Problem } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import { layout, noLanes, type GraphRow } from './graph';

export interface Entry {
  commit: Commit;
  /** Absent when the list is of one path: its commits are not each other's parents. */
  graph: GraphRow | undefined;
}
export type Asked = Pick<LogQuestion, 'branch' | 'from' | 'path'>;

const firstPage = 200;
const nextPage = 1000;

/**
 * A history, read page by page as one scrolls. A new question makes the answers
 * of the former worthless; one request is under way at a time.
 */
export class CommitLog {
  /** Newest first; null until the first page is there. */
  entries = $state.raw<readonly Entry[] | null>(null);
  problem = $state.raw<Problem | null>(null);
  loading = $state(false);
  /** There are older commits. */
  more = $state(false);
  /** Entries put on at the top, as a negative number: see VirtualList. */
  shifted = $state(0);
  asked = $state.raw<Asked>({});
  #next = '';
  #lanes = noLanes();
  #generation = 0;
  #bridge: Bridge;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  /** Shows a history from its newest commit, or from the one given. */
  async ask(question: Asked): Promise<void> {
    this.#generation += 1;
    this.asked = question;
    this.entries = null;
    this.problem = null;
    this.loading = this.more = false;
    await this.#fetch({ ...question, limit: firstPage }, (commits) => this.#begin(commits));
  }

  /** Reads on towards the oldest. */
  async older(): Promise<void> {
    if (!this.more || this.loading) return;
    await this.#fetch({ ...this.asked, from: this.#next, limit: nextPage }, (commits) => {
      this.entries = [...(this.entries ?? []), ...this.#lay(commits)];
    });
  }

  /** Something changed: what is new is put on top, and what one reads stays in place. */
  async refresh(): Promise<void> {
    const before = this.entries;
    if (this.loading || this.asked.from) return;
    if (before === null) return this.ask(this.asked);
    const [next, more] = [this.#next, this.more];
    await this.#fetch({ ...this.asked, limit: firstPage }, (commits) => {
      const added = newOnes(
        commits,
        before.map((e) => e.commit),
      );
      if (added < 0) return this.#begin(commits);
      if (before.length > commits.length - added) [this.#next, this.more] = [next, more];
      if (added === 0) return;
      this.#begin([...commits.slice(0, added), ...before.map((e) => e.commit)]);
      this.shifted -= added;
    });
  }

  async #fetch(question: LogQuestion, take: (commits: Commit[]) => void): Promise<void> {
    const generation = this.#generation;
    this.loading = true;
    try {
      const page = await this.#bridge.dataLog(question);
      if (generation !== this.#generation) return;
      this.#next = page.next ?? '';
      this.more = this.#next !== '';
      this.problem = null;
      take(page.commits);
    } catch (thrown) {
      if (generation === this.#generation) this.problem = problemOf(thrown);
    } finally {
      if (generation === this.#generation) this.loading = false;
    }
  }

  #begin(commits: readonly Commit[]): void {
    this.#lanes = noLanes();
    this.entries = this.#lay(commits);
  }
  #lay(commits: readonly Commit[]): Entry[] {
    if (this.asked.path) return commits.map((commit) => ({ commit, graph: undefined }));
    const { rows, lanes } = layout(commits, this.#lanes);
    this.#lanes = lanes;
    return commits.map((commit, i) => ({ commit, graph: rows[i] }));
  }
}

/** How many commits of `page` come before those that were there; -1 if the histories do not fit together. */
export function newOnes(page: readonly { hash: string }[], before: readonly { hash: string }[]): number {
  const added = page.findIndex((c) => c.hash === before[0]?.hash);
  if (added < 0) return -1;
  const fits = page.slice(added).every((c, i) => i >= before.length || c.hash === before[i]!.hash);
  return fits ? added : -1;
}
