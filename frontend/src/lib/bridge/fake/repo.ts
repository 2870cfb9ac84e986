/** A made-up data store: branches, two of them long, what is open in it, and a way to write. */
import { Problem } from '../problem';
import type {
  Branch,
  Change,
  Commit,
  Content,
  DiffQuestion,
  FileDiff,
  LogPage,
  LogQuestion,
  Place,
  TreeEntry,
} from '../shapes.gen';
import { began } from './data';
import { braided, Endless, shopFiles, shopSubject, shopTouched, textHash, type Files } from './endless';
import { unified } from './unified';

interface Made {
  commit: Commit;
  files: Files;
}

const zero = '0'.repeat(40);
/** How many commits one answer looks at. */
const examined = 4000;

export class FakeRepo {
  #histories = new Map<string, Endless>();
  #heads = new Map<string, string>();
  #made = new Map<string, Made>();

  constructor() {
    const shop = { parents: braided, subject: shopSubject, touched: shopTouched, files: shopFiles };
    this.add(
      'main',
      new Endless({ seed: 0x51a7, count: 4800, newest: began - 22 * 60_000, step: 41 * 60_000, ...shop }),
    );
    this.add(
      'archive/2019',
      new Endless({
        seed: 0x77ee3,
        count: 100_000,
        newest: began - 400 * 86_400_000,
        step: 9 * 60_000,
        ...shop,
      }),
    );
    const base = this.#histories.get('main')!.hash(4790);
    this.#heads.set('search', base);
    const files = new Map(this.files(base));
    files.set('src/search/index.ts', files.get('src/search/index.ts')!.replace('const part9', 'const ninth'));
    this.write('search', files, 'Rank by what was bought', 'cleo', began - 95 * 60_000);
    files.set('src/search/rank.ts', 'export const rank = (n: number) => 1 / (1 + n);\n');
    this.write('search', files, 'Rank in a file of its own', 'cleo', began - 64 * 60_000);
  }

  /** Forgets all branches. */
  clear(): void {
    this.#heads.clear();
  }
  add(branch: string, history: Endless): void {
    this.#histories.set(branch, history);
    this.#heads.set(branch, history.hash(history.plan.count - 1));
  }
  /** Puts a commit that was made elsewhere, such as one of the settings. */
  put(branch: string, commit: Commit, files: Files): void {
    this.#made.set(commit.hash, { commit, files });
    this.#heads.set(branch, commit.hash);
  }
  head(branch: string): string {
    const head = this.#heads.get(branch);
    if (head === undefined)
      throw new Problem(
        'not-found',
        `There is no branch ${branch}.`,
        'It may have been removed. Choose another.',
      );
    return head;
  }

