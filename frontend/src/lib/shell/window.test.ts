import { cleanup, render, screen, waitFor } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { App } from '$lib/app.svelte';
import { FakeBridge } from '$lib/bridge/fake';
import Window from './Window.svelte';

let bridge: FakeBridge | undefined;

function open(scene: string) {
  bridge = new FakeBridge(scene);
  const failures: unknown[] = [];
  const app = new App(bridge);
  render(Window, { props: { app, onfail: (error: unknown) => failures.push(error) } });
  return { app, bridge, failures, user: userEvent.setup() };
}

afterEach(() => {
  cleanup();
  bridge?.close();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('every page shows itself where no locale is set', async () => {
  // A process without a locale gives the web view the language "C", on which Intl throws.
  const thrower = class {
    constructor() {
      throw new RangeError('Incorrect locale information provided');
    }
  };
  vi.stubGlobal('Intl', {
    NumberFormat: thrower,
    DateTimeFormat: thrower,
    Collator: thrower,
    PluralRules: thrower,
  });
  vi.spyOn(navigator, 'language', 'get').mockReturnValue('C');
  const { user, failures } = open('busy');
  await screen.findByRole('heading', { name: /Running/ });
  const signs = [
    'Linux version',
    'shop-api-1',
    'avahi-daemon',
    'gateway',
    'Queued',
    'Open transactions',
    'Name servers',
  ];
  for (const [i, sign] of signs.entries()) {
    await user.keyboard(String(i + 1));
    expect((await screen.findAllByText(new RegExp(sign))).length).toBeGreaterThan(0);
  }
  expect(failures).toEqual([]);
});

test('where no engine answers the reason and the next step are shown', async () => {
  open('down');
  expect(await screen.findByText(/no room on the disk/)).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Try again' })).toBeTruthy();
});

test('a failed boot shows reason, hint and the last lines of the console', async () => {
  open('failed');
  expect(await screen.findByText(/cannot mount its root file system/)).toBeTruthy();
  expect(screen.getByText(/make image/)).toBeTruthy();
  expect(screen.getByText(/Kernel panic/)).toBeTruthy();
  expect(screen.getAllByRole('button', { name: 'Start' }).length).toBeGreaterThan(0);
});

test('an empty machine offers the command that fills it', async () => {
  const { user } = open('empty');
  await screen.findByRole('heading', { name: /Running/ });
  await user.keyboard('2');
  expect(await screen.findByText(/docker --context slipway run/)).toBeTruthy();
});

test('a page that breaks leaves the rest of the window usable and is reported', async () => {
  const { app, user, failures } = open('empty');
  await screen.findByRole('heading', { name: /Running/ });
  Object.defineProperty(app.history, 'branches', {
    get: () => {
      throw new Error('planted');
    },
  });
  await user.keyboard('6');
  expect(await screen.findByText(/planted/)).toBeTruthy();
  expect(failures).toHaveLength(1);
  await user.click(screen.getByRole('button', { name: /Settings/ }));
  await waitFor(() => expect(screen.getByText('Name servers')).toBeTruthy());
});

test('killing the machine asks first, and says what is lost', async () => {
  const { app, bridge, user } = open('empty');
  await screen.findByRole('heading', { name: /Running/ });
  const kill = vi.spyOn(bridge, 'killMachine');
  await user.click(screen.getByRole('button', { name: /Cut the machine’s power/ }));
  expect(await screen.findByText(/not written to disk is lost/)).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(kill).not.toHaveBeenCalled();
  void app.machine.do('kill');
  await user.click(await screen.findByRole('button', { name: 'Cut power' }));
  await waitFor(() => expect(kill).toHaveBeenCalledOnce());
});
