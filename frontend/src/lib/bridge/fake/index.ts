/**
 * A believable engine for development and tests: it boots, its containers talk,
 * ports count, settings have a history. Scenes: busy, booting, stopped, failed,
 * empty (running, nothing in it), down (no engine), slow (never answers).
 */
import type { AnyEvent, Bridge, Link, LogChunk, Snapshot } from '..';
import { Problem } from '../problem';
import type {
  Action,
  ConflictQuestion,
  ContainerAction,
  DiffQuestion,
  LogLine,
  LogQuestion,
  Payloads,
  Place,
  Port,
  PortRequest,
  Stats,
  Topic,
} from '../shapes.gen';
import { bootLog, bootTime, firstContainers, firstPorts, firstStatus, past, phasesAt } from './data';
import { FakeOpen } from './open';
import { random } from './random';
import { FakeRepo } from './repo';
import { FakeRuns } from './runs';
import { FakeSettings } from './settings';
import { FakeTraffic } from './traffic';

const tick = 500;

export class FakeBridge implements Bridge {
  #listeners = new Set<(events: AnyEvent[]) => void>();
  #linkListeners = new Set<(link: Link) => void>();
  #seq = 0;
  #batch: AnyEvent[] = [];
  #status = firstStatus();
  #containers = firstContainers();
  #ports = firstPorts();
  #log: LogLine[] = [];
  #history = new FakeSettings();
  #traffic = new FakeTraffic();
  #repo = new FakeRepo();
  #runs = new FakeRuns(this.#repo);
  #open = new FakeOpen(this.#repo);
  #revision = 1;
  #scene: string;
  #launched = 0;
  #timer: ReturnType<typeof setInterval>;