  branches(): Branch[] {
    return [...this.#heads.keys()].sort().map((name) => {
      const { hash, author, time, message } = this.commit(this.head(name));
      const access = name.startsWith('archive') ? 'read' : 'write';
      return { name, head: hash, author, time, subject: message.split('\n')[0]!, access };
    });
  }

  commit(hash: string): Commit {
    const made = this.#made.get(hash);
    if (made) return made.commit;
    const [history, i] = this.#find(hash);
    return history.commit(i);
  }
  files(hash: string): Files {
    const made = this.#made.get(hash);
    if (made) return made.files;
    const [history, i] = this.#find(hash);
    return history.plan.files(i);
  }
  #find(hash: string): [Endless, number] {
    for (const history of this.#histories.values()) {
      const i = history.index(hash);
      if (i >= 0) return [history, i];
    }
    throw new Problem(
      'not-found',
      `There is no commit ${hash.slice(0, 12)}.`,
      'It may have been pruned. Choose another.',
    );
  }

  /** The commits from one on, newest first. */
  *#walk(hash: string): Generator<Commit> {
    for (let made = this.#made.get(hash); made; made = this.#made.get(hash)) {
      yield made.commit;
      if (!made.commit.parents[0]) return;
      hash = made.commit.parents[0];
    }
    const [history, i] = this.#find(hash);
    for (let at = i; at >= 0; at -= 1) yield history.commit(at);
  }

  log({ branch = '', from, path = '', limit }: LogQuestion): LogPage {
    const want = Math.min(1000, limit || 100);
    const commits: Commit[] = [];
    let seen = 0;
    for (const commit of this.#walk(from || this.head(branch))) {
      if (commits.length >= want || (seen += 1) > examined) return { commits, next: commit.hash };
      if (!path || commit.changes.some((c) => below(c.path, path))) commits.push(commit);
    }
    return { commits };
  }

  diff({ from, to, path = '' }: DiffQuestion): FileDiff[] {
    const parent = from || this.commit(to).parents[0];
    const [a, b] = [parent ? this.files(parent) : new Map<string, string>(), this.files(to)];
    return changes(a, b)
      .filter((change) => below(change.path, path))
      .map(({ path, kind }) => {
        const [old, now] = [a.get(path) ?? '', b.get(path) ?? ''];
        if ((old + now).includes('\0')) return { path, kind, old: '', new: '', unified: '', binary: true };
        return { path, kind, old, new: now, unified: unified(path, old, now) };
      });
  }

  tree({ commit, path = '' }: Place): TreeEntry[] {
    const entries = new Map<string, TreeEntry>();
    for (const [file, text] of this.files(commit)) {
      if (!below(file, path) || file === path) continue;
      const rest = path ? file.slice(path.length + 1) : file;
      const name = rest.split('/')[0]!;
      const dir = rest !== name;
      const kind = dir ? 'dir' : name.endsWith('.sh') ? 'exec' : 'file';
      const size = dir ? 0 : name.endsWith('.tar.gz') ? 18_400_112 : text.length;
      entries.set(name, { name, kind, hash: textHash(file + text), size });
    }
    return [...entries.values()].sort((x, y) => (x.name < y.name ? -1 : 1));
  }
  file({ commit, path = '' }: Place): Content {
    const text = this.files(commit).get(path);
    if (text === undefined)
      throw new Problem('not-found', `There is no file ${path} in this version.`, 'Choose another version.');
    if (text.includes('\0'))
      return { text: '', size: path.endsWith('.tar.gz') ? 18_400_112 : 24_106, binary: true };
    return { text, size: text.length };
  }

  write(branch: string, files: Files, message: string, author = 'ann', at = Date.now()): string {
    const parent = this.head(branch);
    const changed = changes(this.files(parent), files);
    if (changed.length === 0)
      throw new Problem('invalid', 'Nothing would change.', 'The branch is like this already.');
    const hash = textHash(`${parent}${message}${at}`);
    const commit: Commit = {
      hash,
      tree: textHash(`tree ${hash}`),
      parents: [parent],
      author,
      email: `${author}@example.org`,
      time: new Date(at).toISOString(),
      message,
      changes: changed,
    };
    this.put(branch, commit, new Map(files));
    return hash;
  }
  restore(branch: string, commit: string, message: string): string {
    return this.write(branch, this.files(commit), message || `Restore ${branch} as of ${commit.slice(0, 8)}`);
  }
  restorePath(branch: string, commit: string, path: string): string {
    const files = new Map([...this.files(this.head(branch))].filter(([file]) => !below(file, path)));
    for (const [file, text] of this.files(commit)) if (below(file, path)) files.set(file, text);
    return this.write(branch, files, `Restore ${path} as of ${commit.slice(0, 8)}`);
  }
  revert(branch: string, commit: string): string {
    const { message, parents } = this.commit(commit);
    const before = parents[0] ? this.files(parents[0]) : new Map<string, string>();
    const files = new Map(this.files(this.head(branch)));
    for (const { path } of changes(before, this.files(commit))) {
      const old = before.get(path);
      if (old === undefined) files.delete(path);
      else files.set(path, old);
    }
    return this.write(branch, files, `Revert “${message.split('\n')[0]}”`);
  }
}

function below(file: string, path: string): boolean {
  return path === '' || file === path || file.startsWith(`${path}/`);
}

function changes(a: Files, b: Files): Change[] {
  const all = [...new Set([...a.keys(), ...b.keys()])].sort();
  return all
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => {
      const [old, now] = [a.get(path), b.get(path)];
      const kind = old === undefined ? 'added' : now === undefined ? 'removed' : 'modified';
      return {
        path,
        kind,
        old: old === undefined ? zero : textHash(old),
        new: now === undefined ? zero : textHash(now),
      };
    });
}
