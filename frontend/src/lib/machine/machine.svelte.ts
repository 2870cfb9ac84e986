import type { Bridge, LogLine, MachineStatus, Problem, Stats } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { overlay } from '$lib/ui/overlay.svelte';
import { Ring } from '$lib/ui/ring.svelte';
import type { Tone } from '$lib/ui/State.svelte';

export type MachineAction = 'start' | 'stop' | 'restart' | 'kill';

/** The words and the tone of a machine's state, the same wherever it is named. */
export const machineStates: Record<string, { word: string; tone: Tone }> = {
  stopped: { word: 'Stopped', tone: 'idle' },
  starting: { word: 'Starting', tone: 'busy' },
  running: { word: 'Running', tone: 'ok' },
  stopping: { word: 'Stopping', tone: 'busy' },
  paused: { word: 'Paused', tone: 'paused' },
  failed: { word: 'Failed', tone: 'error' },
};

/** The machine: its state, the gauges of the last two minutes, its console, and what can be done to it. */
export class Machine {
  status = $state.raw<MachineStatus | null>(null);
  stats = $state.raw<readonly Stats[]>([]);
  console = new Ring<LogLine>(5000);
  log = new Ring<LogLine>(2000);
  busy = $state<MachineAction | null>(null);
  /** Why the last action was refused. */
  problem = $state.raw<Problem | null>(null);
  /** Why nothing can be asked of the machine now; '' if it can. */
  unreachable = $state('');
  #bridge: Bridge;

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    feed.onLink(({ state }) => (this.unreachable = state === 'up' ? '' : 'The engine does not answer'));
    feed.on('status', (status) => (this.status = status.machine));
    feed.on('stats', (stats) => (this.stats = [...this.stats.slice(-119), stats]));
    feed.on('log', (lines) => {
      this.console.push(lines.filter((line) => line.source === 'console'));
      this.log.push(lines.filter((line) => line.source !== 'console'));
    });
    feed.onReset(() => {
      this.console.clear();
      this.log.clear();
    });
  }

  get state(): string {
    return this.status?.state ?? '';
  }
  get words(): { word: string; tone: Tone } {
    return machineStates[this.state] ?? { word: this.state || 'Connecting', tone: 'busy' };
  }
  get latest(): Stats | undefined {
    return this.stats.at(-1);
  }

  can(action: MachineAction): boolean {
    // Start lasts until Docker answers and Stop until all is down, so the state decides, not what is under way.
    const down = this.state === 'stopped' || this.state === 'failed';
    if (action === 'start') return down && this.busy === null;
    if (down || this.state === '' || this.busy === action) return false;
    if (action === 'kill') return true;
    return this.state !== 'stopping' && (action === 'stop' || this.state === 'running');
  }

  async do(action: MachineAction): Promise<void> {
    if (!this.can(action) || this.unreachable) return;
    if (action === 'kill' && !(await confirmKill())) return;
    this.busy = action;
    this.problem = null;
    try {
      if (action === 'start') await this.#bridge.startMachine();
      else if (action === 'stop') await this.#bridge.stopMachine();
      else if (action === 'restart') await this.#bridge.restartMachine();
      else await this.#bridge.killMachine();
    } catch (thrown) {
      if (this.busy === action) this.problem = problemOf(thrown); // a start that was stopped has no problem
    } finally {
      if (this.busy === action) this.busy = null;
    }
  }
}

function confirmKill(): Promise<boolean> {
  return overlay.ask({
    title: 'Cut the machine’s power?',
    text: 'Stop shuts the machine down cleanly. Use this only if it does not answer any more.',
    loss: 'What containers have not written to disk is lost.',
    action: 'Cut power',
    danger: true,
  });
}
