package datakit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit/journal"
)

// branchState is what the store knows of a branch that it wrote to. From the first
// change that git does not see yet until it is shown, the branch is held: its lock
// file is ours, so that git cannot move it under an acknowledged commit. In a store
// without a disk a branch is held for ever. Guarded by Store.mu.
type branchState struct {
	held    bool
	closing bool          // being shown and let go: takes no more changes
	rest    time.Time     // until then the lock is left to git
	free    chan struct{} // closed when it is not closing any more
	head    Hash          // with the changes that are not durable yet
	acked   Hash          // the newest durable one
	shown   Hash          // what git sees
	pos     journal.Pos
	pending bool // pos is set and was not reaped
	gen     uint64
	last    Hash // what watchers were told
}

// appended is a change in the journal that was not acknowledged yet.
type appended struct {
	pos    journal.Pos
	rec    logRecord
	author string
}

func (s *Store) state(branch string) *branchState {
	st := s.branches[branch]
	if st == nil {
		st = &branchState{}
		s.branches[branch] = st
	}
	return st
}

// tip returns what the next change of a branch builds on; zero for no branch.
func (s *Store) tip(branch string) (Hash, error) {
	s.mu.Lock()
	if st := s.branches[branch]; st != nil && st.held {
		defer s.mu.Unlock()
		return st.head, nil
	}
	s.mu.Unlock()
	return s.readRef(branch)
}

// headOrZero is Head, with the zero Hash for a branch that does not exist.
func (s *Store) headOrZero(branch string) (Hash, error) {
	s.mu.Lock()
	if st := s.branches[branch]; st != nil && st.held {
		defer s.mu.Unlock()
		return st.acked, nil
	}
	s.mu.Unlock()
	return s.readRef(branch)
}

func (s *Store) readRef(branch string) (Hash, error) {
	if s.refs == nil {
		return Hash{}, nil
	}
	h, err := s.refs.read(branch)
	if errors.Is(err, ErrNoBranch) {
		return Hash{}, nil
	}
	return h, err
}

func (s *Store) names() ([]string, error) {
	var names []string
	if s.refs != nil {
		var err error
		if names, err = s.refs.list(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, st := range s.branches {
		i, there := slices.BinarySearch(names, name)
		switch {
		case st.held && there && st.acked.IsZero():
			names = slices.Delete(names, i, i+1)
		case st.held && !there && !st.acked.IsZero():
			names = slices.Insert(names, i, name)
		}
	}
	return names, nil
}

// hold makes sure that the branch is ours and at old, else errMoved. The caller
// has the branch's turn.
func (s *Store) hold(ctx context.Context, branch string, old Hash) error {
	for {
		s.mu.Lock()
		st := s.state(branch)
		switch wait := time.Until(st.rest); {
		case st.closing:
			free := st.free
			s.mu.Unlock()
			select {
			case <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		case st.held || s.refs == nil:
			defer s.mu.Unlock()
			if st.head != old {
				return errMoved
			}
			st.held = true
			return nil
		case wait > 0:
			s.mu.Unlock()
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
			continue
		}
		s.mu.Unlock()
		return s.take(ctx, branch, old)
	}
}

// take locks the branch against git.
func (s *Store) take(ctx context.Context, branch string, old Hash) error {
	if old.IsZero() {
		if err := s.checkRoom(branch); err != nil {
			return err
		}
	}
	lock := s.refs.path(branch) + ".lock"
	if err := s.refs.lock(ctx, s.refs.mark, lock); err != nil {
		return fmt.Errorf("lock branch %s: %w", branch, err)
	}
	current, err := s.readRef(branch)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(branch)
	if err == nil {
		s.observe(branch, st, current, "")
		if current != old {
			err = errMoved
		}
	}
	if err != nil {
		_ = os.Remove(lock)
		return err
	}
	st.gen++
	st.held, st.head, st.acked, st.shown = true, old, old, old
	s.kick()
	return nil
}

// checkRoom refuses "a" beside "a/b", which git cannot store as files.
func (s *Store) checkRoom(branch string) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, branch+"/") || strings.HasPrefix(branch, name+"/") {
			return fmt.Errorf("%w %q: branch %q exists", ErrBadBranch, branch, name)
		}
	}
	return nil
}

