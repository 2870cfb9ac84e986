import type { Run, State } from '$lib/bridge';
import type { Tone } from '$lib/ui/State.svelte';

export const runStates: Record<State, { tone: Tone; word: string }> = {
  queued: { tone: 'idle', word: 'Queued' },
  running: { tone: 'busy', word: 'Running' },
  passed: { tone: 'ok', word: 'Passed' },
  failed: { tone: 'error', word: 'Failed' },
  cancelled: { tone: 'paused', word: 'Cancelled' },
  lost: { tone: 'warn', word: 'Lost' },
};

export const triggers: Record<string, string> = { commit: 'Commit', rerun: 'Rerun', manual: 'By hand' };

/** What a run's state means where the word alone does not say it; '' elsewhere. */
export function explain(run: Run): string {
  if (run.status === 'queued') return 'It waits until its runner is free.';
  if (run.status !== 'lost') return '';
  const who = run.runner ? `Its runner (${run.runner})` : 'Its runner';
  const next = run.offers.includes('rerun') ? 'Run it again.' : 'Start the runner, and it can be run again.';
  return `${who} went away before the run was over, so nobody knows how it would have ended. What it had written until then is here. ${next}`;
}
