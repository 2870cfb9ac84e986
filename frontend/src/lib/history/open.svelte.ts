import type { Bridge, Owner, Problem, QueryStats, Sides, Transaction, Watcher } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import { overlay } from '$lib/ui/overlay.svelte';
import { Selection } from '$lib/ui/selection.svelte';

/** What is open in the data store: transactions, their conflicts, watchers; and the store's counters. */
export class Open {
  transactions = $state.raw<readonly Transaction[] | null>(null);
  watchers = $state.raw<readonly Watcher[] | null>(null);
  stats = $state.raw<QueryStats | null>(null);
  problem = $state.raw<Problem | null>(null);
  selection = new Selection();
  watcherSelection = new Selection();
  /** The path of the conflict that is shown. */
  conflict = $state('');
  sides = $state.raw<Sides | null>(null);
  sidesProblem = $state.raw<Problem | null>(null);
  #bridge: Bridge;
  #wanted = '';

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  get selected(): Transaction | undefined {
    return this.transactions?.find((t) => keyOf(t) === this.selection.cursor);
  }

  async load(): Promise<void> {
    try {
      const [transactions, watchers, stats] = await Promise.all([
        this.#bridge.dataTransactions(),
        this.#bridge.dataWatchers(),
        this.#bridge.dataStats(),
      ]);
      this.transactions = transactions;
      this.watchers = watchers;
      this.stats = stats;
      this.problem = null;
    } catch (thrown) {
      this.problem = problemOf(thrown);
    }
  }

  /** Fetches the sides of a conflict; the one asked for last wins. */
  async look(transaction: Transaction | undefined, path: string): Promise<void> {
    const wanted = (this.#wanted = transaction ? `${keyOf(transaction)}\n${path}` : '');
    this.sides = null;
    this.sidesProblem = null;
    if (!transaction || !path) return;
    const { branch, name } = transaction;
    try {
      const sides = await this.#bridge.dataConflict({ branch, transaction: name, path });
      if (this.#wanted === wanted) this.sides = sides;
    } catch (thrown) {
      if (this.#wanted === wanted) this.sidesProblem = problemOf(thrown);
    }
  }

  async close(transaction: Transaction): Promise<void> {
    const { branch, name, owner, changes } = transaction;
    const yes = await overlay.ask({
      title: `Close the transaction ${name}?`,
      text: `It belongs to ${ownerWords(owner)}, who will be told that it is gone.`,
      loss:
        changes > 0
          ? `What was written in it (${changes} ${changes === 1 ? 'file' : 'files'}) is lost; ${branch} stays as it is.`
          : '',
      action: 'Close transaction',
      danger: true,
    });
    if (!yes) return;
    try {
      await this.#bridge.dataCloseTransaction(branch, name);
      await this.load();
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    }
  }
}

export function keyOf({ branch, name }: Transaction): string {
  return `${branch}\n${name}`;
}

/** "ann, python3 (pid 4711)", or what is known. */
export function ownerWords({ user, uid, pid, program, address }: Owner): string {
  const who = user || (uid >= 0 ? `user ${uid}` : 'someone');
  const what = program ? `, ${program}${pid ? ` (pid ${pid})` : ''}` : pid ? `, pid ${pid}` : '';
  return `${who}${what}${address ? `, ${address}` : ''}`;
}
