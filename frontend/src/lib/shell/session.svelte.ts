import type { Link, Status } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';

const rateSamples = 60;

/** The engine as a whole: whether the window reaches it, its status, and the traffic rates of the last minutes. */
export class Session {
  link = $state.raw<Link>({ epoch: 0, state: 'connecting' });
  status = $state.raw<Status | null>(null);
  ratesIn = $state.raw<readonly number[]>([]);
  ratesOut = $state.raw<readonly number[]>([]);

  constructor(feed: Feed) {
    feed.onLink((link) => (this.link = link));
    feed.on('status', (status) => {
      this.status = status;
    });
    feed.on('stats', () => this.#sample());
  }

  /** One sample for each reading of the gauges, so that both share a time axis. */
  #sample(): void {
    const network = this.status?.network;
    this.ratesIn = [...this.ratesIn.slice(1 - rateSamples), network?.rateIn ?? 0];
    this.ratesOut = [...this.ratesOut.slice(1 - rateSamples), network?.rateOut ?? 0];
  }

  /** Whether what is shown is what is: false while the engine is out of reach. */
  get live(): boolean {
    return this.link.state === 'up';
  }
}
