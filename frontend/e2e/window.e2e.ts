/** What a person does, in a real browser on made-up data. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { serve } from './serve.mjs';

let site: Awaited<ReturnType<typeof serve>>;
let page: Page;
let defects: string[];

beforeAll(async () => {
  site = await serve();
});
afterAll(() => site.close());
beforeEach(async () => {
  defects = [];
  page = await site.browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(8000);
  page.on('pageerror', (error) => defects.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && defects.push(message.text()));
});
afterEach(async () => {
  await page.close();
  expect(defects).toEqual([]);
});

async function open(scene = 'busy') {
  await page.goto(site.url(`scene=${scene}`));
  await page.getByRole('navigation').waitFor();
}
const cell = (name: string | RegExp) => page.getByRole('gridcell', { name }).first();
const toast = (text: string) => page.locator('.toast', { hasText: text });

test('a stopped machine starts, phase by phase, and stops', async () => {
  await open('stopped');
  await page.getByRole('button', { name: 'Start' }).first().click();
  await page.getByRole('heading', { name: 'Starting' }).waitFor();
  await page.getByText('So far').waitFor();
  await page.getByRole('heading', { name: 'Running' }).waitFor({ timeout: 12_000 });
  await page.getByText('API listen on').waitFor();
  await page.getByRole('banner').getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('heading', { name: 'Stopped' }).waitFor();
});

test('from a container to its flows, packets and bytes, by keyboard', async () => {
  await open();
  await page.keyboard.press('2');
  await cell('shop-api-1').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.getByRole('log', { name: 'Log of the container' }).getByText('request 160').waitFor();
  await page.keyboard.press('w');
  expect(await page.locator('#filter').inputValue()).toBe('container:shop-api-1');
  await page.getByRole('grid', { name: 'Flows' }).getByRole('row', { name: /HTTP/ }).first().click();
  await page.keyboard.press('Enter');
  await page.getByRole('grid', { name: 'Packets' }).getByRole('row', { name: /GET/ }).first().click();

  const tree = page.getByRole('tree');
  await tree.getByText('Destination port').click();
  const lit = page.locator('.hex .picked');
  expect(await lit.allTextContents()).toEqual(['0b', 'b8']); // port 3000
  await page.locator('.hex [data-at="26"]').click(); // the first byte of the source address
  expect(await tree.getByRole('treeitem', { selected: true }).textContent()).toContain('172.17.0.2');
  expect(await lit.count()).toBe(4);
});

test('packets follow, stop following when scrolled away, and are fetched by the page', async () => {
  await open();
  await page.keyboard.press('4');
  await page.keyboard.press('t');
  const grid = page.getByRole('grid', { name: 'Packets' });
  await grid.getByRole('row').nth(5).waitFor();
  const follow = page.getByRole('button', { name: 'Follow' });
  expect(await follow.getAttribute('aria-pressed')).toBe('true');
  expect(await grid.getByRole('row').count()).toBeLessThan(60);
  const before = Number(await grid.getByRole('row').last().getByRole('gridcell').first().textContent());
  await expect
    .poll(async () => Number(await grid.getByRole('row').last().getByRole('gridcell').first().textContent()))
    .toBeGreaterThan(before);
  await grid.hover();
  await page.mouse.wheel(0, -4000);
  await expect.poll(() => follow.getAttribute('aria-pressed')).toBe('false');
  await page.mouse.wheel(0, -40_000);
  await page.mouse.wheel(0, -40_000);
  const first = async () =>
    Number(await grid.getByRole('row').nth(1).getByRole('gridcell').first().textContent());
  await expect.poll(first).toBeLessThan(before - 300);
  await page.locator('#filter').fill('nofield:1');
  await page.getByText('There is no field “nofield”').first().waitFor();
});

test('a taken port is explained, a free one forwards, and removing it can be undone', async () => {
  await open();
  await page.keyboard.press('3');
  await page.getByLabel('Port', { exact: true }).fill('5432');
  await page.getByRole('button', { name: 'Add forward' }).click();
  await page.getByText('Name a container or an address').waitFor();
  await page.getByLabel('Leads to').fill('shop-db-1:5432');
  await page.getByRole('button', { name: 'Add forward' }).click();
  await page.getByText('Port 5432 is taken by postgres (pid 977).').waitFor();
  await page.getByLabel('Port', { exact: true }).fill('5433');
  await page.keyboard.press('Enter');
  await toast('127.0.0.1:5433 now leads to shop-db-1').waitFor();
  await cell('127.0.0.1:5433').click();
  await page.keyboard.press('Delete');
  await toast('is removed').getByRole('button', { name: 'Undo' }).click();
  await cell('127.0.0.1:5433').waitFor();
});

test('a setting is checked, saved with a message, seen in the history and undone', async () => {
  await open();
  await page.keyboard.press('7');
  const memory = page.getByLabel('Memory', { exact: true });
  await memory.fill('100');
  await page.getByText('At least 512 MiB.').waitFor();
  expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
  await memory.fill('8192');
  await page.getByLabel('Message for the history').fill('Room for the search index');
  await page.keyboard.press('Enter');
  await toast('Saved').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('6');
  await page.getByRole('grid', { name: 'Branches' }).getByRole('gridcell', { name: 'settings' }).click();
  await cell('Room for the search index').click();
  await page.locator('.unified .new', { hasText: '8192' }).waitFor();
  await page.keyboard.press('u');
  await page.getByRole('dialog').getByRole('button', { name: 'Undo change' }).click();
  await cell(/Revert “Room/).waitFor();
  await page.keyboard.press('7');
  await expect.poll(() => memory.inputValue()).toBe('4096');
});

test('removing a container says what is lost', async () => {
  await open();
  await page.keyboard.press('2');
  await cell('web').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Remove…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Files written inside the container are lost').waitFor();
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await expect.poll(() => page.getByRole('gridcell', { name: 'web', exact: true }).count()).toBe(0);
});

test('a defect is told, and one before the window stands leaves words instead of a white page', async () => {
  await open('empty');
  await page.evaluate(() => setTimeout(() => Promise.reject(new Error('planted'))));
  await toast('Something in this window failed').getByText('planted').waitFor();
  await page.addInitScript(() => {
    window.matchMedia = () => {
      throw new Error('broken from the start');
    };
  });
  await page.reload();
  await page.getByText('broken from the start').waitFor();
  defects = [];
});

test('commands, filter, theme and text size by keyboard', async () => {
  await open();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('theme dark');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
  await page.keyboard.press('2');
  await page.keyboard.press('/');
  await page.keyboard.type('postgres');
  await expect.poll(() => page.getByRole('grid').getByRole('row').count()).toBe(2);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  for (let i = 0; i < 4; i += 1) await page.keyboard.press('Control+=');
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  const row = page.getByRole('row', { name: /postgres/ });
  expect((await row.boundingBox())?.height).toBe(42);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
});

test('a run is followed live, searched and cancelled, by keyboard', async () => {
  await open();
  await page.keyboard.press('5');
  const runs = page.getByRole('grid', { name: 'Runs' });
  await runs.getByRole('row').nth(2).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const log = page.getByRole('log', { name: 'Log of the run' });
  const last = async () => Number(await log.locator('.line .n').last().textContent());
  await log.locator('.line').first().waitFor();
  const before = await last();
  await expect.poll(last).toBeGreaterThan(before);
  await page.getByLabel('Find in the log').fill('prefer-const');
  await log.locator('mark', { hasText: 'prefer-const' }).waitFor();
  await page.keyboard.press('Escape');
  await runs.focus();
  await page.keyboard.press('x');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel run' }).click();
  await runs
    .getByRole('row', { name: /Cancelled shop/ })
    .first()
    .waitFor();
  await page.keyboard.press('w');
  await page
    .getByRole('grid', { name: 'Commits' })
    .getByRole('row', { selected: true })
    .getByText('Rank in a file of its own')
    .waitFor();
});

test('a log of a hundred thousand lines scrolls', async () => {
  await open();
  await page.keyboard.press('5');
  await page.getByRole('grid', { name: 'Runs' }).getByRole('row', { name: /#235/ }).click();
  await page.getByText('100\u202f000 lines').waitFor({ timeout: 15_000 });
  const log = page.getByRole('log', { name: 'Log of the run' });
  await page.getByRole('button', { name: 'Follow the newest line' }).click();
  await log.getByText('18.4 MB').waitFor();
  expect(await log.locator('.line').count()).toBeLessThan(120);
});

test('a version is compared, restored as one commit, and that is undone', async () => {
  await open();
  await page.keyboard.press('6');
  const commits = page.getByRole('grid', { name: 'Commits' });
  await commits.getByRole('row').nth(4).click();
  await page.keyboard.press('d');
  await page.getByText('Compare two versions').waitFor();
  await commits.getByRole('row').nth(4).click();
  await page.keyboard.press('b');
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/files?, \d+ changed/).waitFor();
  await dialog.getByRole('button', { name: 'Restore' }).click();
  await commits.getByRole('row', { name: /Restore main as of/ }).waitFor();
  await toast('Done, by a new commit on main').getByRole('button', { name: 'Undo' }).click();
  await commits.getByRole('row', { name: /Revert “Restore main/ }).waitFor();
});

test('the history of a path, the files of a version, and a hundred thousand commits', async () => {
  await open();
  await page.keyboard.press('6');
  const commits = page.getByRole('grid', { name: 'Commits' });
  await page.getByRole('tab', { name: 'All files' }).click();
  await page.getByRole('treeitem', { name: /src/ }).click();
  await page.getByRole('treeitem', { name: /cart.ts/ }).click();
  await page.getByRole('log', { name: 'Content of cart.ts' }).waitFor();
  await page.getByRole('treeitem', { name: /cart.ts/ }).click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'History of this path' }).click();
  expect(await page.getByLabel('Only commits that changed this path').inputValue()).toBe('src/cart.ts');
  await page.getByRole('grid', { name: 'Branches' }).getByText('archive/2019').click();
  await commits.getByRole('row').nth(1).getByText('archive/2019').waitFor();
  await commits.focus();
  for (let i = 0; i < 4; i += 1) {
    await page.keyboard.press('G');
    await page.waitForTimeout(250);
  }
  const rows = Number(await commits.getAttribute('aria-rowcount'));
  expect(rows).toBeGreaterThan(2000);
  expect(await commits.getByRole('row').count()).toBeLessThan(80);
});

test('an open transaction shows its conflict from all sides, and can be closed', async () => {
  await open();
  await page.keyboard.press('6');
  await page.getByRole('tab', { name: /Open transactions/ }).click();
  await cell('import-items').click();
  await page.getByLabel('3 conflicts').selectOption('src/items.ts');
  for (const side of ['Base', 'Ours', 'Theirs', 'Now'])
    await page.getByRole('region', { name: side }).waitFor();
  await page.getByRole('region', { name: 'Now' }).getByText('<<<<<<< ours').waitFor();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('31 files').waitFor();
  await dialog.getByRole('button', { name: 'Close transaction' }).click();
  await expect.poll(() => page.getByRole('gridcell', { name: 'import-items' }).count()).toBe(0);
});
