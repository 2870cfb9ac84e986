import { mount } from 'svelte';
import { connect } from '$lib/bridge/connect';
import { App } from '$lib/app.svelte';
import { overlay } from '$lib/ui/overlay.svelte';
import { textScale } from '$lib/ui/scale.svelte';
import '$lib/styles/fonts.css';
import '$lib/styles/tokens.css';
import '$lib/styles/base.css';
import Broken from '$lib/shell/Broken.svelte';
import Window from '$lib/shell/Window.svelte';

const target = document.getElementById('app')!;
textScale.apply();

async function open(): Promise<void> {
  const bridge = await connect();
  const app = new App(bridge);
  // A defect of the window is written into the engine's log, so that a report holds it.
  const report = (what: unknown) => {
    // The stack does not say what is the matter in every engine.
    const text = what instanceof Error ? `${what}\n${what.stack}` : String(what);
    void bridge.reportDefect(`window: ${text}`);
  };
  const reportAndTell = (what: unknown) => {
    report(what);
    const hint = what instanceof Error ? what.message : String(what);
    overlay.tell('error', 'Something in this window failed. It is in the engine’s log.', { hint });
  };
  window.addEventListener('error', (event) => reportAndTell(event.error ?? event.message));
  window.addEventListener('unhandledrejection', (event) => reportAndTell(event.reason));
  mount(Window, { target, props: { app, onfail: report } });
}

open().catch((thrown: unknown) => {
  mount(Broken, { target, props: { error: thrown instanceof Error ? thrown.message : String(thrown) } });
});
