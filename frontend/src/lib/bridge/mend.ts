import type { AnyEvent } from '.';
import { nested, payloads } from './shapes.gen';

/**
 * Go writes a nil slice or map as null. The window's types say that a list is a
 * list, so what comes from Go is mended once, here, by the generated table of
 * what holds what. Values are changed in place.
 */
function fix(kind: string, value: unknown): unknown {
  if (kind === '{}') return value ?? {};
  if (kind.endsWith('[]')) {
    const list = (value as unknown[] | null) ?? [];
    const of = kind.slice(0, -2);
    if (nested[of]) for (const item of list) fix(of, item);
    return list;
  }
  const fields = nested[kind];
  if (fields && value && typeof value === 'object') {
    const object = value as Record<string, unknown>;
    for (const [field, of] of Object.entries(fields)) object[field] = fix(of, object[field]);
  }
  return value;
}

export const mend = {
  shape: <T>(name: string, value: T): T => fix(name, value) as T,
  list: <T>(name: string, value: T[]): T[] => fix(`${name}[]`, value) as T[],
  event: (event: AnyEvent): AnyEvent => {
    event.data = fix(payloads[event.topic] ?? '', event.data) as never;
    return event;
  },
};
