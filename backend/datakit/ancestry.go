package datakit

import (
	"context"
	"fmt"
)

// ancestry answers questions about the graph of commits.
type ancestry struct {
	r   objectReader
	ctx context.Context
}

// maxWalk bounds the commits that one question about the graph may look at.
const maxWalk = 5_000_000

// Flags of a commit in a walk from two sides, as git's merge-base uses them.
const (
	ofOne  = 1 << iota // an ancestor of (or) the first commit
	ofTwo              // of the second
	stale              // of a common ancestor found already
	inList             // was taken as a result
)

// MergeBase returns all best common ancestors of two commits, those that are no
// ancestors of others of them, newest first; none when they share nothing. It is
// what `git merge-base --all` prints. Errors: ErrNotExist.
func (s *Store) MergeBase(ctx context.Context, a, b Hash) ([]Hash, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return ancestry{r: s.objects, ctx: ctx}.bases(a, b)
}

// bases is MergeBase.
func (w ancestry) bases(a, b Hash) ([]Hash, error) {
	if a == b {
		_, err := readCommit(w.r, a)
		return []Hash{a}, err
	}
	found, err := w.common(a, b)
	if err != nil || len(found) < 2 {
		return found, err
	}
	// Times that go backwards can let an ancestor of a result slip in.
	var best []Hash
	for i, h := range found {
		redundant := false
		for j, other := range found {
			if i == j || redundant {
				continue
			}
			if redundant, err = w.contains(other, h); err != nil {
				return nil, err
			}
		}
		if !redundant {
			best = append(best, h)
		}
	}
	return best, nil
}

// contains reports whether ancestor is reachable from commit (or is it).
func (w ancestry) contains(commit, ancestor Hash) (bool, error) {
	if commit == ancestor {
		return true, nil
	}
	found, err := w.common(commit, ancestor)
	if err != nil {
		return false, err
	}
	for _, h := range found {
		if h == ancestor {
			return true, nil
		}
	}
	return false, nil
}

// common walks from both commits by time, newest first, until all that is left
// to visit are ancestors of the results.
func (w ancestry) common(a, b Hash) ([]Hash, error) {
	q := walkQueue{w: w, flags: map[Hash]uint8{}}
	if err := q.paint(a, ofOne); err != nil {
		return nil, err
	}
	if err := q.paint(b, ofTwo); err != nil {
		return nil, err
	}
	var results []Hash
	for q.fresh > 0 {
		c, flags, err := q.next()
		if err != nil {
			return nil, err
		}
		pass := flags &^ inList
		if flags&(ofOne|ofTwo|stale) == ofOne|ofTwo {
			if flags&inList == 0 {
				q.flags[c.hash] |= inList
				results = append(results, c.hash)
			}
			pass |= stale
		}
		for _, p := range c.raw.parents {
			if err := q.paint(p, pass); err != nil {
				return nil, damagedIfMissing(err)
			}
		}
	}
	kept := results[:0]
	for _, h := range results {
		if q.flags[h]&stale == 0 {
			kept = append(kept, h)
		}
	}
	return kept, nil
}

// walkQueue holds the commits to visit, and how many of them are not stale.
type walkQueue struct {
	w       ancestry
	heap    commitQueue
	flags   map[Hash]uint8
	queued  map[Hash]bool
	fresh   int
	visited int
}

func (q *walkQueue) paint(h Hash, flags uint8) error {
	old := q.flags[h]
	if old&flags == flags {
		return nil
	}
	if q.queued == nil {
		q.queued = map[Hash]bool{}
	}
	q.flags[h] = old | flags
	if q.queued[h] {
		if old&stale == 0 && flags&stale != 0 {
			q.fresh--
		}
		return nil
	}
	raw, err := readCommit(q.w.r, h)
	if err != nil {
		return err
	}
	raw.message = "" // the queue may become long
	q.heap.push(queued{h, raw})
	q.queued[h] = true
	if q.flags[h]&stale == 0 {
		q.fresh++
	}
	return nil
}

func (q *walkQueue) next() (queued, uint8, error) {
	if q.visited++; q.visited > maxWalk {
		return queued{}, 0, fmt.Errorf("history: more than %d commits to look at: %w", maxWalk, ErrTooLarge)
	}
	if q.visited%256 == 0 {
		if err := q.w.ctx.Err(); err != nil {
			return queued{}, 0, err
		}
	}
	c := q.heap.pop()
	delete(q.queued, c.hash)
	flags := q.flags[c.hash]
	if flags&stale == 0 {
		q.fresh--
	}
	return c, flags, nil
}
