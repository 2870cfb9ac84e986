import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

// `--mode fake` builds a window on made-up data, for the browser tests. The
// product build contains no such data: see src/lib/bridge/connect.ts.
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), svelteTesting()],
  resolve: { alias: { $lib: new URL('./src/lib', import.meta.url).pathname } },
  build: {
    target: 'es2022',
    outDir: mode === 'fake' ? 'node_modules/.fake-dist' : 'dist',
    // public/.gitkeep is copied along: Go embeds the folder from a fresh clone too.
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    testTimeout: 20_000, // whole windows on a loaded machine
    setupFiles: ['src/test-setup.ts'],
  },
}));
