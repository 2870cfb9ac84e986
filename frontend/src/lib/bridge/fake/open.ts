/** What is open in the made-up data store: transactions with their conflicts, watchers, counters. */
import { Problem } from '../problem';
import type { ConflictQuestion, QueryStats, Sides, Transaction, Watcher } from '../shapes.gen';
import { past } from './data';
import type { FakeRepo } from './repo';

const minutes = 60_000;

export class FakeOpen {
  #repo: FakeRepo;
  transactions: Transaction[];
  watchers: Watcher[];

  constructor(repo: FakeRepo) {
    this.#repo = repo;
    const python = { user: 'ann', uid: 1000, pid: 4711, program: 'python3' };
    const shell = { user: 'ben', uid: 1001, pid: 9120, program: 'bash' };
    const base = repo.log({ branch: 'main', limit: 8 }).commits.at(-1)!.hash;
    this.transactions = [
      {
        branch: 'main',
        name: 'import-items',
        owner: python,
        began: past(14 * minutes),
        base,
        message: 'Import the items of the spring catalogue',
        changes: 31,
        conflicts: ['assets/logo.png', 'config/limits.conf', 'src/items.ts'],
        expires: new Date(Date.now() + 46 * minutes).toISOString(),
      },
      {
        branch: 'search',
        name: 'try',
        owner: shell,
        began: past(40_000),
        base: repo.head('search'),
        changes: 2,
        conflicts: [],
      },
      {
        branch: 'ci/shop',
        name: '7f3a',
        owner: { user: '', uid: -1, address: '10.0.0.7:51220' },
        began: past(3 * minutes),
        changes: 0,
        conflicts: [],
      },
    ];
    const engine = { user: 'ann', uid: 1000, pid: 4001, program: 'slipway' };
    this.watchers = [
      { branch: 'settings', path: '', kind: 'head', owner: engine, began: past(130 * minutes), events: 5 },
      { branch: 'main', path: '', kind: 'reflog', owner: shell, began: past(90 * minutes), events: 212 },
      { branch: 'main', path: 'config', kind: 'tree', owner: python, began: past(14 * minutes), events: 2 },
      { branch: 'search', path: 'src/search', kind: 'tree', owner: shell, began: past(40_000), events: 0 },
      {
        branch: 'archive/2019',
        path: '',
        kind: 'fetch',
        owner: engine,
        began: past(130 * minutes),
        events: 1,
      },
    ];
  }

  close(branch: string, name: string): void {
    const rest = this.transactions.filter((t) => t.branch !== branch || t.name !== name);
    if (rest.length === this.transactions.length)
      throw new Problem(
        'not-found',
        `The transaction ${name} is not open any more.`,
        'It was committed, or its client left.',
      );
    this.transactions = rest;
  }

  sides({ branch, path }: ConflictQuestion): Sides {
    const content = (text: string | null) => (text === null ? null : { text, size: text.length });
    if (path.endsWith('.png')) {
      const picture = (size: number) => ({ text: '', size, binary: true });
      return {
        base: picture(24_106),
        ours: picture(26_880),
        theirs: picture(19_441),
        now: null,
        reason: 'both changed a file that is not text',
      };
    }
    const base = this.#repo.files(this.#repo.head(branch)).get(path) ?? '';
    const lines = base.split('\n');
    const [ours, theirs] = [
      lines.with(4, `${lines[4]} // ours`),
      lines.with(4, lines[4]!.replace(/\d+/, '99')),
    ];
    if (path.endsWith('.conf'))
      return {
        base: content(base),
        ours: null,
        theirs: content(theirs.join('\n')),
        now: null,
        reason: 'removed here, changed there',
      };
    const now = lines.flatMap((line, i) =>
      i === 4 ? ['<<<<<<< ours', ours[4]!, '=======', theirs[4]!, '>>>>>>> theirs'] : [line],
    );
    return {
      base: content(base),
      ours: content(ours.join('\n')),
      theirs: content(theirs.join('\n')),
      now: content(now.join('\n')),
      reason: 'both changed line 5',
    };
  }

  stats(): QueryStats {
    return {
      store: {
        commits: 4_021,
        syncs: 1_130,
        journal: 48_120,
        pending: 0,
        flushes: 871,
        checkpoints: 12,
        packs: 4,
        packings: 2,
        cacheBytes: 21_400_000,
        cacheHits: 1_204_331,
        cacheMisses: 8_210,
        lastProblem: '',
      },
      transactions: this.transactions.length,
      watchers: this.watchers.length,
      sessions: 6,
      commits: 4_021,
      refused: 14,
      expired: 1,
    };
  }
}
