// @ts-check
/** Draws the app's and the tray's icons from the SVG files in build/icons. Run after changing those. */
import { readFile } from 'node:fs/promises';
import { launch } from './serve.mjs';

const root = new URL('../../', import.meta.url).pathname;
/** @type {[source: string, target: string, size: number][]} */
const icons = [
  ['app', 'build/appicon.png', 1024],
  ['app', 'app/icons/window.png', 256],
  ['tray-stopped', 'app/icons/stopped.png', 44],
  ['tray-starting', 'app/icons/starting.png', 44],
  ['tray-running', 'app/icons/running.png', 44],
  ['tray-warning', 'app/icons/warning.png', 44],
];

const browser = await launch();
try {
  for (const [source, target, size] of icons) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    const svg = await readFile(`${root}build/icons/${source}.svg`, 'utf8');
    await page.setContent(`<style>body{margin:0}svg{display:block;width:${size}px}</style>${svg}`);
    await page.screenshot({ path: root + target, omitBackground: true });
    await page.close();
  }
} finally {
  await browser.close();
}
