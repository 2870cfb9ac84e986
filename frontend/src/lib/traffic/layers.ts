import type { Field, Layer } from '$lib/bridge';

/** A stretch of a packet's bytes that something was read from: bytes[start..end). */
export interface Span {
  id: string;
  start: number;
  end: number;
}

/** One line of the layer tree. */
export interface Node extends Span {
  depth: number;
  label: string;
  value: string;
  name: string;
  /** Ids of what it lies in, outermost first. */
  parents: string[];
  open: boolean;
  leaf: boolean;
}

/** The lines of the tree that are to be seen: those whose parents are all open. */
export function visible(
  layers: readonly Layer[],
  closed: ReadonlySet<string>,
  opened: ReadonlySet<string>,
): Node[] {
  const out: Node[] = [];
  const add = (field: Field, id: string, depth: number, parents: string[]) => {
    const kids = field.fields ?? [];
    const open = opened.has(id);
    out.push({
      id,
      depth,
      parents,
      open,
      leaf: kids.length === 0,
      label: field.label,
      value: field.value,
      name: field.name,
      start: field.start,
      end: field.end,
    });
    if (open) kids.forEach((kid, i) => add(kid, `${id}.${i}`, depth + 1, [...parents, id]));
  };
  layers.forEach((layer, l) => {
    const id = String(l);
    const open = !closed.has(id);
    out.push({
      id,
      depth: 0,
      parents: [],
      open,
      leaf: layer.fields.length === 0,
      label: layer.summary,
      value: '',
      name: layer.name,
      start: layer.start,
      end: layer.end,
    });
    if (open) layer.fields.forEach((field, i) => add(field, `${id}.${i}`, 1, [id]));
  });
  return out;
}

/** The innermost field that holds a byte, else the layer. */
export function fieldAt(layers: readonly Layer[], offset: number): Span | null {
  let best: Span | null = null;
  const consider = (fields: readonly Field[], id: string) => {
    fields.forEach((field, i) => {
      if (offset < field.start || offset >= field.end) return;
      const size = field.end - field.start;
      const span = { id: `${id}.${i}`, start: field.start, end: field.end };
      // Of groups and their only field the group is the more telling one.
      if (!best || size < best.end - best.start) best = span;
      consider(field.fields ?? [], span.id);
    });
  };
  layers.forEach((layer, l) => {
    if (offset >= layer.start && offset < layer.end)
      best = { id: String(l), start: layer.start, end: layer.end };
    consider(layer.fields, String(l));
  });
  return best;
}

export function decode(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}
