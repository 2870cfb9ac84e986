import type { Bridge, Content, Problem, TreeEntry } from '$lib/bridge';
import { problemOf } from '$lib/bridge';

export interface TreeRow extends TreeEntry {
  path: string;
  depth: number;
  open: boolean;
}

/** The files of one commit: directories are read when opened, a file when chosen. */
export class Tree {
  /** null until the root is read. */
  rows = $state.raw<readonly TreeRow[] | null>(null);
  problem = $state.raw<Problem | null>(null);
  chosen = $state.raw<TreeRow | null>(null);
  content = $state.raw<Content | null>(null);
  contentProblem = $state.raw<Problem | null>(null);
  #bridge: Bridge;
  #commit: string;

  constructor(bridge: Bridge, commit: string, root: string) {
    this.#bridge = bridge;
    this.#commit = commit;
    void this.#read(root, 0, -1);
  }

  async #read(path: string, depth: number, after: number): Promise<void> {
    try {
      const entries = await this.#bridge.dataTree(
        path ? { commit: this.#commit, path } : { commit: this.#commit },
      );
      const added = entries
        .map((e) => ({ ...e, path: path ? `${path}/${e.name}` : e.name, depth, open: false }))
        .sort((a, b) => Number(b.kind === 'dir') - Number(a.kind === 'dir'));
      const rows = this.rows ?? [];
      this.rows = [...rows.slice(0, after + 1), ...added, ...rows.slice(after + 1)];
    } catch (thrown) {
      this.problem = problemOf(thrown);
    }
  }

  /** Opens or closes a directory, or shows a file. */
  async use(row: TreeRow): Promise<void> {
    if (row.kind !== 'dir') return this.#show(row);
    const rows = this.rows ?? [];
    const at = rows.findIndex((r) => r.path === row.path);
    const next = { ...row, open: !row.open };
    if (row.open) {
      this.rows = [
        ...rows.slice(0, at),
        next,
        ...rows.slice(at + 1).filter((r) => !r.path.startsWith(`${row.path}/`)),
      ];
    } else {
      this.rows = rows.with(at, next);
      await this.#read(row.path, row.depth + 1, at);
    }
  }

  async #show(row: TreeRow): Promise<void> {
    this.chosen = row;
    this.content = this.contentProblem = null;
    try {
      const content = await this.#bridge.dataFile({ commit: this.#commit, path: row.path });
      if (this.chosen === row) this.content = content;
    } catch (thrown) {
      if (this.chosen === row) this.contentProblem = problemOf(thrown);
    }
  }
}
