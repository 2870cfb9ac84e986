import type { Container } from '$lib/bridge';
import type { Tone } from '$lib/ui/State.svelte';

/** The shape and colour of a container's state. */
export function stateTone(state: string): Tone {
  const tones: Record<string, Tone> = { running: 'ok', restarting: 'warn', paused: 'paused', dead: 'error' };
  return tones[state] ?? 'idle';
}

/** "8080→80 5432", as short as it can be said; protocol only if not TCP. */
export function portWords(container: Container): string {
  const words = container.ports.map((p) => {
    const proto = p.proto === 'tcp' ? '' : `/${p.proto}`;
    return p.hostPort ? `${p.hostPort}→${p.containerPort}${proto}` : `${p.containerPort}${proto}`;
  });
  return [...new Set(words)].join(' '); // IPv4 and IPv6 say the same twice
}
