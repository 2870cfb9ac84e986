import type { Bridge } from '.';
import { inApp, wailsBridge } from './wails';

/**
 * Returns the bridge of where the window runs. Made-up data exists only in
 * development and in builds for browser tests (`--mode fake`), and only if the
 * address asks for it; Vite drops the branch, and all of fake/, from the product.
 */
export async function connect(): Promise<Bridge> {
  if (inApp()) return wailsBridge();
  if (import.meta.env.MODE !== 'production') {
    const query = new URLSearchParams(location.search);
    if (query.get('bridge') === 'fake') {
      const { FakeBridge } = await import('./fake');
      return new FakeBridge(query.get('scene') ?? 'busy');
    }
  }
  throw new Error('This page is the window of the Slipway app. Open the app to use it.');
}
