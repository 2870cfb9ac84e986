import type { App } from '$lib/app.svelte';
import { quoted } from '$lib/traffic/filter';
import { copy } from '$lib/ui/clipboard';
import { textScale } from '$lib/ui/scale.svelte';
import { pages, pageTitles, type Theme } from './nav.svelte';

export interface Command {
  title: string;
  key?: string;
  run: () => void;
}

/** Everything that can be done now, for the command palette. */
export function commands(app: App): Command[] {
  const { nav, machine, traffic, containers, session } = app;
  const list: (Command | false | null | undefined)[] = pages.map((page, i) => ({
    title: `Go to ${pageTitles[page]}`,
    key: String(i + 1),
    run: () => nav.go(page),
  }));
  list.push(
    machine.can('start') && { title: 'Start the machine', run: () => void machine.do('start') },
    machine.can('stop') && { title: 'Stop the machine', run: () => void machine.do('stop') },
    machine.can('restart') && { title: 'Restart the machine', run: () => void machine.do('restart') },
    machine.can('kill') && { title: 'Cut the machine’s power…', run: () => void machine.do('kill') },
  );
  if (machine.unreachable) list.splice(pages.length);
  const docker = session.status?.docker;
  list.push(
    !!docker?.host && {
      title: 'Copy DOCKER_HOST',
      run: () => void copy(`export DOCKER_HOST=${docker.host}`, 'Copied.'),
    },
    traffic.capture && {
      title: traffic.capture.recording ? 'Pause recording' : 'Go on recording',
      run: () => void traffic.toggle(),
    },
    traffic.capture && { title: 'Clear the recording…', run: () => void traffic.control('clear') },
    traffic.capture && { title: 'Export the recording as pcapng…', run: () => void traffic.export('') },
  );
  for (const c of containers.list ?? []) {
    list.push({
      title: `Show container ${c.name}`,
      run: () => {
        nav.go('containers', '');
        containers.selection.only(c.id);
      },
    });
    list.push({
      title: `Show flows of ${c.name}`,
      run: () => {
        traffic.tab = 'flows';
        nav.go('traffic', quoted('container', c.name));
      },
    });
  }
  for (const theme of ['system', 'light', 'dark'] satisfies Theme[]) {
    const title = theme === 'system' ? 'Theme: follow the system' : `Theme: ${theme}`;
    if (nav.theme !== theme) list.push({ title, run: () => nav.setTheme(theme) });
  }
  list.push(
    { title: 'Larger text', key: 'Ctrl +', run: () => textScale.step(1) },
    { title: 'Smaller text', key: 'Ctrl -', run: () => textScale.step(-1) },
    { title: 'Text at 100 %', key: 'Ctrl 0', run: () => textScale.step(0) },
    { title: 'Keyboard shortcuts', key: '?', run: () => (nav.shortcuts = true) },
    { title: 'Quit Slipway', run: () => void app.quit() },
  );
  return list.filter((c): c is Command => !!c);
}
