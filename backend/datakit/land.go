package datakit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/slipway-desktop/slipway/backend/datakit/journal"
)

// proposal is what a commit is to hold.
type proposal struct {
	tree    Hash
	parents []Hash
}

// changer makes the proposal for a commit on top of head (zero: the branch does
// not exist), with b to read from and to put objects into.
type changer func(b *batch, head Hash) (proposal, error)

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
	for {
		c, pos, err := s.propose(ctx, branch, m, change)
		if err == nil {
			err = s.settle(pos)
		}
		if !errors.Is(err, errMoved) {
			return c, err
		}
	}
}

// propose makes a commit and appends it to the journal. It has the branch's turn
// until then: the next commit builds on this one while it is being synced.
func (s *Store) propose(ctx context.Context, branch string, m Message, change changer) (Commit, journal.Pos, error) {
	done, err := s.turn(ctx, branch)
	if err != nil {
		return Commit{}, journal.Pos{}, err
	}
	defer done()
	for {
		if err := ctx.Err(); err != nil {
			return Commit{}, journal.Pos{}, err
		}
		c, pos, err := s.attempt(ctx, branch, m, change)
		if !errors.Is(err, errMoved) {
			return c, pos, err
		}
	}
}

func (s *Store) attempt(ctx context.Context, branch string, m Message, change changer) (Commit, journal.Pos, error) {
	fail := func(err error) (Commit, journal.Pos, error) { return Commit{}, journal.Pos{}, err }
	head, err := s.tip(branch)
	if err != nil {
		return fail(err)
	}
	before, err := treeOf(s.objects, head)
	if err != nil {
		return fail(err)
	}
	b := newBatch(s.objects)
	p, err := change(b, head)
	if err != nil {
		return fail(err)
	}
	if p.tree == before && !m.AllowEmpty && slices.Equal(p.parents, parentsOf(head)) {
		return fail(ErrNoChange)
	}
	if err := s.validate(branch, b, p.tree); err != nil {
		return fail(err)
	}
	now := s.opt.Now().Truncate(time.Second)
	h := b.put(plumbing.CommitObject, encodeCommit(p.tree, p.parents, m.Author, now, m.Text))
	c, err := describe(b, h)
	if err != nil {
		return fail(err)
	}
	objects, err := b.take(h, p.tree)
	if err != nil {
		return fail(err)
	}
	pos, err := s.change(ctx, logRecord{updates: []update{{branch, head, h}}, objects: objects}, c.Author)
	return c, pos, err
}
