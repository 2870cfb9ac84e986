import type { Bridge, CaptureStatus, Page, Problem, Query, Row } from '$lib/bridge';
import { problemOf } from '$lib/bridge';

const pageRows = 300;
/** Rows kept around what is on screen; more are fetched again when scrolled to. */
const keptRows = 3000;
/** When following and this far behind, the list jumps to the end instead of catching up. */
const jump = 5000;

/**
 * A window on the recording: only rows near the screen are here.
 *
 * Pages are asked for with cursors (after, before), because with a filter nobody
 * knows the how-manieth a packet is. One request is under way at a time; a new
 * question makes the answers of the former worthless.
 */
export class Packets {
  rows = $state.raw<readonly Row[]>([]);
  /** Rows taken off at the top less rows put on there. */
  shifted = $state(0);
  follow = $state(true);
  loading = $state(false);
  problem = $state.raw<Problem | null>(null);
  /** Packets looked at for what is shown. */
  examined = $state(0);
  moreAbove = $state(false);
  #moreBelow = false;
  #above = 0; // cursors: the packets examined last in each direction
  #below = 0;
  #bridge: Bridge;
  #question: Query = {};
  #generation = 0;
  #active = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  /** Shows the end of what filter and flow select. */
  ask(filter: string, flow: number): void {
    this.#question = { filter, flow };
    this.#active = true;
    this.#restart();
  }

  /** Nobody looks: fetch nothing. */
  rest(): void {
    this.#active = false;
    this.#generation += 1;
    this.loading = false;
  }

  /** The recording has changed: new packets at the end, old ones gone. */
  update(status: CaptureStatus): void {
    if (!this.#active) return;
    const gone =
      status.packets === 0 ? this.rows.length : this.rows.findIndex((row) => row.n >= status.first);
    if (gone > 0 || (gone < 0 && this.rows.length > 0)) this.#dropTop(gone < 0 ? this.rows.length : gone);
    if (this.loading || status.last <= this.#below) return;
    this.#moreBelow = true;
    if (!this.follow) return;
    if (status.last - this.#below > jump) this.#restart();
    else void this.#fetch('below');
  }

  older(): void {
    if (this.moreAbove) void this.#fetch('above');
  }
  newer(): void {
    if (this.#moreBelow) void this.#fetch('below');
  }
  toEnd(): void {
    this.follow = true;
    if (this.#moreBelow) this.#restart();
  }

  #restart(): void {
    this.#generation += 1;
    this.loading = false;
    this.follow = true;
    this.examined = 0;
    this.#above = this.#below = 0;
    void this.#fetch('tail');
  }

  async #fetch(where: 'tail' | 'above' | 'below'): Promise<void> {
    if (this.loading || !this.#active) return;
    const generation = this.#generation;
    this.loading = true;
    try {
      let missing = where === 'tail' ? 60 : 1;
      for (let turn = where; missing > 0; turn = turn === 'tail' ? 'above' : turn) {
        const page = await this.#bridge.packets(this.#query(turn));
        if (generation !== this.#generation) return;
        this.#take(turn, page);
        missing -= page.rows.length;
        if (!page.more) break;
      }
      this.problem = null;
    } catch (thrown) {
      if (generation !== this.#generation) return;
      this.problem = problemOf(thrown);
      if (where === 'tail') this.rows = [];
    } finally {
      if (generation === this.#generation) this.loading = false;
    }
  }

  #query(where: 'tail' | 'above' | 'below'): Query {
    const at =
      where === 'tail'
        ? { tail: true }
        : where === 'above'
          ? { before: this.#above }
          : { after: this.#below };
    return { ...this.#question, ...at, limit: pageRows };
  }

  #take(where: 'tail' | 'above' | 'below', page: Page): void {
    this.examined += page.examined;
    if (where === 'below') {
      this.#below = page.next || this.#below;
      this.#moreBelow = page.more;
      this.rows = [...this.rows, ...page.rows];
      if (this.rows.length > keptRows) this.#trimTop();
      return;
    }
    this.#above = page.next || this.#above;
    this.moreAbove = page.more;
    if (where === 'tail') {
      this.#below = page.last;
      this.#moreBelow = false;
      this.rows = page.rows;
      return;
    }
    this.rows = [...page.rows, ...this.rows];
    this.shifted -= page.rows.length;
    if (this.rows.length > keptRows) {
      this.rows = this.rows.slice(0, keptRows);
      this.#below = this.rows.at(-1)!.n;
      this.#moreBelow = true;
    }
  }

  #trimTop(): void {
    this.#dropTop(this.rows.length - keptRows);
    this.#above = this.rows[0]!.n;
    this.moreAbove = true;
  }

  #dropTop(count: number): void {
    this.rows = this.rows.slice(count);
    this.shifted += count;
  }
}
