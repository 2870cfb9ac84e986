package datakit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// proposal is what a commit is to hold.
type proposal struct {
	tree    Hash
	parents []Hash
}

// changer makes the proposal for a commit on top of head (zero: the branch does
// not exist), with b to read from and to put objects into.
type changer func(b *batch, head Hash) (proposal, error)

// onto makes a changer of edits of the head's tree, for a commit whose parent is
// the head.
func onto(edit func(b *batch, ours Hash) (edits, error)) changer {
	return func(b *batch, head Hash) (proposal, error) {
		ours, err := treeOf(b, head)
		if err != nil {
			return proposal{}, err
		}
		e, err := edit(b, ours)
		if err != nil {
			return proposal{}, err
		}
		tree, err := applyEdits(b, ours, e)
		return proposal{tree, parentsOf(head)}, err
	}
}

func parentsOf(head Hash) []Hash {
	if head.IsZero() {
		return nil
	}
	return []Hash{head}
}

// land makes a commit on branch of what change makes of the head's tree, and
// returns it once it is durable. It calls change again when git moved the
// branch meanwhile. Errors: *ConflictError, *InvalidError, ErrNoChange,
// ErrLocked, ctx's.
func (s *Store) land(ctx context.Context, branch string, m Message, change changer) (Commit, error) {
	if len(m.Text) > maxMessage {
		return Commit{}, fmt.Errorf("message of %d bytes: %w", len(m.Text), ErrTooLarge)
	}
	m = m.clean(s.opt.Author)
	if err := s.enter(); err != nil {
		return Commit{}, err
	}
	defer s.leave()
	done, err := s.turn(ctx, branch)
	if err != nil {
		return Commit{}, err
	}
	defer done()
	for {
		if err := ctx.Err(); err != nil {
			return Commit{}, err
		}
		c, err := s.attempt(ctx, branch, m, change)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return Commit{}, err
		}
		s.publish(branch, c.Author)
		return c, nil
	}
}

func (s *Store) attempt(ctx context.Context, branch string, m Message, change changer) (Commit, error) {
	head, err := s.headOrZero(branch)
	if err != nil {
		return Commit{}, err
	}
	before, err := treeOf(s.objects, head)
	if err != nil {
		return Commit{}, err
	}
	b := newBatch(s.objects)
	p, err := change(b, head)
	if err != nil {
		return Commit{}, err
	}
	if p.tree == before && !m.AllowEmpty && slices.Equal(p.parents, parentsOf(head)) {
		return Commit{}, ErrNoChange
	}
	if err := s.validate(branch, b, p.tree); err != nil {
		return Commit{}, err
	}
	now := s.opt.Now().Truncate(time.Second)
	h := b.put(plumbing.CommitObject, encodeCommit(p.tree, p.parents, m.Author, now, m.Text))
	c, err := describe(b, h)
	if err != nil {
		return Commit{}, err
	}
	objects, err := b.take(h, p.tree)
	if err != nil {
		return Commit{}, err
	}
	if err := s.objects.write(objects); err != nil {
		return Commit{}, err
	}
	return c, s.refs.update(ctx, branch, head, h)
}
