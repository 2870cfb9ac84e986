import type { Bridge, Port, PortRequest, Problem } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { endpoint } from '$lib/ui/format';
import { overlay } from '$lib/ui/overlay.svelte';
import { Selection } from '$lib/ui/selection.svelte';

/** What is reachable from the host, and forwards of the user's own. */
export class Ports {
  /** null until the engine has told. */
  list = $state.raw<readonly Port[] | null>(null);
  selection = new Selection();
  adding = $state(false);
  /** Why the last forward was refused; shown at the form. */
  problem = $state.raw<Problem | null>(null);
  #bridge: Bridge;

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    feed.on('ports', (list) => (this.list = list));
  }

  get selected(): Port | undefined {
    return this.list?.find((p) => p.id === this.selection.cursor);
  }
  get failed(): number {
    return this.list?.filter((p) => p.state === 'failed').length ?? 0;
  }

  /** Adds a forward; false if it was refused, with `problem` set. */
  async add(request: PortRequest): Promise<boolean> {
    this.problem = null;
    this.adding = true;
    try {
      const port = await this.#bridge.addPort(request);
      this.selection.only(port.id);
      overlay.tell('ok', `${hostSide(port)} now leads to ${port.target}.`);
      return true;
    } catch (thrown) {
      this.problem = problemOf(thrown);
      return false;
    } finally {
      this.adding = false;
    }
  }

  /** Removes a forward of the user's own; it can be put back from the message. */
  async remove(port: Port): Promise<void> {
    try {
      await this.#bridge.removePort(port.id);
      const { proto, hostIp, hostPort } = port;
      const target = `${port.target}:${port.targetPort}`;
      overlay.tell('ok', `The forward from ${hostSide(port)} is removed.`, {
        action: { label: 'Undo', run: () => void this.add({ proto, hostIp, hostPort, target }) },
      });
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    }
  }

  async open(port: Port): Promise<void> {
    if (port.url) await this.#bridge.openURL(port.url);
  }
}

export function hostSide(port: Pick<Port, 'hostIp' | 'hostPort'>): string {
  const everywhere = port.hostIp === '0.0.0.0' || port.hostIp === '::' || port.hostIp === '';
  return endpoint(everywhere ? '*' : port.hostIp, port.hostPort);
}

/** What is wrong with each field of a forward, before it is asked for. */
export function checkRequest(form: {
  hostIp: string;
  hostPort: string;
  target: string;
}): Record<string, string> {
  const wrong: Record<string, string> = {};
  const port = Number(form.hostPort || '0');
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    wrong.hostPort = 'A port is a number from 1 to 65535.';
  if (form.hostIp && !/^[0-9a-fA-F.:]+$/.test(form.hostIp))
    wrong.hostIp = 'This is an IP address, such as 127.0.0.1.';
  const target = /^(.+):(\d+)$/.exec(form.target.trim());
  const targetPort = Number(target?.[2] ?? 0);
  if (!target) wrong.target = 'Name a container or an address and its port, such as web:80.';
  else if (targetPort < 1 || targetPort > 65535)
    wrong.target = 'The port after the colon is a number from 1 to 65535.';
  return wrong;
}
