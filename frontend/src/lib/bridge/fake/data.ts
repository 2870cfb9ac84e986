/** What the made-up engine begins with. */
import type { Container, Phase, Port, Setting, Status } from '../shapes.gen';

const minutes = 60_000;
export const began = Date.now();

export function past(ms: number): string {
  return new Date(began - ms).toISOString();
}

export const phases: { name: string; ms: number }[] = [
  { name: 'hypervisor', ms: 210 },
  { name: 'kernel', ms: 2340 },
  { name: 'network', ms: 380 },
  { name: 'agent', ms: 620 },
  { name: 'engine', ms: 3150 },
];

/** The phases as they stand `ms` after the launch. */
export function phasesAt(ms: number): Phase[] {
  let at = 0;
  return phases.map(({ name, ms: long }) => {
    const startMs = at;
    at += long;
    if (ms >= at) return { name, state: 'done', startMs, endMs: at };
    if (ms >= startMs) return { name, state: 'active', startMs, endMs: 0 };
    return { name, state: 'pending', startMs: 0, endMs: 0 };
  });
}
export const bootTime = phases.reduce((sum, p) => sum + p.ms, 0);

export function firstStatus(): Status {
  return {
    home: '/home/ann/.local/share/slipway',
    pid: 4120,
    startedAt: past(131 * minutes),
    versions: {
      slipway: '0.1.0',
      hypervisor: 'QEMU 7.2.17',
      guest: {
        kernel: '6.12.57',
        docker: '28.5.2',
        containerd: '1.7.29',
        runc: '1.3.3',
        image: '2026.11.24',
      },
    },
    machine: {
      name: 'default',
      state: 'running',
      since: past(130 * minutes),
      driver: 'qemu',
      accelerator: {
        name: 'tcg',
        warning: '/dev/kvm opens, but a test machine did not boot on it within 3 s.',
      },
      cpus: 2,
      memoryMiB: 2048,
      diskGiB: 64,
      pid: 4188,
      retries: 0,
      phases: phasesAt(bootTime),
    },
    docker: { state: 'ready', host: 'unix:///home/ann/.local/share/slipway/docker.sock', context: 'slipway' },
    guest: { connected: true, address: '192.168.65.3/24' },
    network: {
      gateway: '192.168.65.1',
      bytesIn: 0,
      bytesOut: 0,
      rateIn: 0,
      rateOut: 0,
      flows: 0,
      dropped: 0,
    },
    settings: { head: 'c3', applied: 'c3', pending: [] },
    warnings: [
      {
        code: 'software-emulation',
        title: 'The machine runs on software emulation',
        text: '/dev/kvm opens, but a test machine did not boot on it within 3 s. Everything works, several times slower.',
        hint: 'On a virtual host, switch on nested virtualisation, then restart Slipway.',
      },
    ],
  };
}

export function firstContainers(): Container[] {
  const shop = { project: 'shop' };
  return [
    {
      id: '8f2c1ab9d4e0',
      name: 'web',
      image: 'nginx:1.29-alpine',
      command: 'nginx -g "daemon off;"',
      state: 'running',
      status: 'Up 2 hours',
      createdAt: past(122 * minutes),
      addresses: ['172.17.0.2'],
      ports: [{ proto: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }],
    },
    {
      id: '17d09c6be2f1',
      name: 'shop-api-1',
      image: 'shop/api:dev',
      command: 'node server.js',
      state: 'running',
      status: 'Up 48 minutes (healthy)',
      createdAt: past(48 * minutes),
      ...shop,
      service: 'api',
      addresses: ['172.18.0.3'],
      ports: [{ proto: 'tcp', hostIp: '127.0.0.1', hostPort: 3000, containerPort: 3000 }],
    },
    {
      id: 'b40e7712aa93',
      name: 'shop-db-1',
      image: 'postgres:18',
      command: 'docker-entrypoint.sh postgres',
      state: 'running',
      status: 'Up 48 minutes (healthy)',
      createdAt: past(48 * minutes),
      ...shop,
      service: 'db',
      addresses: ['172.18.0.2'],
      ports: [{ proto: 'tcp', containerPort: 5432 }],
    },
    {
      id: '5c3d8e91f7b2',
      name: 'shop-worker-1',
      image: 'shop/worker:dev',
      command: 'node worker.js',
      state: 'restarting',
      status: 'Restarting (1) 4 seconds ago',
      createdAt: past(47 * minutes),
      ...shop,
      service: 'worker',
      addresses: ['172.18.0.5'],
      ports: [],
    },
    {
      id: 'e91b44c07d15',
      name: 'migrate',
      image: 'shop/api:dev',
      command: 'node migrate.js',
      state: 'exited',
      status: 'Exited (0) 46 minutes ago',
      createdAt: past(47 * minutes),
      ...shop,
      service: 'migrate',
      addresses: [],
      ports: [],
    },
  ];
}

