/** Made-up settings with a history that can be reverted. */
import { Problem } from '../problem';
import type { Commit, Kind, Setting, SettingDiff, SettingsChange, SettingsCommit } from '../shapes.gen';
import { firstSettings, past } from './data';
import { textHash } from './endless';

type Values = Record<string, string>;

interface Stored {
  commit: SettingsCommit;
  values: Values; // only those that differ from the default
}

export class FakeSettings {
  #schema = firstSettings();
  #history: Stored[] = [];

  constructor() {
    const minutes = 60_000;
    this.#add({}, 'slipway', 'Begin with the defaults', past(40 * 24 * 60 * minutes));
    this.#add({ 'vm/memory': '3072' }, 'ann', 'Give the machine 3 GiB for the shop', past(26 * 60 * minutes));
    this.#add(
      { 'vm/memory': '3072', 'net/forwards': 'tcp 127.0.0.1:15432 shop-db-1:5432' },
      'ann',
      'Reach the shop’s database from the host',
      past(25 * 60 * minutes),
    );
    this.#add(
      { 'vm/memory': '4096', 'net/forwards': 'tcp 127.0.0.1:15432 shop-db-1:5432' },
      'ann',
      'Set vm/memory to 4096',
      past(31 * minutes),
    );
    const forwards = this.#schema.find((s) => s.key === 'net/forwards')!.value;
    this.#add(
      { 'vm/memory': '4096', 'net/forwards': forwards },
      'slipway ports add',
      'Add 2 forwards',
      past(9 * minutes),
    );
  }

  get head(): string {
    return this.#history.at(-1)!.commit.hash;
  }
  list(): Setting[] {
    const { values } = this.#history.at(-1)!;
    return this.#schema.map((s) => ({
      ...s,
      value: values[s.key] ?? s.default,
      isDefault: !(s.key in values),
    }));
  }
  log(limit: number): SettingsCommit[] {
    return this.#history
      .map((s) => s.commit)
      .reverse()
      .slice(0, limit || undefined);
  }

  /** Its commits as those of a branch, oldest first. */
  asCommits(): [Commit, Map<string, string>][] {
    return this.#history.map(({ commit, values }) => {
      const { hash, parent, author, time, message } = commit;
      const changes = commit.changes.map(({ key, kind }) => ({
        path: key,
        kind: kind as Kind,
        old: textHash(`${key}${parent}`),
        new: textHash(`${key}${hash}`),
      }));
      const parents = parent ? [parent] : [];
      const email = `${author.split(' ')[0]}@example.org`;
      const made = { hash, tree: textHash(`tree ${hash}`), parents, author, email, time, message, changes };
      return [made, new Map(Object.entries(values).map(([key, value]) => [key, `${value}\n`]))];
    });
  }

  set({ values, message }: SettingsChange): SettingsCommit {
    const next = { ...this.#history.at(-1)!.values };
    for (const [key, value] of Object.entries(values)) {
      const setting = this.#schema.find((s) => s.key === key);
      if (!setting)
        throw new Problem(
          'not-found',
          `There is no setting ${key}.`,
          'Settings are listed on the Settings page.',
        );
      if (key === 'vm/disk' && Number(value) < 64 && value !== '') {
        throw new Problem(
          'invalid',
          'The disk is 64 GiB and cannot become smaller.',
          'Keep 64 GiB or choose more.',
        );
      }
      if (value === '' || value === setting.default) delete next[key];
      else next[key] = value;
    }
    return this.#add(
      next,
      'ann',
      message || `Set ${Object.keys(values).join(', ')}`,
      new Date().toISOString(),
    );
  }

  diff(to: string): SettingDiff[] {
    const at = this.#index(to);
    return difference(this.#history[at - 1]?.values ?? {}, this.#history[at]!.values);
  }
  revert(hash: string): SettingsCommit {
    const values = { ...this.#history.at(-1)!.values };
    for (const d of this.diff(hash)) {
      if (d.old) values[d.key] = d.old;
      else delete values[d.key];
    }
    return this.#add(
      values,
      'ann',
      `Revert “${this.#history[this.#index(hash)]!.commit.message}”`,
      new Date().toISOString(),
    );
  }
  restore(hash: string): SettingsCommit {
    return this.#add(
      this.#history[this.#index(hash)]!.values,
      'ann',
      `Restore the settings of ${hash.slice(0, 8)}`,
      new Date().toISOString(),
    );
  }

  #index(hash: string): number {
    const at = this.#history.findIndex((s) => s.commit.hash === hash);
    if (at < 0) throw new Problem('not-found', `There is no commit ${hash}.`);
    return at;
  }

  #add(values: Values, author: string, message: string, time: string): SettingsCommit {
    const before = this.#history.at(-1);
    const changes = difference(before?.values ?? {}, values).map(({ key, kind }) => ({ key, kind }));
    if (before && changes.length === 0) throw new Problem('invalid', 'Nothing would change.');
    const seed = `${this.#history.length}${message}`;
    const hash = Array.from({ length: 40 }, (_, i) =>
      ((seed.charCodeAt(i % seed.length) * (i + 7)) % 16).toString(16),
    ).join('');
    const commit = { hash, parent: before?.commit.hash ?? '', author, time, message, changes };
    this.#history.push({ commit, values });
    return commit;
  }
}

function difference(old: Values, now: Values): SettingDiff[] {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  return keys
    .filter((key) => old[key] !== now[key])
    .map((key) => {
      const [a = '', b = ''] = [old[key], now[key]];
      const kind = old[key] === undefined ? 'added' : now[key] === undefined ? 'removed' : 'modified';
      return { key, kind, old: a, new: b, unified: unified(key, a, b) };
    });
}

function unified(key: string, a: string, b: string): string {
  const [old, now] = [a ? a.split('\n') : [], b ? b.split('\n') : []];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  const lines = [
    ...old.slice(0, same).map((l) => ` ${l}`),
    ...old.slice(same).map((l) => `-${l}`),
    ...now.slice(same).map((l) => `+${l}`),
  ];
  return `--- a/${key}\n+++ b/${key}\n@@ -${old.length ? 1 : 0},${old.length} +${now.length ? 1 : 0},${now.length} @@\n${lines.join('\n')}\n`;
}
