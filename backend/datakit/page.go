package datakit

import (
	"container/heap"
	"context"
	"slices"
	"strings"
	"sync"
)

const (
	maxPageWork = 5000 // commits that one Page looks at
	maxWalks    = 16   // that can be continued where a page ended
)

// Page returns a part of a history, newest first, as History yields it: from a
// commit on, at most limit (0: 100) commits, and where the next page begins
// (the zero Hash at the end). With a path a page may have fewer commits, even
// none: one call looks at no more than 5,000. A cursor alone does not say which
// side branches were not shown yet, so the store remembers the state of the last
// 16 walks; the page after a forgotten one has the ancestors of the cursor only.
func (s *Store) Page(ctx context.Context, from Hash, path string, limit int) (commits []Commit, next Hash, err error) {
	if err := s.enter(); err != nil {
		return nil, Hash{}, err
	}
	defer s.leave()
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	w := s.walks.get(from, path)
	if w == nil {
		if w, err = s.newWalk(from, path); err != nil {
			return nil, Hash{}, err
		}
	}
	for work := 0; len(w.queue) > 0 && len(commits) < limit && work < maxPageWork; work++ {
		c, show, err := w.next(ctx)
		if err != nil {
			return nil, Hash{}, err
		}
		if show {
			commits = append(commits, c)
		}
	}
	if len(w.queue) == 0 {
		return commits, Hash{}, nil
	}
	s.walks.put(w)
	return commits, w.queue[0].hash, nil
}

// logWalk is a walk through a history, by time.
type logWalk struct {
	store *Store
	path  string
	queue commitQueue
	seen  *seenSet
	count int // commits that were put into the queue
}

// seenSet numbers the commits of a walk in the order in which they were put into
// its queue. Walks that go on from an earlier point share it: they do the same
// again, so that what has a later number is what they have not seen.
type seenSet struct {
	mu sync.Mutex
	at map[Hash]int
}

func (s *Store) newWalk(from Hash, path string) (*logWalk, error) {
	w := &logWalk{store: s, path: path, seen: &seenSet{at: map[Hash]int{}}}
	raw, err := readCommit(s.objects, from)
	if err != nil {
		return nil, err
	}
	w.push(from, raw)
	return w, nil
}

func (w *logWalk) push(h Hash, raw rawCommit) {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	if n, ok := w.seen.at[h]; ok && n < w.count {
		return
	}
	w.seen.at[h] = w.count
	w.count++
	w.queue.push(queued{h, raw})
}

// next takes the newest commit; show is whether it is one for the path.
func (w *logWalk) next(ctx context.Context) (c Commit, show bool, err error) {
	if err := ctx.Err(); err != nil {
		return Commit{}, false, err
	}
	q := w.queue.pop()
	parents := make([]Hash, 0, len(q.raw.parents)) // their trees
	for _, p := range q.raw.parents {
		raw, err := readCommit(w.store.objects, p)
		if err != nil {
			return Commit{}, false, damagedIfMissing(err)
		}
		w.push(p, raw)
		parents = append(parents, raw.tree)
	}
	if show, err = touches(w.store.objects, q.raw.tree, parents, w.path); err != nil || !show {
		return Commit{}, false, err
	}
	c, err = expand(w.store.objects, q.hash, q.raw)
	return c, true, err
}

// touches reports whether a tree has something at path that none of its parents
// has: git's rule for showing a merge.
func touches(r objectReader, tree Hash, parents []Hash, path string) (bool, error) {
	if path == "" {
		return true, nil
	}
	if len(parents) == 0 {
		have, err := find(r, tree, path)
		return !have.absent(), err
	}
	for _, before := range parents {
		if same, err := sameAt(r, tree, before, path); err != nil || same {
			return false, err
		}
	}
	return true, nil
}

// sameAt compares what two trees have at path, no deeper than they differ.
func sameAt(r objectReader, a, b Hash, path string) (bool, error) {
	for path != "" {
		if a == b {
			return true, nil
		}
		name, rest, _ := strings.Cut(path, "/")
		one, err := find(r, a, name)
		if err != nil {
			return false, err
		}
		two, err := find(r, b, name)
		switch {
		case err != nil:
			return false, err
		case one == two:
			return true, nil
		case rest == "":
			return false, nil
		case !one.mode.IsDir() || !two.mode.IsDir():
			one, err = find(r, a, path)
			if err == nil {
				two, err = find(r, b, path)
			}
			return one == two, err
		}
		a, b, path = one.hash, two.hash, rest
	}
	return a == b, nil
}

// walkCache holds walks at the end of their last page, the newest last.
type walkCache struct {
	mu    sync.Mutex
	walks []*logWalk
}

// get returns a copy of the walk that goes on at from: the same page may be
// asked for again.
func (c *walkCache) get(from Hash, path string) *logWalk {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.walks {
		if w.path == path && w.queue[0].hash == from {
			return &logWalk{w.store, path, slices.Clone(w.queue), w.seen, w.count}
		}
	}
	return nil
}

func (c *walkCache) put(w *logWalk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.walks = slices.DeleteFunc(c.walks, func(old *logWalk) bool {
		return old.path == w.path && old.queue[0].hash == w.queue[0].hash
	})
	if c.walks = append(c.walks, w); len(c.walks) > maxWalks {
		c.walks = slices.Delete(c.walks, 0, 1)
	}
}

func (q *commitQueue) push(c queued) { heap.Push(q, c) }
func (q *commitQueue) pop() queued   { return heap.Pop(q).(queued) }

type queued struct {
	hash Hash
	raw  rawCommit
}

// commitQueue pops the latest commit first.
type commitQueue []queued

func (q commitQueue) Len() int           { return len(q) }
func (q commitQueue) Less(i, j int) bool { return q[i].raw.commit.After(q[j].raw.commit) }
func (q commitQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *commitQueue) Push(x any)        { *q = append(*q, x.(queued)) }
func (q *commitQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
