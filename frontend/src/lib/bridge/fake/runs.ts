/** Made-up pipeline runs: a past of them, one that is going on, one that waits. */
import type { LogChunk } from '..';
import { Problem } from '../problem';
import type { Action, Run, State } from '../shapes.gen';
import { began } from './data';
import { Endless, textHash, type Files } from './endless';
import type { FakeRepo } from './repo';

const past = 236;
const minute = 60_000;
const steps = ['fetch', 'deps', 'lint', 'test', 'build'];
const parts = [0.06, 0.3, 0.1, 0.38, 0.16];
const fates: Record<number, State> = { 3: 'failed', 11: 'cancelled', 17: 'lost', 23: 'failed', 31: 'failed' };
const reasons: Record<string, string> = {
  passed: 'made shop.tar.gz, 18.4 MB',
  failed: 'test: 2 of 148 tests failed',
  cancelled: 'cancelled by ben',
  lost: 'the runner went away in “test”',
  running: 'test: 96 of 148',
  queued: 'waits for the runner',
};

export class FakeRuns {
  list: Run[] = [];
  #repo: FakeRepo;
  #results = new Endless({
    seed: 0xc1c1,
    count: past,
    newest: began - 25 * minute,
    step: 95 * minute,
    parents: (i) => [i - 1],
    subject: (i) => `Run ${i + 1} of shop`,
    touched: () => ['log', 'status'],
    files: (i) => resultFiles(i),
  });

  constructor(repo: FakeRepo) {
    this.#repo = repo;
    repo.add('ci/shop', this.#results);
    const sources = repo.log({ branch: 'main', limit: past }).commits;
    for (let i = 0; i < past; i += 1) this.list.push(this.#past(i, sources[i]!.hash));
    const head = repo.head('search');
    this.list.unshift(
      this.#make({
        number: past + 2,
        source: repo.log({ branch: 'main', limit: 2 }).commits[1]!.hash,
        sourceBranch: 'main',
        status: 'queued',
        trigger: 'rerun',
        offers: ['cancel'],
      }),
      this.#make({
        number: past + 1,
        source: head,
        sourceBranch: 'search',
        status: 'running',
        started: ago(74_000),
        steps: stepsOf('running', began - 74_000, 160_000),
        offers: ['cancel'],
        logBytes: 48_201,
      }),
    );
  }

  #make(more: Partial<Run> & { number: number; source: string; status: State }): Run {
    const { message, author } = this.#repo.commit(more.source);
    return {
      id: `ci/shop@${more.number}`,
      pipeline: 'shop',
      resultBranch: 'ci/shop',
      result: this.#repo.head('ci/shop'),
      subject: message.split('\n')[0]!,
      author,
      trigger: 'commit',
      message: reasons[more.status] ?? '',
      steps: [],
      offers: [],
      artefacts: 0,
      logBytes: 0,
      runner: 'ann, ci.sh (pid 4500)',
      ...more,
    };
  }

  #past(i: number, source: string): Run {
    const status = fates[i % 37] ?? 'passed';
    const took = (74 + ((i * 37) % 40) + (i < 12 ? 20 : 0)) * 1000 * (status === 'passed' ? 1 : 0.6);
    const start = began - 26 * minute - i * 95 * minute;
    const docs = i % 5 === 4;
    return this.#make({
      id: `${docs ? 'ci/docs' : 'ci/shop'}@${past - i}`,
      pipeline: docs ? 'docs' : 'shop',
      number: past - i,
      result: this.#results.hash(past - 1 - i),
      source,
      sourceBranch: 'main',
      status,
      trigger: i % 9 === 5 ? 'manual' : 'commit',
      started: iso(start),
      ended: iso(start + took),
      steps: stepsOf(status, start, took),
      offers: ['rerun'],
      artefacts: status === 'passed' ? 5 : 1,
      logBytes: i === 1 ? 7_310_002 : 61_204,
    });
  }

  find(id: string): Run {
    const run = this.list.find((r) => r.id === id);
    if (!run)
      throw new Problem('not-found', `There is no run ${id}.`, 'Its result branch may have been removed.');
    return run;
  }

  act(id: string, action: Action): void {
    const run = this.find(id);
    if (!run.offers.includes(action))
      throw new Problem(
        'denied',
        `The runner of ${run.pipeline} does not offer this.`,
        'Start the runner again, then try.',
      );
    if (action === 'cancel') {
      Object.assign(run, {
        status: 'cancelled',
        message: 'cancelled by ann',
        ended: iso(Date.now()),
        offers: ['rerun'],
      });
      run.started ??= run.ended!;
      run.steps = run.steps.map((s) =>
        s.status === 'running' ? { ...s, status: 'cancelled', ended: iso(Date.now()) } : s,
      );
    } else {
      const number = Math.max(...this.list.map((r) => r.number)) + 1;
      const { source, sourceBranch = '' } = run;
      this.list = [
        this.#make({ number, source, sourceBranch, status: 'queued', trigger: 'rerun', offers: ['cancel'] }),
        ...this.list,
      ];
    }
    this.list = [...this.list];
  }

  follow(id: string, fn: (chunk: LogChunk) => void): () => void {
    const run = this.find(id);
    const live = run.status === 'running';
    const all =
      run.status === 'queued' ? [] : logLines(run.logBytes > 1e6 ? 100_000 : live ? 300 : 900, run.status);
    let at = 0;
    const timer = setInterval(
      () => {
        const now = this.find(id).status === 'running';
        if (at >= all.length && live && now)
          return fn({
            lines: [`\x1b[32m✓\x1b[0m test ${(at += 1)}: cart keeps its items \x1b[2m(${at % 40} ms)\x1b[0m`],
          });
        const lines = all.slice(at, at + 5000);
        at += lines.length;
        const end = at >= all.length && !(live && now);
        fn(end ? { lines, end } : { lines });
        if (end) clearInterval(timer);
      },
      live ? 150 : 20,
    );
    return () => clearInterval(timer);
  }
}

