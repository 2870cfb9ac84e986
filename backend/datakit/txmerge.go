package datakit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
)

// Conflict is a path that both sides of a merge changed, so that a person has
// to decide.
type Conflict struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// sides are the trees of the last merge of a transaction.
type sides struct{ ours, theirs, base Snapshot }

// Parents returns the parents that the commit will have.
func (tx *Tx) Parents() []Hash {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return slices.Clone(tx.parents)
}

// SetParents replaces the parents that the commit will have. With the head of
// another branch added, and the files left alone, the commit is what `git merge
// -s ours` makes. Unknown ones are refused by Commit, with ErrNotExist.
func (tx *Tx) SetParents(parents []Hash) error {
	if len(parents) > maxParents {
		return fmt.Errorf("%d parents: %w (at most %d)", len(parents), ErrTooLarge, maxParents)
	}
	return tx.do(func() error {
		tx.parents = slices.Clone(parents)
		tx.custom = !slices.Equal(parents, parentsOf(tx.base.commit))
		return nil
	})
}

// Conflicts returns the paths that merges left for the caller to decide, by
// path. A path leaves the list when it is written, truncated, removed or renamed.
func (tx *Tx) Conflicts() []Conflict {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	list := make([]Conflict, 0, len(tx.conflicts))
	for path, reason := range tx.conflicts {
		list = append(list, Conflict{path, reason})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list
}

// MergeSides returns the trees of the last Merge: what the transaction held, the
// commit that was merged, and their common ancestor (empty when they have none).
// ok is false before the first.
func (tx *Tx) MergeSides() (ours, theirs, base Snapshot, ok bool) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.sides == nil {
		return Snapshot{}, Snapshot{}, Snapshot{}, false
	}
	return tx.sides.ours, tx.sides.theirs, tx.sides.base, true
}

// Merge merges a commit into the transaction as it is now, and appends it to
// the parents. What cannot be merged becomes a file that holds "** Conflict **"
// and the reason, and is in Conflicts until the caller decides; until then
// further merges and Commit fail with ErrConflicts. It may be called repeatedly,
// with other commits. Errors: ErrNotExist, ErrTooLarge.
func (tx *Tx) Merge(ctx context.Context, commit Hash) error {
	if err := tx.store.enter(); err != nil {
		return err
	}
	defer tx.store.leave()
	return tx.do(func() error { return wrap("merge", commit.Short(), tx.merge(ctx, commit)) })
}

func (tx *Tx) merge(ctx context.Context, commit Hash) error {
	if err := tx.undecided(); err != nil {
		return err
	}
	if len(tx.parents) == maxParents {
		return fmt.Errorf("%w: a commit has at most %d parents", ErrTooLarge, maxParents)
	}
	raw, err := readCommit(tx.merged, commit)
	if err != nil {
		return err
	}
	if err := tx.knownParents(); err != nil {
		return err
	}
	// A batch of its own, so that a merge that fails leaves nothing.
	b := newBatch(tx.merged)
	tree, err := tx.build(ctx, b, true)
	if err != nil {
		return err
	}
	ours := putCommit(b, tree, tx.parents)
	m := merger{ctx: ctx, b: b}
	result, err := m.commits(ours, commit)
	if err != nil {
		return err
	}
	merged, err := result.withConflictFiles(b)
	if err != nil {
		return err
	}
	size := 0
	for h, o := range b.held {
		size += len(o.data)
		tx.merged.held[h] = o
	}
	if tx.use.memory += int64(size); tx.use.memory > maxTxMemory {
		tx.use.memory -= int64(size)
		return fmt.Errorf("the transaction is %w: at most %d bytes in memory", ErrTooLarge, maxTxMemory)
	}
	changed, err := treeChanges(b, tx.base.tree, merged, maxListed)
	if err != nil && len(changed) == 0 {
		return err
	}
	tx.sides = &sides{
		ours:   Snapshot{objects: tx.merged, commit: ours, tree: tree},
		theirs: Snapshot{objects: tx.merged, commit: commit, tree: raw.tree},
		base:   Snapshot{objects: tx.merged, commit: result.baseCommit, tree: result.base},
	}
	_ = tx.root.each(func(c *content) error { // now in tx.merged or the repository
		c.drop(&tx.use)
		return nil
	})
	tx.root = &workDir{from: merged}
	tx.mergeSize = len(changed)
	if !slices.Contains(tx.parents, commit) {
		tx.parents = append(tx.parents, commit)
	}
	tx.custom = true
	for _, c := range result.conflicts {
		tx.conflicts[c.Path] = c.Reason
	}
	return nil
}

func (tx *Tx) undecided() error {
	if n := len(tx.conflicts); n > 0 {
		return fmt.Errorf("%w: decide the %d files of the list of conflicts first", ErrConflicts, n)
	}
	return nil
}

func (tx *Tx) knownParents() error {
	for _, p := range tx.parents {
		if _, err := readCommit(tx.merged, p); err != nil {
			return fmt.Errorf("parent: %w", err)
		}
	}
	return nil
}