  constructor(scene: string) {
    this.#scene = scene;
    if (scene !== 'busy') [this.#containers, this.#ports] = [[], []];
    if (scene === 'busy') {
      for (let s = 240; s > 0; s -= 0.5) this.#traffic.run(Date.now() - s * 1000, 0.5);
      this.#traffic.changes();
    }
    if (scene === 'booting') this.#boot();
    else if (scene === 'stopped') this.#halt('stopped');
    else if (scene === 'failed') this.#fail();
    else
      this.#logLines(
        bootLog.map((text) => ({ time: past(7_800_000), source: 'console', level: 'info', text })),
      );
    this.#status.settings = {
      head: this.#history.head,
      applied: this.#history.head,
      pending: scene === 'busy' ? ['vm/memory'] : [],
    };
    if (scene === 'empty') {
      this.#repo.clear();
      this.#runs.list = [];
      [this.#open.transactions, this.#open.watchers] = [[], []];
    }
    this.#copySettings();
    this.#batch = [];
    this.#timer = setInterval(() => scene !== 'down' && scene !== 'slow' && this.#tick(), tick);
  }
  /** For tests. */
  close(): void {
    clearInterval(this.#timer);
  }

  onEvents(fn: (events: AnyEvent[]) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }
  onLink(fn: (link: Link) => void): () => void {
    this.#linkListeners.add(fn);
    return () => this.#linkListeners.delete(fn);
  }
  onNavigate(): () => void {
    return () => undefined;
  }
  snapshot(): Promise<Snapshot> {
    if (this.#scene === 'slow') return new Promise(() => undefined);
    if (this.#scene === 'down') {
      const message = 'The engine stopped: no room on the disk of this computer.';
      return Promise.resolve({
        link: { epoch: 1, state: 'down', message, hint: 'Free at least 1 GB, then try again.' },
        events: [],
      });
    }
    const event = <T extends Topic>(topic: T, data: Payloads[T]) =>
      ({ seq: this.#seq, topic, data }) as AnyEvent;
    const events = [
      event('status', structuredClone(this.#status)),
      event('containers', structuredClone(this.#containers)),
      event('ports', structuredClone(this.#ports)),
      event('flows', this.#traffic.all()),
      event('capture', this.#traffic.status()),
      event('settings', this.#status.settings),
      event('data', this.#dataState()),
      event('pipelines', structuredClone(this.#runs.list.slice(0, 200))),
      event('log', [...this.#log]),
    ];
    return later({ link: { epoch: 1, state: 'up' }, events });
  }

  async startMachine(): Promise<void> {
    this.#boot();
    await later(null);
  }
  async stopMachine(): Promise<void> {
    this.#status.machine.state = 'stopping';
    this.#emit('status', this.#status);
    await later(null, 900);
    this.#halt('stopped');
  }
  async restartMachine(): Promise<void> {
    await this.stopMachine();
    this.#boot();
  }
  async killMachine(): Promise<void> {
    await later(null);
    this.#halt('stopped');
  }

  async containerAction(id: string, action: ContainerAction): Promise<void> {
    await later(null, 400);
    const found = this.#containers.find((c) => c.id === id);
    if (!found) throw new Problem('not-found', 'This container is gone.');
    if (action === 'remove') {
      this.#containers = this.#containers.filter((c) => c.id !== id);
      this.#ports = this.#ports.filter((p) => p.origin !== 'docker' || p.target !== found.name);
      this.#emit('ports', this.#ports);
    } else {
      found.state = action === 'stop' ? 'exited' : 'running';
      found.status = action === 'stop' ? 'Exited (0) 1 second ago' : 'Up 1 second';
    }
    this.#emit('containers', this.#containers);
  }
  followLogs(id: string, tail: number, fn: (chunk: LogChunk) => void): () => void {
    const name = this.#containers.find((c) => c.id === id)?.name ?? id;
    let n = 0;
    const line = () =>
      `${name.split('-')[1] ?? name}: ${random.pick(['GET /api/items?page=2 200 34 ms', 'GET /healthz 200 1 ms', 'GET /api/cart 200 12 ms', 'cache miss items:4711', 'GET /favicon.svg 404 2 ms'])}, request ${(n += 1)}`;
    const first = setTimeout(() => fn({ lines: Array.from({ length: Math.min(tail, 160) }, line) }), 80);
    const timer = setInterval(() => fn({ lines: [line()] }), 700);
    return () => {
      clearTimeout(first);
      clearInterval(timer);
    };
  }

  async addPort({ proto, hostIp, hostPort, target }: PortRequest): Promise<Port> {
    await later(null, 200);
    if (hostPort === 5432) {
      throw new Problem(
        'taken',
        'Port 5432 is taken by postgres (pid 977).',
        'Pick another port, or stop it.',
      );
    }
    const same = this.#ports.find((p) => p.hostPort === hostPort && p.proto === proto);
    if (same)
      throw new Problem(
        'taken',
        `Port ${hostPort} is taken by the forward to ${same.target}.`,
        'Pick another port, or remove that forward.',
      );
    const at = target.lastIndexOf(':');
    const name = target.slice(0, at);
    const known = this.#containers.find((c) => c.name === name);
    const port: Port = {
      id: `${proto}-${hostIp || '127.0.0.1'}-${hostPort}`,
      proto,
      hostIp: hostIp || '127.0.0.1',
      hostPort: hostPort || 49152 + random.below(9999),
      targetIp: known?.addresses[0] ?? '',
      targetPort: Number(target.slice(at + 1)),
      target: name,
      origin: 'manual',
      state: known ? 'open' : 'waiting',
      connections: 0,
      bytesIn: 0,
      bytesOut: 0,
    };
    if (!known)
      [port.message, port.hint] = [
        `No container named ${name} is running.`,
        'Start it; the forward begins to work by itself.',
      ];
    this.#ports = [...this.#ports, port];
    this.#emit('ports', this.#ports);
    return port;
  }
  async removePort(id: string): Promise<void> {
    const port = this.#ports.find((p) => p.id === id);
    if (port?.origin === 'docker')
      throw new Problem(
        'denied',
        `Docker published this port for ${port.target}.`,
        `Stop the container ${port.target} instead.`,
      );
    this.#ports = this.#ports.filter((p) => p.id !== id);
    this.#emit('ports', this.#ports);
  }

  async captureControl(action: 'pause' | 'resume' | 'clear'): Promise<void> {
    if (action === 'clear') this.#traffic.clear();
    else this.#traffic.recording = action === 'resume';
    this.#emit('capture', this.#traffic.status());
  }
  packets = async (query: Parameters<Bridge['packets']>[0]) => later(this.#traffic.page(query), 15);
  packet = async (n: number) => {
    const detail = this.#traffic.detail(n);
    if (!detail)
      throw new Problem(
        'not-found',
        `Packet ${n} is no longer in the recording.`,
        'Newer packets pushed it out. A larger recording keeps more.',
      );
    return later(detail, 15);
  };
  exportPcapng = async () => later('/home/ann/slipway.pcapng', 300);

  settings = async () => later(this.#history.list());
  setSettings = async (change: Parameters<Bridge['setSettings']>[0]) =>
    this.#changed(this.#history.set(change));
  settingsLog = async (limit: number) => later(this.#history.log(limit));
  settingsDiff = async (_from: string, to: string) => later(this.#history.diff(to));
  revertSettings = async (commit: string) => this.#changed(this.#history.revert(commit));
  restoreSettings = async (commit: string) => this.#changed(this.#history.restore(commit));

  dataBranches = async () => later(this.#repo.branches());
  dataLog = async (question: LogQuestion) => later(this.#repo.log(question), 25);
  dataDiff = async (question: DiffQuestion) => later(this.#repo.diff(question), 25);
  dataTree = async (place: Place) => later(this.#repo.tree(place), 25);
  dataFile = async (place: Place) => later(this.#repo.file(place), 25);
  dataTransactions = async () => later(this.#open.transactions);
  dataConflict = async (question: ConflictQuestion) => later(this.#open.sides(question));
  dataWatchers = async () => later(this.#open.watchers);
  dataStats = async () => later(this.#open.stats());
  dataRestore = async (branch: string, commit: string, message: string) =>
    this.#written(this.#repo.restore(branch, commit, message));
  dataRestorePath = async (branch: string, commit: string, path: string) =>
    this.#written(this.#repo.restorePath(branch, commit, path));
  dataRevert = async (branch: string, commit: string) => this.#written(this.#repo.revert(branch, commit));
  dataCloseTransaction = async (branch: string, name: string) => {
    this.#open.close(branch, name);
    await this.#written(null);
  };
  saveFile = async ({ path = '' }: Place) => later(`/home/ann/${path.split('/').pop()}`, 200);
  run = async (id: string) => later(this.#runs.find(id));
  runAction = async (id: string, action: Action) => {
    await later(null, 200);
    this.#runs.act(id, action);
    this.#emit('pipelines', this.#runs.list.slice(0, 200));
  };
  followRunLog = (id: string, fn: (chunk: LogChunk) => void) => this.#runs.follow(id, fn);

  async copyText(text: string): Promise<void> {
    await navigator.clipboard?.writeText(text);
  }
  async openURL(url: string): Promise<void> {
    window.open(url);
  }
  async reportDefect(text: string): Promise<void> {
    console.error(text);
  }
  async quit(): Promise<void> {
    this.#halt('stopped');
  }

  #dataState() {
    const { transactions, watchers } = this.#open;
    return {
      revision: this.#revision,
      branches: this.#repo.branches().length,
      transactions: transactions.length,
      watchers: watchers.length,
    };
  }
  #written<T>(made: T): Promise<T> {
    this.#revision += 1;
    this.#emit('data', this.#dataState());
    return later(made);
  }
  /** The settings are a branch of the data store. */
  #copySettings(): void {
    for (const [commit, files] of this.#history.asCommits()) this.#repo.put('settings', commit, files);
  }

  #changed<T>(commit: T): Promise<T> {
    this.#copySettings();
    void this.#written(null);
    const pending = this.#history
      .list()
      .filter((s) => s.applies === 'restart' && !s.isDefault)
      .map((s) => s.key);
    this.#status.settings = { head: this.#history.head, applied: this.#history.head, pending };
    this.#emit('settings', this.#status.settings);
    return later(commit);
  }

  #emit<T extends Topic>(topic: T, data: Payloads[T]): void {
    this.#seq += 1;
    this.#batch.push({ seq: this.#seq, topic, data: structuredClone(data) } as AnyEvent);
    queueMicrotask(() => {
      const events = this.#batch.splice(0);
      if (events.length) for (const fn of this.#listeners) fn(events);
    });
  }
  #logLines(lines: LogLine[]): void {
    this.#log = [...this.#log, ...lines].slice(-2000);
    this.#emit('log', lines);
  }

  #boot(): void {
    this.#launched = Date.now();
    Object.assign(this.#status.machine, {
      state: 'starting',
      since: new Date().toISOString(),
      phases: phasesAt(0),
      reason: undefined,
      hint: undefined,
    });
    this.#status.docker.state = 'starting';
    this.#emit('status', this.#status);
  }
  #halt(state: string): void {
    Object.assign(this.#status.machine, {
      state,
      since: new Date().toISOString(),
      phases: [],
      pid: undefined,
    });
    this.#status.docker.state = 'stopped';
    this.#status.guest = { connected: false, address: '' };
    this.#status.network = { ...this.#status.network, rateIn: 0, rateOut: 0 };
    this.#containers = [];
    this.#emit('status', this.#status);
    this.#emit('containers', this.#containers);
  }
  #fail(): void {
    const panic = [
      '[    2.311872] VFS: Cannot open root device "vda" or unknown-block(0,0): error -6',
      '[    2.312440] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    ];
    this.#logLines(
      [...bootLog.slice(0, 6), ...panic].map((text) => ({
        time: past(4000),
        source: 'console',
        level: text.includes('Kernel panic') ? 'error' : 'info',
        text,
      })),
    );
    this.#halt('failed');
    const phases = phasesAt(1200);
    Object.assign(phases[1]!, { state: 'failed', endMs: 2312 });
    Object.assign(this.#status.machine, {
      phases,
      reason: 'The machine’s kernel panicked: it cannot mount its root file system.',
      hint: 'The guest image may be damaged. Run “make image” to build it anew, then start the machine.',
      retries: 1,
    });
  }

  #tick(): void {
    const { machine, network } = this.#status;
    if (machine.state === 'starting') this.#advance();
    if (machine.state !== 'running') return;
    const [inBefore, outBefore] = [this.#traffic.bytesIn, this.#traffic.bytesOut];
    if (this.#scene === 'busy') this.#traffic.run(Date.now(), tick / 1000);
    network.rateIn = network.rateIn * 0.6 + (this.#traffic.bytesIn - inBefore) * 2 * 0.4;
    network.rateOut = network.rateOut * 0.6 + (this.#traffic.bytesOut - outBefore) * 2 * 0.4;
    [network.bytesIn, network.bytesOut, network.flows] = [
      this.#traffic.bytesIn,
      this.#traffic.bytesOut,
      this.#traffic.openFlows,
    ];
    for (const port of this.#ports.filter((p) => p.state === 'open')) {
      port.connections = random.below(4);
      port.bytesIn += random.below(900);
      port.bytesOut += random.below(24000);
    }
    this.#emit('status', this.#status);
    this.#emit('stats', this.#gauges());
    this.#emit('ports', this.#ports);
    this.#emit('flows', this.#traffic.changes());
    this.#emit('capture', this.#traffic.status());
  }

  #advance(): void {
    const { machine, docker } = this.#status;
    const ms = Date.now() - this.#launched;
    machine.phases = phasesAt(ms);
    const said = Math.floor((Math.min(ms, bootTime) / bootTime) * bootLog.length);
    const before = Math.floor((Math.max(0, ms - tick) / bootTime) * bootLog.length);
    const time = new Date().toISOString();
    this.#logLines(
      bootLog.slice(before, said).map((text) => ({ time, source: 'console', level: 'info', text })),
    );
    if (ms >= bootTime) {
      Object.assign(machine, { state: 'running', since: time, pid: 4188 });
      docker.state = 'ready';
      this.#status.guest = { connected: true, address: '192.168.65.3/24' };
    }
    this.#emit('status', this.#status);
  }

  #gauges(): Stats {
    const wave = Math.sin(Date.now() / 9000);
    const busy = this.#scene === 'busy' ? 1 : 0.08;
    return {
      time: new Date().toISOString(),
      cpuPercent: busy * (31 + 14 * wave + random.below(16)),
      memoryUsed: 1.31e9 * (0.4 + 0.6 * busy) + wave * 4e7,
      memoryTotal: 2.06e9,
      diskUsed: 9.4e9,
      diskTotal: 67.4e9,
      diskOnHost: 5.1e9,
      engineCpuPercent: 1.4 + random.next(),
      engineMemory: 7.4e7,
    };
  }
}

function later<T>(value: T, ms = 60): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), ms));
}
