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
// unknown commit, *InvalidError, ErrLocked.
func (s *Store) FastForward(ctx context.Context, branch string, to Hash) error {
	done, err := s.seat(ctx, branch)
	if err != nil {
		return err
	}
	defer done()
	raw, err := readCommit(s.objects, to)
	if err != nil {
		return err
	}
	for {
		head, err := s.headOrZero(branch)
		if err != nil || head == to {
			return err
		}
		forward, err := descends(s.objects, to, head)
		if err != nil {
			return err
		}
		if !forward {
			return fmt.Errorf("%w: %s does not descend from %s", ErrNotFastForward, to.Short(), head.Short())
		}
		if err := s.validate(branch, s.objects, raw.tree); err != nil {
			return err
		}
		if err := s.refs.update(ctx, branch, head, to); !errors.Is(err, errMoved) {
			s.publish(branch, s.opt.Author.Name)
			return err
		}
	}
}

// RemoveBranch removes a branch; its commits stay in the repository until git gc
// finds them unused. Error: ErrNoBranch.
func (s *Store) RemoveBranch(ctx context.Context, branch string) error {
	done, err := s.seat(ctx, branch)
	if err != nil {
		return err
	}
	defer done()
	err = s.refs.remove(ctx, branch)
	s.publish(branch, s.opt.Author.Name)
	return err
}

// RenameBranch gives a branch another name, in one durable step. Errors:
// ErrNoBranch, ErrExist, ErrBadBranch, *InvalidError by the new name's validator.
func (s *Store) RenameBranch(ctx context.Context, from, to string) error {
	if from == to {
		return fmt.Errorf("branch %s: %w", clip(to), ErrExist)
	}
	for _, name := range slices.Sorted(slices.Values([]string{from, to})) {
		done, err := s.seat(ctx, name) // in order, so that two renames cannot wait for each other
		if err != nil {
			return err
		}
		defer done()
	}
	head, err := s.refs.read(from)
	if err != nil {
		return err
	}
	if other, err := s.headOrZero(to); err != nil {
		return err
	} else if !other.IsZero() {
		return fmt.Errorf("branch %s: %w", to, ErrExist)
	}
	tree, err := treeOf(s.objects, head)
	if err != nil {
		return err
	}
	if err := s.validate(to, s.objects, tree); err != nil {
		return err
	}
	if err := s.refs.update(ctx, to, Hash{}, head); err != nil {
		return err
	}
	err = s.refs.remove(ctx, from)
	s.publish(to, s.opt.Author.Name)
	s.publish(from, s.opt.Author.Name)
	return err
}

// seat is enter and turn: the caller may write to branch until it calls done.
func (s *Store) seat(ctx context.Context, branch string) (done func(), err error) {
	if err := checkBranch(branch); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	free, err := s.turn(ctx, branch)
	if err != nil {
		s.leave()
		return nil, err
	}
	return func() { free(); s.leave() }, nil
}