// roomAmongHeld is checkRoom among the branches that nobody sees yet. Under mu.
func (s *Store) roomAmongHeld(branch string) error {
	for name, st := range s.branches {
		if st.held && !st.head.IsZero() && (strings.HasPrefix(name, branch+"/") || strings.HasPrefix(branch, name+"/")) {
			return fmt.Errorf("%w %q: branch %q exists", ErrBadBranch, branch, name)
		}
	}
	return nil
}

// change appends a change of branches to the journal; settle makes it durable. The
// caller has the turns of the branches. errMoved: a branch is not at its old value.
func (s *Store) change(ctx context.Context, rec logRecord, author string) (journal.Pos, error) {
	data := rec.encode()
	for {
		for _, u := range rec.updates {
			if err := s.hold(ctx, u.branch, u.old); err != nil {
				return journal.Pos{}, err
			}
		}
		pos, again, err := s.appendChange(rec, data, author)
		if !again {
			return pos, err
		}
	}
}

func (s *Store) appendChange(rec logRecord, data []byte, author string) (pos journal.Pos, again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range rec.updates {
		st := s.state(u.branch)
		if !st.held || st.closing {
			return pos, true, nil
		}
		if st.head != u.old {
			return pos, false, errMoved
		}
		if u.old.IsZero() {
			if err := s.roomAmongHeld(u.branch); err != nil {
				return pos, false, err
			}
		}
	}
	if s.journal != nil {
		if pos, err = s.journal.Append(data, true); err != nil {
			if errors.Is(err, journal.ErrUndo) {
				s.reap()
				err = errMoved
			}
			return pos, false, s.journalError(err)
		}
	}
	for _, u := range rec.updates {
		st := s.state(u.branch)
		st.head, st.pos, st.pending = u.new, pos, true
	}
	s.objects.hold(rec.objects)
	s.queue = append(s.queue, &appended{pos, rec, author})
	return pos, false, nil
}

// settle waits until a change is durable, and acknowledges it.
func (s *Store) settle(pos journal.Pos) error {
	var err error
	if s.journal != nil {
		err = pos.Wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reap()
	return s.journalError(err)
}

// reap acknowledges or undoes what the journal has decided, in order. Under mu.
func (s *Store) reap() {
	failures := uint64(0)
	if s.journal != nil {
		failures = s.journal.Failures()
	}
	for len(s.queue) > 0 {
		a := s.queue[0]
		if s.journal != nil {
			done, err := a.pos.Result()
			if !done {
				break
			}
			if err != nil {
				s.queue = s.queue[1:]
				s.objects.drop(a.rec.objects)
				for _, u := range a.rec.updates {
					st := s.state(u.branch)
					st.head, st.pending = st.acked, false
				}
				continue
			}
		}
		s.queue = s.queue[1:]
		for _, u := range a.rec.updates {
			st := s.state(u.branch)
			st.acked = u.new
			st.gen++
			s.observe(u.branch, st, u.new, a.author)
		}
		s.stats.Commits++
		if s.journal != nil {
			s.unflushed = append(s.unflushed, a)
		}
	}
	if s.journal != nil {
		s.journal.Resume(failures)
	}
}

// journalError says what a failure of the journal means for the caller.
func (s *Store) journalError(err error) error {
	switch {
	case err == nil || errors.Is(err, errMoved):
		return err
	case errors.Is(err, journal.ErrBroken):
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case errors.Is(err, journal.ErrFull):
		return fmt.Errorf("%w (%s)", ErrNoSpace, s.stats.LastProblem)
	case isNoSpace(err):
		return fmt.Errorf("%w (%w)", ErrNoSpace, err)
	}
	return err
}
