import type { Bridge, Problem, Setting, SettingsState } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { overlay } from '$lib/ui/overlay.svelte';

/** The settings and what the person has changed but not saved. */
export class Settings {
  /** null until loaded. */
  list = $state.raw<readonly Setting[] | null>(null);
  state = $state.raw<SettingsState | null>(null);
  /** Changed values by key, as typed. */
  drafts = $state.raw<Readonly<Record<string, string>>>({});
  message = $state('');
  saving = $state(false);
  loadProblem = $state.raw<Problem | null>(null);
  saveProblem = $state.raw<Problem | null>(null);
  #bridge: Bridge;

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    feed.on('settings', (state) => {
      const stale = state.head !== this.state?.head;
      this.state = state;
      if (stale) void this.load();
    });
  }

  async load(): Promise<void> {
    try {
      this.list = await this.#bridge.settings();
      this.loadProblem = null;
    } catch (thrown) {
      this.loadProblem = problemOf(thrown);
    }
  }

  /** What the input shows. */
  value(setting: Setting): string {
    return this.drafts[setting.key] ?? setting.value;
  }
  edit(setting: Setting, value: string): void {
    this.#draft(setting.key, value === setting.value ? undefined : value);
    this.saveProblem = null;
  }
  toDefault(setting: Setting): void {
    this.edit(setting, setting.default);
  }
  #draft(key: string, value: string | undefined): void {
    const drafts = { ...this.drafts };
    if (value === undefined) delete drafts[key];
    else drafts[key] = value;
    this.drafts = drafts;
  }
  discard(): void {
    this.drafts = {};
    this.message = '';
    this.saveProblem = null;
  }

  get changed(): Setting[] {
    return (this.list ?? []).filter((s) => this.drafts[s.key] !== undefined);
  }
  get invalid(): boolean {
    return this.changed.some((s) => check(s, this.value(s)) !== '');
  }

  async save(): Promise<void> {
    if (this.saving || this.invalid || this.changed.length === 0) return;
    this.saving = true;
    try {
      // An empty value returns a setting to its default, and then follows it if it changes.
      const values = Object.fromEntries(
        this.changed.map((s) => [s.key, this.value(s) === s.default ? '' : this.value(s)]),
      );
      await this.#bridge.setSettings({ values, message: this.message.trim() });
      const restart = this.changed.some((s) => s.applies === 'restart');
      this.discard();
      await this.load();
      overlay.tell(
        'ok',
        restart ? 'Saved. Some of it takes effect when the machine restarts.' : 'Saved and in effect.',
      );
    } catch (thrown) {
      this.saveProblem = problemOf(thrown);
    } finally {
      this.saving = false;
    }
  }
}

/** What is wrong with a value, in words; '' if nothing. The engine checks again. */
export function check(setting: Setting, value: string): string {
  if (setting.kind === 'int') {
    const n = Number(value);
    const unit = setting.unit ? ` ${setting.unit}` : '';
    if (value.trim() === '' || !Number.isInteger(n)) return 'This is a whole number.';
    const min = setting.min ?? 0; // Go leaves 0 out
    if (n < min) return `At least ${min}${unit}.`;
    if (setting.max !== undefined && n > setting.max) return `At most ${setting.max}${unit}.`;
  }
  if (setting.kind === 'choice' && setting.choices?.length && !setting.choices.includes(value)) {
    return `One of: ${setting.choices.join(', ')}.`;
  }
  return '';
}

/** Settings by the part before the slash, in the order they come. */
export function groups(list: readonly Setting[]): { name: string; settings: Setting[] }[] {
  const found: { name: string; settings: Setting[] }[] = [];
  for (const setting of list) {
    const name = setting.key.split('/')[0] ?? '';
    const group = found.find((g) => g.name === name);
    if (group) group.settings.push(setting);
    else found.push({ name, settings: [setting] });
  }
  return found;
}
