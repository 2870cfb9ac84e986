// @ts-check
/** Writes a picture of every page, in light and dark, to ../build/shots or the path given. */
import { mkdir } from 'node:fs/promises';
import { serve } from './serve.mjs';

const out = process.argv[2] ?? '../build/shots';
const sizes = [
  { width: 1280, height: 800 },
  { width: 900, height: 600 },
];
const only = process.argv[3] ?? '';
/** @type {[string, string, ((page: import('playwright-core').Page) => Promise<unknown>)?][]} */
const shots = [
  ['machine', ''],
  ['machine-booting', 'scene=booting', (p) => p.waitForTimeout(3200)],
  ['machine-stopped', 'scene=stopped'],
  ['machine-failed', 'scene=failed'],
  ['machine-down', 'scene=down'],
  ['containers', '', async (p) => (await p.keyboard.press('2'), p.getByText('shop-api-1').first().click())],
  ['containers-empty', 'scene=empty', (p) => p.keyboard.press('2')],
  ['containers-loading', 'scene=slow', (p) => p.keyboard.press('2')],
  ['ports', '', async (p) => (await p.keyboard.press('3'), p.getByText('avahi-daemon').click())],
  ['ports-taken', '', takenPort],
  [
    'flows',
    '',
    async (p) => (
      await p.keyboard.press('4'),
      await p.waitForTimeout(1500),
      p.getByText('api.github.com').first().click()
    ),
  ],
  ['packets', '', packets],
  ['pipelines', '', async (p) => (await p.keyboard.press('5'), await openRun(p, '#233'))],
  [
    'pipelines-steps',
    '',
    async (p) => (
      await p.keyboard.press('5'),
      await openRun(p, '#237'),
      p.getByRole('tab', { name: 'Steps' }).click()
    ),
  ],
  [
    'pipelines-lost',
    '',
    async (p) => (
      await p.keyboard.press('5'),
      await openRun(p, '#219'),
      p.getByRole('tab', { name: /Artefacts/ }).click()
    ),
  ],
  ['pipelines-empty', 'scene=empty', (p) => p.keyboard.press('5')],
  ['history', '', async (p) => (await p.keyboard.press('6'), await p.waitForTimeout(900))],
  ['history-files', '', historyFiles],
  [
    'history-settings',
    '',
    async (p) => (
      await p.keyboard.press('6'),
      await p.getByRole('gridcell', { name: 'settings' }).click(),
      p.waitForTimeout(700)
    ),
  ],
  [
    'history-conflict',
    '',
    async (p) => (
      await p.keyboard.press('6'),
      await p.getByRole('tab', { name: /Open/ }).click(),
      await p.getByRole('gridcell', { name: 'import-items' }).click(),
      await p.getByLabel('3 conflicts').selectOption('src/items.ts'),
      p.waitForTimeout(400)
    ),
  ],
  [
    'history-watchers',
    '',
    async (p) => (await p.keyboard.press('6'), p.getByRole('tab', { name: /Watchers/ }).click()),
  ],
  ['settings', '', editSetting],
  ['palette', '', (p) => p.keyboard.press('Control+k')],
  ['shortcuts', '', (p) => p.keyboard.press('?')],
];

/** @param {import('playwright-core').Page} p @param {string} name */
async function openRun(p, name) {
  await p.getByRole('gridcell', { name }).first().click();
  await p.waitForTimeout(900);
}
/** @param {import('playwright-core').Page} p */
async function historyFiles(p) {
  await p.keyboard.press('6');
  await p.getByRole('tab', { name: 'All files' }).click();
  await p.getByRole('treeitem', { name: /src/ }).click();
  await p.getByRole('treeitem', { name: /cart.ts/ }).click();
  await p.waitForTimeout(400);
}
/** @param {import('playwright-core').Page} p */
async function takenPort(p) {
  await p.keyboard.press('3');
  await p.getByLabel('Port', { exact: true }).fill('5432');
  await p.getByLabel('Leads to').fill('shop-db-1:5432');
  await p.keyboard.press('Enter');
  await p.getByText('pid 977').waitFor();
}
/** @param {import('playwright-core').Page} p */
async function packets(p) {
  await p.keyboard.press('4');
  await p.keyboard.press('t');
  await p.locator('#filter').fill('http');
  await p.waitForTimeout(900);
  await p.getByRole('gridcell', { name: 'GET /api/cart' }).last().click();
  await p.getByText('Request line').click();
}
/** @param {import('playwright-core').Page} p */
async function editSetting(p) {
  await p.keyboard.press('7');
  await p.getByLabel('Memory', { exact: true }).fill('99999');
}

const { browser, url, close } = await serve();
try {
  await mkdir(out, { recursive: true });
  for (const [name, query, act] of shots.filter(([n]) => n.startsWith(only))) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      for (const viewport of name.includes('-') ? sizes.slice(0, 1) : sizes) {
        const page = await browser.newPage({ colorScheme, viewport });
        page.on('pageerror', (error) => console.error(name, error));
        page.on('console', (m) => m.type() === 'error' && console.error(name, m.text()));
        await page.goto(url(query));
        await page.waitForTimeout(name === 'machine' || name === 'flows' ? 4000 : 700);
        await act?.(page);
        await page.waitForTimeout(300);
        await page.screenshot({
          path: `${out}/${name}-${colorScheme}${viewport === sizes[0] ? '' : '-small'}.png`,
        });
        await page.close();
      }
    }
  }
} finally {
  await close();
}
