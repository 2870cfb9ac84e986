import type { Code } from './shapes.gen';

/** A refusal or failure, in words for a person: the message says what is the matter, the hint what to do. */
export class Problem extends Error {
  constructor(
    readonly code: Code,
    message: string,
    readonly hint = '',
  ) {
    super(message);
    this.name = 'Problem';
  }
}

/**
 * Makes a Problem of whatever was thrown. Wails rejects with what the app's
 * error formatter made ({code,message,hint}), with that as JSON text, or, for
 * defects of its own, with plain text.
 */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof Error) return new Problem('internal', thrown.message);
  if (typeof thrown === 'string') {
    const parsed = parse(thrown);
    return parsed ? problemOf(parsed) : new Problem('internal', thrown);
  }
  if (thrown && typeof thrown === 'object' && 'message' in thrown) {
    const { code, message, hint } = thrown as { code?: Code; message: unknown; hint?: unknown };
    return new Problem(code ?? 'internal', String(message), typeof hint === 'string' ? hint : '');
  }
  return new Problem('internal', 'The engine gave no reason.');
}

function parse(text: string): object | null {
  if (!text.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === 'object' && 'message' in value ? value : null;
  } catch {
    return null;
  }
}