export function logLines(n: number, status: string): string[] {
  const e = '\x1b[';
  const head = [
    `${e}1m$ git fetch origin main${e}0m`,
    'remote: Counting objects: 12%\rremote: Counting objects: 67%\rremote: Counting objects: 100%, done.',
    `${e}1m$ npm ci${e}0m`,
    `${e}33mwarn${e}0m ${e}2mdeprecated${e}0m glob@7.2.3: versions before 9 are not supported`,
    `added ${e}36m412${e}0m packages in ${e}36m11 s${e}0m`,
    `${e}38;5;208mlint${e}0m ${e}38;5;245msrc/search/index.ts${e}0m ${e}38;2;255;90;160mprefer-const${e}0m at 14:3`,
  ];
  const body = Array.from({ length: Math.max(0, n - 9) }, (_, i) => {
    if (i % 97 === 96) return `${e}33m! test ${i + 1}: slow, ${300 + (i % 700)} ms${e}0m`;
    return `${e}32m✓${e}0m test ${i + 1}: ${['cart keeps its items', 'a page has 20 items', 'the index answers', 'stock is counted once'][i % 4]} ${e}2m(${(i * 7) % 40} ms)${e}0m`;
  });
  const tail =
    status === 'failed'
      ? [
          `${e}1;31m✗ test 147: a coupon counts once${e}0m`,
          `  expected ${e}32m1${e}0m, got ${e}31m2${e}0m`,
          `${e}41;97m FAIL ${e}0m 2 of 148`,
        ]
      : status === 'passed'
        ? [
            `${e}42;30m PASS ${e}0m 148 tests`,
            `${e}4mhttps://shop.example.org/report${e}0m`,
            'made artefacts/shop.tar.gz, 18.4 MB',
          ]
        : [];
  return [...head, ...body, ...tail];
}

function stepsOf(status: State, start: number, took: number): Run['steps'] {
  let at = start;
  const stop = status === 'passed' ? steps.length : 4;
  return steps.map((name, i) => {
    if (i >= stop) return { name, status: status === 'running' ? 'queued' : 'cancelled' };
    const from = at;
    at += took * parts[i]!;
    if (i === stop - 1 && status === 'running') return { name, status, started: iso(from) };
    return { name, status: i === stop - 1 ? status : 'passed', started: iso(from), ended: iso(at) };
  });
}

function resultFiles(i: number): Files {
  return new Map([
    [
      'artefacts/coverage/index.html',
      '<!doctype html>\n<title>Coverage</title>\n<p>91.4 % of the lines</p>\n',
    ],
    ['artefacts/coverage/summary.json', '{\n  "lines": 0.914,\n  "branches": 0.832\n}\n'],
    ['artefacts/junit.xml', '<testsuite tests="148" failures="0"/>\n'],
    ['artefacts/run.sh', '#!/bin/sh\nexec node server.js\n'],
    ['artefacts/shop.tar.gz', `\x1f\x8b\0${textHash(`shop ${i}`)}`],
    ['log', 'see followRunLog\n'],
    ['status', 'passed\n'],
  ]);
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
function ago(ms: number): string {
  return iso(began - ms);
}
