import type { Branch, Bridge, Commit, FileDiff } from '$lib/bridge';
import { plural } from '$lib/ui/format';
import { overlay } from '$lib/ui/overlay.svelte';

/** The branch whose files are the settings; the engine checks and applies what lands there. */
export const settingsBranch = 'settings';

/**
 * The ways back. Each says first what will change, and makes one new commit, whose
 * hash it returns; '' if nothing was done.
 */
export class Undo {
  #bridge: Bridge;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  async revert(branch: Branch, commit: Commit): Promise<string> {
    const settings = branch.name === settingsBranch;
    const yes = await overlay.ask({
      title: 'Undo this change?',
      text: `“${subject(commit)}” is undone on ${branch.name} by a new commit: ${said(commit.changes, commit.truncated)} Later changes to ${settings ? 'other settings' : 'other lines'} stay. You can undo that too.`,
      action: 'Undo change',
    });
    if (!yes) return '';
    if (settings) return (await this.#bridge.revertSettings(commit.hash)).hash;
    return this.#bridge.dataRevert(branch.name, commit.hash);
  }

  async restore(branch: Branch, commit: Commit): Promise<string> {
    const settings = branch.name === settingsBranch;
    const changes = await this.#bridge.dataDiff({ from: branch.head, to: commit.hash });
    if (changes.length === 0) return same(`${branch.name} is like this already.`);
    const yes = await overlay.ask({
      title: settings ? 'Go back to these settings?' : `Restore ${branch.name} to this version?`,
      text: `${branch.name} becomes what it was after “${subject(commit)}”, by one new commit: ${said(changes)} Nothing is lost from the history.`,
      action: settings ? 'Go back' : 'Restore',
    });
    if (!yes) return '';
    if (settings) return (await this.#bridge.restoreSettings(commit.hash)).hash;
    return this.#bridge.dataRestore(branch.name, commit.hash, '');
  }

  async restorePath(branch: Branch, commit: string, path: string): Promise<string> {
    const changes = await this.#bridge.dataDiff({ from: branch.head, to: commit, path });
    if (changes.length === 0) return same(`${path} is like this on ${branch.name} already.`);
    const yes = await overlay.ask({
      title: `Restore ${path}?`,
      text: `On ${branch.name} it becomes what it was in ${commit.slice(0, 8)}, by one new commit: ${said(changes)} All else stays.`,
      action: 'Restore',
    });
    return yes ? this.#bridge.dataRestorePath(branch.name, commit, path) : '';
  }

  async takeBack(branch: string, commit: string): Promise<void> {
    if (branch === settingsBranch) await this.#bridge.revertSettings(commit);
    else await this.#bridge.dataRevert(branch, commit);
  }
}

export function subject({ message }: { message: string }): string {
  return message.split('\n', 1)[0]!;
}

function same(text: string): string {
  overlay.tell('info', text);
  return '';
}

/** "3 files change (a, b, c), 1 of them is removed." */
export function said(changes: readonly Pick<FileDiff, 'path' | 'kind'>[], more = false): string {
  const names = changes.slice(0, 3).map((c) => c.path);
  if (changes.length > 3 || more) names.push('…');
  const of = (kind: string) => changes.filter((c) => c.kind === kind).length;
  const parts = [
    of('added') && `${of('added')} added`,
    of('removed') && `${of('removed')} removed`,
    of('modified') && `${of('modified')} changed`,
  ].filter(Boolean);
  return `${plural(changes.length, 'file')}${more ? ' and more' : ''}, ${parts.join(', ')} (${names.join(', ')}).`;
}
