import type { AnyEvent, Bridge, Link, Payloads, Topic } from '.';
import { problemOf } from './problem';

/** So many events wait while the window is hidden. */
const maxWaiting = 500;

type Listener<T extends Topic> = (data: Payloads[T]) => void;

/**
 * Feed turns the bridge's events into a state that can be trusted.
 *
 * It listens first, asks for a snapshot, and holds what arrives meanwhile; then
 * it replays what the snapshot does not contain. An event is handed on once, in
 * order: one whose sequence number is not above its topic's last is dropped. A
 * new epoch (another engine) begins again. So listeners may apply changes
 * without looking back.
 */
export class Feed {
  #bridge: Bridge;
  #listeners = new Map<Topic, Listener<Topic>[]>();
  #linkListeners: ((link: Link) => void)[] = [];
  #resetListeners: (() => void)[] = [];
  #last = new Map<Topic, number>();
  #held: AnyEvent[] | null = [];
  #epoch = -1;
  #loading: Promise<void> | null = null;
  #stops: (() => void)[] = [];
  #hidden: AnyEvent[] | null = null; // what waits for the window to be seen
  #missed = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  on<T extends Topic>(topic: T, fn: Listener<T>): void {
    const list = this.#listeners.get(topic) ?? [];
    list.push(fn as Listener<Topic>);
    this.#listeners.set(topic, list);
  }

  onLink(fn: (link: Link) => void): void {
    this.#linkListeners.push(fn);
  }

  /** Calls `fn` before a snapshot is applied: what was gathered from single events is told anew. */
  onReset(fn: () => void): void {
    this.#resetListeners.push(fn);
  }

  /** Begins to listen; resolves when the first snapshot is applied or has failed. */
  async start(): Promise<void> {
    this.#stops = [
      this.#bridge.onEvents((events) => (this.#held ? this.#held.push(...events) : this.#apply(events))),
      this.#bridge.onLink((link) => this.#changeLink(link)),
      this.#watchVisibility(),
    ];
    await this.load();
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** Asks for a snapshot and replays. Also what "Try again" does. One is under way at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #load(): Promise<void> {
    this.#held ??= [];
    try {
      let { link, events } = await this.#bridge.snapshot();
      // Another engine came meanwhile; what was asked is of no interest any more.
      while (link.epoch < this.#epoch) ({ link, events } = await this.#bridge.snapshot());
      this.#epoch = link.epoch;
      this.#last.clear();
      this.#tell(link);
      for (const fn of this.#resetListeners) fn();
      const held = this.#held ?? [];
      this.#held = null;
      this.#apply(events);
      this.#apply(held);
    } catch (thrown) {
      const { message, hint } = problemOf(thrown);
      this.#tell({ epoch: this.#epoch, state: 'down', message, hint });
    }
  }

  #changeLink(link: Link): void {
    if (link.epoch > this.#epoch) {
      this.#epoch = link.epoch;
      this.#last.clear();
      this.#held = []; // what was held is the former engine's
      if (link.state === 'up') void this.load();
    } else if (link.state === 'up' && this.#held) {
      void this.load();
    }
    this.#tell(link);
  }

  #tell(link: Link): void {
    for (const fn of this.#linkListeners) fn(link);
  }

  /** While nobody sees the window nothing is drawn: events wait, and if they become many, a snapshot replaces them. */
  #watchVisibility(): () => void {
    const change = () => {
      if (document.hidden) {
        this.#hidden ??= [];
        return;
      }
      const waiting = this.#hidden ?? [];
      const missed = this.#missed;
      this.#hidden = null;
      this.#missed = false;
      if (missed) void this.load();
      else if (this.#held) this.#held.push(...waiting);
      else this.#apply(waiting);
    };
    change();
    document.addEventListener('visibilitychange', change);
    return () => document.removeEventListener('visibilitychange', change);
  }
  #wait(events: AnyEvent[]): void {
    for (const event of events) {
      // Of a state the newest is enough; flows and log tell what changed.
      const whole = event.topic !== 'flows' && event.topic !== 'log' && event.topic !== 'stats';
      if (whole) this.#hidden = this.#hidden!.filter((e) => e.topic !== event.topic);
      this.#hidden!.push(event);
    }
    if (this.#hidden!.length <= maxWaiting) return;
    this.#hidden = [];
    this.#missed = true;
  }

  #apply(events: AnyEvent[]): void {
    if (this.#hidden) return this.#wait(events);
    for (const { seq, topic, data } of events) {
      if (seq <= (this.#last.get(topic) ?? -1)) continue;
      this.#last.set(topic, seq);
      for (const fn of this.#listeners.get(topic) ?? []) fn(data);
    }
  }
}