export function firstPorts(): Port[] {
  const none = { connections: 0, bytesIn: 0, bytesOut: 0 };
  return [
    {
      id: 'tcp-0.0.0.0-8080',
      proto: 'tcp',
      hostIp: '0.0.0.0',
      hostPort: 8080,
      targetIp: '172.17.0.2',
      targetPort: 80,
      target: 'web',
      origin: 'docker',
      state: 'open',
      url: 'http://localhost:8080',
      ...none,
    },
    {
      id: 'tcp-127.0.0.1-3000',
      proto: 'tcp',
      hostIp: '127.0.0.1',
      hostPort: 3000,
      targetIp: '172.18.0.3',
      targetPort: 3000,
      target: 'shop-api-1',
      origin: 'docker',
      state: 'open',
      url: 'http://localhost:3000',
      ...none,
    },
    {
      id: 'tcp-127.0.0.1-15432',
      proto: 'tcp',
      hostIp: '127.0.0.1',
      hostPort: 15432,
      targetIp: '172.18.0.2',
      targetPort: 5432,
      target: 'shop-db-1',
      origin: 'manual',
      state: 'open',
      url: 'tcp://localhost:15432',
      ...none,
    },
    {
      id: 'tcp-127.0.0.1-6379',
      proto: 'tcp',
      hostIp: '127.0.0.1',
      hostPort: 6379,
      targetIp: '',
      targetPort: 6379,
      target: 'cache',
      origin: 'manual',
      state: 'waiting',
      message: 'No container named cache is running.',
      hint: 'Start it; the forward begins to work by itself.',
      ...none,
    },
    {
      id: 'udp-127.0.0.1-5353',
      proto: 'udp',
      hostIp: '127.0.0.1',
      hostPort: 5353,
      targetIp: '172.18.0.5',
      targetPort: 53,
      target: 'shop-worker-1',
      origin: 'manual',
      state: 'failed',
      message: 'Port 5353 is taken by avahi-daemon (pid 812).',
      hint: 'Pick another port, or stop it.',
      ...none,
    },
  ];
}

type Kind = Partial<Setting> & Pick<Setting, 'key' | 'title' | 'help' | 'kind' | 'default'>;

export function firstSettings(): Setting[] {
  const list: Kind[] = [
    {
      key: 'vm/cpus',
      title: 'Processors',
      help: 'Virtual processors of the machine.',
      kind: 'int',
      default: '2',
      min: 1,
      max: 8,
      applies: 'restart',
    },
    {
      key: 'vm/memory',
      title: 'Memory',
      help: 'What the machine may use of the computer’s memory.',
      kind: 'int',
      unit: 'MiB',
      default: '2048',
      value: '4096',
      min: 512,
      max: 16384,
      applies: 'restart',
      changedAt: past(31 * minutes),
      changedBy: 'ann',
    },
    {
      key: 'vm/disk',
      title: 'Disk size',
      help: 'The most the data disk may grow to. It can be made larger, not smaller.',
      kind: 'int',
      unit: 'GiB',
      default: '64',
      min: 8,
      max: 1024,
      applies: 'restart',
    },
    {
      key: 'vm/accelerator',
      title: 'Accelerator',
      help: 'What executes the machine’s instructions. “auto” takes the fastest that works.',
      kind: 'choice',
      default: 'auto',
      choices: ['auto', 'kvm', 'tcg'],
      applies: 'restart',
    },
    {
      key: 'net/forwards',
      title: 'Forwards',
      help: 'Ports of the host that lead to a container or an address, one a line. The Ports page edits them too.',
      kind: 'lines',
      default: '',
      value:
        'tcp 127.0.0.1:15432 shop-db-1:5432\ntcp 127.0.0.1:6379 cache:6379\nudp 127.0.0.1:5353 shop-worker-1:53',
      applies: 'now',
      changedAt: past(9 * minutes),
      changedBy: 'ann',
    },
    {
      key: 'net/dns',
      title: 'Name servers',
      help: 'Servers to ask for names, one a line. Empty: those of the computer.',
      kind: 'lines',
      default: '',
      applies: 'now',
    },
    {
      key: 'net/capture',
      title: 'Record packets',
      help: 'Keep the last packets for the Traffic page.',
      kind: 'bool',
      default: 'true',
      applies: 'now',
    },
    {
      key: 'net/capture-size',
      title: 'Recording size',
      help: 'Memory for recorded packets; the oldest make room.',
      kind: 'int',
      unit: 'MiB',
      default: '64',
      min: 1,
      max: 4096,
      applies: 'now',
    },
    {
      key: 'share/folders',
      title: 'Shared folders',
      help: 'Folders of the computer that containers may mount, one a line.',
      kind: 'lines',
      default: '/home/ann',
      applies: 'restart',
    },
    {
      key: 'docker/context',
      title: 'Docker context',
      help: 'Name of the Docker context that leads here.',
      kind: 'text',
      default: 'slipway',
      applies: 'now',
    },
    {
      key: 'engine/autostart',
      title: 'Start with the window',
      help: 'Start the machine when Slipway opens.',
      kind: 'bool',
      default: 'true',
      applies: 'now',
    },
  ];
  return list.map((s) => ({
    applies: 'now',
    ...s,
    value: s.value ?? s.default,
    isDefault: s.value === undefined,
  }));
}

export const bootLog = `[    0.000000] Linux version 6.12.57+deb13-amd64
[    0.000000] Command line: console=ttyS0 quiet=0 panic=-1
[    0.004112] tsc: Detected 2394.374 MHz processor
[    0.318440] smpboot: CPU0: QEMU TCG CPU version 2.5+
[    0.732018] virtio_blk virtio1: [vda] 131072 512-byte logical blocks
[    0.911205] virtio_net virtio2 eth0: MTU 65520
[    1.120934] erofs: (device vda): mounted with root inode @ nid 36.
[    1.288340] Run /init as init process
init: data disk /dev/vdb, ext4, 64 GiB
init: agent connected, protocol 1
init: eth0 192.168.65.3/24, gateway 192.168.65.1
containerd: containerd successfully booted in 0.412 s
dockerd: Loading containers: done.
dockerd: API listen on /run/docker.sock`.split('\n');
