/**
 * The lanes of a commit graph, newest commit first. Each commit has one row; what
 * is drawn in it depends only on the commits above, so a history can be laid out
 * page by page.
 */
export interface Node {
  hash: string;
  parents: readonly string[];
}

/** A line in a row: `up` from its upper edge to the commit, `down` from the commit to its lower edge, `by` past it. */
export interface Line {
  kind: 'up' | 'down' | 'by';
  from: number;
  to: number;
}
export interface GraphRow {
  lane: number;
  lines: Line[];
  /** How many lanes the row needs. */
  width: number;
}

/** What the rows so far leave open: the commit each lane leads to, and what was seen. */
export interface Lanes {
  open: readonly (string | null)[];
  seen: Set<string>;
}

export function noLanes(): Lanes {
  return { open: [], seen: new Set() };
}

/** Lays out further commits. `lanes.seen` grows; the rest of what is given stays as it is. */
export function layout(commits: readonly Node[], lanes: Lanes): { rows: GraphRow[]; lanes: Lanes } {
  const { seen } = lanes;
  let open = lanes.open;
  const rows = commits.map((commit) => {
    seen.add(commit.hash);
    const placed = place(commit, open, seen);
    open = placed.open;
    return placed.row;
  });
  return { rows, lanes: { open, seen } };
}

function place(commit: Node, before: Lanes['open'], seen: Set<string>) {
  const open = [...before];
  const expected = open.indexOf(commit.hash);
  const lane = expected >= 0 ? expected : free(open);
  open[lane] = null;
  const lines: Line[] = [];
  if (expected >= 0) lines.push({ kind: 'up', from: lane, to: lane });
  const moved = new Map<number, number>();
  let first = true;
  for (const parent of new Set(commit.parents)) {
    if (seen.has(parent)) continue; // listed above its child: clocks differ
    let to = open.indexOf(parent);
    if (first && (to < 0 || to > lane)) {
      // The first parent goes on in the lane of its child, which keeps the main line straight.
      if (to > lane) {
        open[to] = null;
        moved.set(to, lane);
      }
      to = lane;
      open[lane] = parent;
    } else if (to < 0) {
      to = free(open);
      open[to] = parent;
    }
    first = false;
    lines.push({ kind: 'down', from: lane, to });
  }
  before.forEach((hash, i) => {
    if (hash !== null && i !== lane) lines.push({ kind: 'by', from: i, to: moved.get(i) ?? i });
  });
  while (open.length > 0 && open.at(-1) === null) open.pop();
  const width = Math.max(lane, ...lines.map((line) => Math.max(line.from, line.to))) + 1;
  return { row: { lane, lines, width }, open };
}

function free(open: (string | null)[]): number {
  const at = open.indexOf(null);
  return at < 0 ? open.length : at;
}
