package datakit

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
)

// SetValidator sets the check that a tree has to pass before it becomes the head
// of branch, from the next commit on; nil removes it. See Options.Validate.
func (s *Store) SetValidator(branch string, check func(Snapshot) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if check == nil {
		delete(s.checks, branch)
		return
	}
	s.checks[branch] = check
}

func (s *Store) validator(branch string) func(Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks[branch]
}

// validate asks the validator of a branch about a tree.
func (s *Store) validate(branch string, r objectReader, tree Hash) error {
	if check := s.validator(branch); check != nil {
		if err := check(Snapshot{objects: r, tree: tree}); err != nil {
			return &InvalidError{Branch: branch, Err: err}
		}
	}
	return nil
}

// descends reports whether commit is from or a descendant of it.
func descends(r objectReader, commit, from Hash) (bool, error) {
	if from.IsZero() {
		return true, nil
	}
	queue := commitQueue{}
	seen := map[Hash]bool{}
	push := func(h Hash) error {
		if seen[h] {
			return nil
		}
		seen[h] = true
		raw, err := readCommit(r, h)
		if err == nil {
			heap.Push(&queue, queued{h, raw})
		}
		return err
	}
	if err := push(commit); err != nil {
		return false, err
	}
	for queue.Len() > 0 {
		q := heap.Pop(&queue).(queued)
		if q.hash == from {
			return true, nil
		}
		if slices.Contains(q.raw.parents, from) {
			return true, nil
		}
		for _, p := range q.raw.parents {
			if err := push(p); err != nil {
				return false, damagedIfMissing(err)
			}
		}
	}
	return false, nil
}

// FastForward moves a branch to a commit that descends from its head, or to any
// commit if it has none. It does nothing when the branch is there already. Once it
// returns, the move is durable. Errors: ErrNotFastForward, ErrNotExist for an
// unknown commit, *InvalidError, ErrLocked, and those of Tx.Commit on the disk.
func (s *Store) FastForward(ctx context.Context, branch string, to Hash) error {
	return s.move(ctx, []string{branch}, func() ([]update, error) {
		raw, err := readCommit(s.objects, to)
		if err != nil {
			return nil, err
		}
		head, err := s.tip(branch)
		if err != nil || head == to {
			return nil, err
		}
		forward, err := descends(s.objects, to, head)
		if err != nil {
			return nil, err
		}
		if !forward {
			return nil, fmt.Errorf("%w: %s does not descend from %s", ErrNotFastForward, to.Short(), head.Short())
		}
		return []update{{branch, head, to}}, s.validate(branch, s.objects, raw.tree)
	})
}

// RemoveBranch removes a branch; its commits stay in the repository until git gc
// finds them unused. Error: ErrNoBranch.
func (s *Store) RemoveBranch(ctx context.Context, branch string) error {
	return s.move(ctx, []string{branch}, func() ([]update, error) {
		head, err := s.tip(branch)
		if err == nil && head.IsZero() {
			err = fmt.Errorf("%s: %w", branch, ErrNoBranch)
		}
		return []update{{branch, head, Hash{}}}, err
	})
}

// RenameBranch gives a branch another name, in one durable step. Errors:
// ErrNoBranch, ErrExist, ErrBadBranch (also when one name is a directory of the
// other), *InvalidError by the new name's validator.
func (s *Store) RenameBranch(ctx context.Context, from, to string) error {
	if from == to {
		return fmt.Errorf("branch %s: %w", clip(to), ErrExist)
	}
	return s.move(ctx, []string{from, to}, func() ([]update, error) {
		head, err := s.tip(from)
		if err == nil && head.IsZero() {
			err = fmt.Errorf("%s: %w", from, ErrNoBranch)
		}
		if err != nil {
			return nil, err
		}
		if other, err := s.tip(to); err != nil {
			return nil, err
		} else if !other.IsZero() {
			return nil, fmt.Errorf("branch %s: %w", to, ErrExist)
		}
		tree, err := treeOf(s.objects, head)
		if err != nil {
			return nil, err
		}
		return []update{{from, head, Hash{}}, {to, Hash{}, head}}, s.validate(to, s.objects, tree)
	})
}

// move makes durable the change of branches that plan says, with the turns of all
// of them. It asks again when git was faster.
func (s *Store) move(ctx context.Context, branches []string, plan func() ([]update, error)) error {
	for _, name := range branches {
		if err := checkBranch(name); err != nil {
			return err
		}
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	removes := false
	// In order, so that two renames cannot wait for each other.
	for _, name := range slices.Sorted(slices.Values(branches)) {
		done, err := s.turn(ctx, name)
		if err != nil {
			return err
		}
		defer done()
	}
	for {
		updates, err := plan()
		if err != nil || len(updates) == 0 {
			return err
		}
		pos, err := s.change(ctx, logRecord{updates: updates}, s.opt.Author.Name)
		if err == nil {
			err = s.settle(pos)
		}
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return err
		}
		for _, u := range updates {
			removes = removes || u.new.IsZero()
		}
		if removes && s.refs != nil {
			// The name may be a directory's next; the rest is the flusher's to repeat.
			if err := s.flush(); err != nil {
				s.opt.Log.Debug("flush a removed branch", "error", err)
			}
		}
		return nil
	}
}