func putCommit(b *batch, tree Hash, parents []Hash) Hash {
	who := Author{Name: "transaction", Email: "unknown"}
	return b.put(plumbing.CommitObject, encodeCommit(tree, parents, who, epoch, "what a transaction holds\n"))
}

// Commit makes the changes a commit on the branch; when it returns nil the
// commit is durable. If the branch moved since Begin, the changes are merged
// with what it holds now, line by line, and the commit goes on top of its new
// head: history stays a line, as a log of settings is read. (DataKit makes a
// merge commit there. The content is the same.) Parents that Merge or SetParents
// added stay; those that the head has among its ancestors are left out when it
// moved. Errors:
//
//	*ConflictError  both sides changed the same lines; nothing was written
//	*InvalidError   the branch's validator refused the result; nothing was written
//	ErrConflicts    a merge left files to decide
//	ErrNotExist     a parent does not exist
//	ErrNoChange     the branch already is as it would be; nothing was written
//	ErrLocked       a git process keeps the branch locked
//
// After success the transaction is closed; after an error it stays open, to be
// corrected or closed. After any other error, such as a failed fsync, the
// commit may or may not be there.
func (tx *Tx) Commit(ctx context.Context, m Message) (c Commit, err error) {
	err = tx.do(func() error {
		if err := tx.undecided(); err != nil {
			return err
		}
		if tx.custom {
			if err := tx.knownParents(); err != nil {
				return err
			}
		}
		// Large files are stored before the branch's turn begins.
		if err := tx.nameLarge(ctx, true); err != nil {
			return err
		}
		c, err = tx.store.decide(ctx, tx.branch, m, func(b *batch, head Hash) (proposal, error) {
			return tx.propose(ctx, b, head)
		})
		if err == nil {
			tx.release()
			return nil
		}
		// The store may have kept what it was given, for others to read.
		_ = tx.root.each(func(c *content) error { c.lent = true; return nil })
		return err
	})
	return c, err
}

// decide is land for callers outside of the package. A commit may be refused for
// what another one did that is not durable yet: then it waits for that. Else the
// answer would be about something that a crash undoes, and who tries again would
// begin from the old head again.
func (s *Store) decide(ctx context.Context, branch string, m Message, change changer) (Commit, error) {
	c, err := s.land(ctx, branch, m, change)
	var conflict *ConflictError
	if !errors.As(err, &conflict) && !errors.Is(err, ErrNoChange) {
		return c, err
	}
	s.mu.Lock()
	st := s.branches[branch]
	if st == nil || !st.pending {
		s.mu.Unlock()
		return c, err
	}
	pos := st.pos
	s.mu.Unlock()
	if failed := s.settle(pos); failed != nil {
		return Commit{}, failed
	}
	return c, err
}

// propose is the changer of a transaction.
func (tx *Tx) propose(ctx context.Context, b *batch, head Hash) (proposal, error) {
	for h, o := range tx.merged.held {
		b.held[h] = o
	}
	tree := tx.root.tree(b)
	p := proposal{tree, tx.parents}
	if head == tx.base.commit && !tx.custom || head.IsZero() {
		return p, nil
	}
	m := merger{ctx: ctx, b: b}
	var result mergeResult
	var err error
	if !tx.custom {
		var ours Hash
		if ours, err = treeOf(b, head); err != nil {
			return proposal{}, err
		}
		p.parents = []Hash{head}
		result, err = m.trees(tx.base.tree, ours, tree)
	} else {
		if slices.Contains(tx.parents, head) {
			return p, nil
		}
		own := putCommit(b, tree, tx.parents)
		walk := ancestry{r: b, ctx: ctx}
		p.parents = []Hash{head}
		for _, parent := range tx.parents {
			in, err := walk.contains(head, parent)
			if err != nil {
				return proposal{}, err
			}
			if !in {
				p.parents = append(p.parents, parent)
			}
		}
		if in, err := walk.contains(own, head); err != nil {
			return proposal{}, err
		} else if in {
			return proposal{tree, tx.parents}, nil
		}
		result, err = m.commits(head, own)
	}
	if err != nil {
		return proposal{}, err
	}
	if len(result.conflicts) > 0 {
		return proposal{}, result.conflictError()
	}
	p.tree = result.tree
	return p, nil
}

// MergeTrees merges two commits as Tx.Merge does, without a transaction. tree is
// the zero Hash when there are conflicts; else its objects are not stored: it says
// what a merge would give.
func (s *Store) MergeTrees(ctx context.Context, ours, theirs Hash) (tree Hash, conflicts []Conflict, err error) {
	if err := s.enter(); err != nil {
		return Hash{}, nil, err
	}
	defer s.leave()
	m := merger{ctx: ctx, b: newBatch(s.objects)}
	result, err := m.commits(ours, theirs)
	if err != nil {
		return Hash{}, nil, err
	}
	if len(result.conflicts) > 0 {
		return Hash{}, result.conflicts, nil
	}
	return result.tree, nil, nil
}
