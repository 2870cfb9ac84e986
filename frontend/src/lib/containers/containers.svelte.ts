import type { Bridge, Container, ContainerAction, Port } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { overlay } from '$lib/ui/overlay.svelte';
import { Ring } from '$lib/ui/ring.svelte';
import { Selection } from '$lib/ui/selection.svelte';

/** The containers, what can be done to them, and the log that is being read. */
export class Containers {
  /** null until the engine has told. */
  list = $state.raw<readonly Container[] | null>(null);
  selection = new Selection();
  /** What is under way, by container id. */
  busy = $state.raw<ReadonlyMap<string, ContainerAction>>(new Map());
  #bridge: Bridge;

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    feed.on('containers', (list) => (this.list = list));
  }

  get selected(): Container | undefined {
    return this.list?.find((c) => c.id === this.selection.cursor);
  }

  /** Those the selection holds, or the one given if it is not among them. */
  targets(container: Container): Container[] {
    if (!this.selection.has(container.id)) return [container];
    return (this.list ?? []).filter((c) => this.selection.has(c.id));
  }

  async act(action: ContainerAction, targets: Container[]): Promise<void> {
    const fit = targets.filter((c) => allowed(action, c) && !this.busy.has(c.id));
    if (fit.length === 0 || (action === 'remove' && !(await confirmRemove(fit)))) return;
    await Promise.all(fit.map((c) => this.#act(action, c)));
  }

  async #act(action: ContainerAction, container: Container): Promise<void> {
    this.busy = new Map(this.busy).set(container.id, action);
    try {
      await this.#bridge.containerAction(container.id, action);
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', `${container.name}: ${message}`, { hint });
    } finally {
      const busy = new Map(this.busy);
      busy.delete(container.id);
      this.busy = busy;
    }
  }

  /** Follows a container's log until `stop`. */
  follow(id: string): Log {
    return new Log(this.#bridge, id);
  }
}

export function allowed(action: ContainerAction, { state }: Container): boolean {
  if (action === 'start') return state === 'exited' || state === 'created' || state === 'dead';
  if (action === 'remove') return true;
  return state === 'running' || state === 'restarting' || state === 'paused';
}

function confirmRemove(containers: Container[]): Promise<boolean> {
  const running = containers.filter((c) => c.state === 'running').length;
  const names = containers.map((c) => c.name).join(', ');
  return overlay.ask({
    title: containers.length === 1 ? `Remove ${names}?` : `Remove ${containers.length} containers?`,
    text: running
      ? `${running === 1 ? 'One is running and is' : `${running} are running and are`} killed first.`
      : names,
    loss: 'Files written inside the container are lost. Named volumes and bind mounts stay.',
    action: 'Remove',
    danger: true,
  });
}

/** One followed log. */
export class Log {
  lines = new Ring<{ text: string }>(10000);
  loading = $state(true);
  ended = $state(false);
  problem = $state('');
  readonly stop: () => void;

  constructor(bridge: Bridge, id: string) {
    this.stop = bridge.followLogs(id, 1000, (chunk) => {
      this.loading = false;
      if (chunk.lines.length) this.lines.push(chunk.lines.map((text) => ({ text })));
      if (chunk.end) this.ended = true;
      if (chunk.message) this.problem = chunk.message;
    });
  }
}

/** The published ports of a container, of what the engine's list of ports holds. */
export function portsOf(container: Container, ports: readonly Port[]): Port[] {
  return ports.filter(
    (port) => port.target === container.name || container.addresses.includes(port.targetIp),
  );
}
