// @ts-check
/** Serves the window on made-up data, as `vite build --mode fake` made it; opens pages in the system's Chromium. */
import { chromium } from 'playwright-core';
import { preview } from 'vite';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });
}

/** @returns {Promise<{ browser: import('playwright-core').Browser, url: (query?: string) => string, close: () => Promise<void> }>} */
export async function serve() {
  const server = await preview({
    mode: 'fake',
    logLevel: 'warn',
    preview: { host: '127.0.0.1', port: 0 },
    build: { outDir: 'node_modules/.fake-dist' },
  });
  const browser = await launch();
  const base = server.resolvedUrls?.local[0] ?? '';
  return {
    browser,
    url: (query = '') => `${base}?bridge=fake&${query}`,
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
