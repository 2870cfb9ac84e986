import type { Bridge, CaptureStatus, Detail, Flow, Problem } from '$lib/bridge';
import { problemOf } from '$lib/bridge';
import type { Feed } from '$lib/bridge/feed';
import { overlay } from '$lib/ui/overlay.svelte';
import { Selection } from '$lib/ui/selection.svelte';
import { Flows } from './flows.svelte';
import { Packets } from './packets.svelte';

/** The traffic page: flows and packets with one filter and one selection between them. */
export class Traffic {
  tab = $state<'flows' | 'packets'>('flows');
  /** The flow whose packets are shown; 0: all. */
  flow = $state(0);
  capture = $state.raw<CaptureStatus | null>(null);
  flows: Flows;
  packets: Packets;
  flowSelection = new Selection();
  packetSelection = new Selection();
  detail = $state.raw<Detail | null>(null);
  detailProblem = $state.raw<Problem | null>(null);
  exporting = $state(false);
  #bridge: Bridge;
  #wanted = 0;

  constructor(bridge: Bridge, feed: Feed) {
    this.#bridge = bridge;
    this.flows = new Flows(feed);
    this.packets = new Packets(bridge);
    feed.on('capture', (status) => {
      this.capture = status;
      this.packets.update(status);
    });
  }

  get selectedFlow(): Flow | undefined {
    const id = this.flowSelection.cursor;
    return typeof id === 'number' ? this.flows.get(id) : undefined;
  }

  /** From a flow to its packets. */
  showPackets(flow: Flow): void {
    this.flowSelection.only(flow.id);
    this.flow = flow.id;
    this.tab = 'packets';
  }

  /** From a packet to its flow. */
  showFlow(id: number): void {
    this.flowSelection.only(id);
    this.tab = 'flows';
  }

  /** Fetches a packet in full; the one asked for last wins. */
  async look(n: number): Promise<void> {
    this.#wanted = n;
    if (n === 0) this.detail = null;
    if (n === 0 || this.detail?.n === n) return;
    try {
      const detail = await this.#bridge.packet(n);
      if (this.#wanted !== n) return;
      this.detail = detail;
      this.detailProblem = null;
    } catch (thrown) {
      if (this.#wanted !== n) return;
      this.detail = null;
      this.detailProblem = problemOf(thrown);
    }
  }

  async control(action: 'pause' | 'resume' | 'clear'): Promise<void> {
    if (action === 'clear' && !(await confirmClear(this.capture))) return;
    await this.#try(() => this.#bridge.captureControl(action));
    if (action === 'clear') this.packetSelection.only(null);
  }

  toggle(): Promise<void> {
    return this.control(this.capture?.recording ? 'pause' : 'resume');
  }

  async export(filter: string): Promise<void> {
    if (this.exporting) return;
    this.exporting = true;
    await this.#try(async () => {
      const path = await this.#bridge.exportPcapng(filter);
      if (path)
        overlay.tell('ok', `Saved to ${path}.`, {
          hint: 'Passwords and cookies sent in the clear are in it.',
        });
    });
    this.exporting = false;
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      overlay.tell('error', message, { hint });
    }
  }
}

function confirmClear(status: CaptureStatus | null): Promise<boolean> {
  if (!status?.packets) return Promise.resolve(true);
  return overlay.ask({
    title: 'Clear the recording?',
    text: 'Flows stay; recording goes on with the next packet.',
    loss: 'The recorded packets cannot be brought back. Export them first to keep them.',
    action: 'Clear',
    danger: true,
  });
}
