import { createContext } from 'svelte';
import { problemOf, type Bridge } from './bridge';
import { Feed } from './bridge/feed';
import { Containers } from './containers/containers.svelte';
import { History } from './history/history.svelte';
import { Machine } from './machine/machine.svelte';
import { Pipelines } from './pipelines/pipelines.svelte';
import { Ports } from './ports/ports.svelte';
import { Settings } from './settings/settings.svelte';
import { Nav } from './shell/nav.svelte';
import { Session } from './shell/session.svelte';
import { Traffic } from './traffic/traffic.svelte';
import { overlay } from './ui/overlay.svelte';

/** All the state of the window. Stores are fed only by the bridge and know nothing of each other. */
export class App {
  readonly nav = new Nav();
  readonly feed: Feed;
  readonly session: Session;
  readonly machine: Machine;
  readonly containers: Containers;
  readonly ports: Ports;
  readonly traffic: Traffic;
  readonly pipelines: Pipelines;
  readonly history: History;
  readonly settings: Settings;

  constructor(readonly bridge: Bridge) {
    const feed = (this.feed = new Feed(bridge));
    this.session = new Session(feed);
    this.machine = new Machine(bridge, feed);
    this.containers = new Containers(bridge, feed);
    this.ports = new Ports(bridge, feed);
    this.traffic = new Traffic(bridge, feed);
    this.pipelines = new Pipelines(bridge, feed);
    this.history = new History(bridge, feed);
    this.settings = new Settings(bridge, feed);
  }

  /** Stops the machine cleanly and ends the app, if the person means it. */
  async quit(): Promise<void> {
    const running = this.machine.state === 'running' || this.machine.state === 'starting';
    const question = {
      title: 'Quit Slipway?',
      text: 'The machine is stopped cleanly first, and its containers with it. To keep them running, close the window instead.',
      action: 'Stop and quit',
    };
    if (running && !(await overlay.ask(question))) return;
    try {
      await this.bridge.quit();
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    }
  }
}

export const [useApp, provideApp] = createContext<App>();
