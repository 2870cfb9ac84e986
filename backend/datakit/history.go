package datakit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Kind says what happened to a file.
type Kind string

// The kinds of change. A rename is a removal and an addition.
const (
	Added    Kind = "added"
	Removed  Kind = "removed"
	Modified Kind = "modified"
)

// Change is one file that a commit changed.
type Change struct {
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	Old  Hash   `json:"old"` // blob; zero when added
	New  Hash   `json:"new"` // blob; zero when removed
}

// Commit is one commit, as Log and the writing calls return it.
type Commit struct {
	Hash    Hash      `json:"hash"`
	Tree    Hash      `json:"tree"`
	Parents []Hash    `json:"parents"`
	Author  string    `json:"author"`
	Email   string    `json:"email"`
	Time    time.Time `json:"time"`    // of authorship
	Message string    `json:"message"` // without the final newline
	// Changes against the first parent, by path; the first maxChanges of them.
	Changes   []Change `json:"changes"`
	Truncated bool     `json:"truncated,omitempty"` // there are more changes
}

const (
	maxChanges   = 1000 // listed in one commit
	defaultLimit = 100  // commits of one Log
	maxLimit     = 10_000
)

// Commit returns one commit, or ErrNotExist.
func (s *Store) Commit(commit Hash) (Commit, error) {
	if err := s.enter(); err != nil {
		return Commit{}, err
	}
	defer s.leave()
	return describe(s.objects, commit)
}

func describe(r objectReader, h Hash) (Commit, error) {
	raw, err := readCommit(r, h)
	if err != nil {
		return Commit{}, err
	}
	return expand(r, h, raw)
}

func expand(r objectReader, h Hash, raw rawCommit) (Commit, error) {
	c := Commit{
		Hash: h, Tree: raw.tree, Parents: raw.parents,
		Author: raw.author.Name, Email: raw.author.Email, Time: raw.when,
		Message: strings.TrimRight(raw.message, "\n"),
	}
	before, err := firstParentTree(r, raw)
	if err != nil {
		return Commit{}, damagedIfMissing(err)
	}
	c.Changes, err = listChanges(r, before, raw.tree, maxChanges)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return Commit{}, err
	}
	c.Truncated = err != nil
	return c, nil
}

// Log returns the commits of a branch, newest first: at most limit (0: 100).
// With path, only those that changed that file or something in that directory.
// Errors: ErrNoBranch, ErrDamaged, ctx's.
func (s *Store) Log(ctx context.Context, branch string, limit int, path string) ([]Commit, error) {
	head, err := s.Head(branch)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	var log []Commit
	for c, err := range s.History(ctx, head, path) {
		if err != nil {
			return nil, err
		}
		if log = append(log, c); len(log) == limit {
			break
		}
	}
	return log, nil
}

// History yields a commit and its ancestors by time, newest first, filtered by
// path as Log does. After an error it ends. Close waits for it to end.
func (s *Store) History(ctx context.Context, from Hash, path string) iter.Seq2[Commit, error] {
	return func(yield func(Commit, error) bool) {
		if err := s.enter(); err != nil {
			yield(Commit{}, err)
			return
		}
		defer s.leave()
		w, err := s.newWalk(from, path)
		if err != nil {
			yield(Commit{}, err)
			return
		}
		for len(w.queue) > 0 {
			c, show, err := w.next(ctx)
			if err != nil {
				yield(Commit{}, err)
				return
			}
			if show && !yield(c, nil) {
				return
			}
		}
	}
}

// Resolve finds the commit that text means in the history of a branch: "HEAD"
// or the branch's name, or at least 4 leading digits of a hash that only one of
// its last 10,000 commits has. The error is ErrNotExist.
func (s *Store) Resolve(ctx context.Context, branch, text string) (Hash, error) {
	head, err := s.Head(branch)
	if err != nil {
		return Hash{}, err
	}
	if text == "HEAD" || text == branch {
		return head, nil
	}
	text = strings.ToLower(text)
	if len(text) < 4 || len(text) > 40 || strings.Trim(text, "0123456789abcdef") != "" {
		return Hash{}, fmt.Errorf("commit %q: %w (give at least 4 digits of its hash)", clip(text), ErrNotExist)
	}
	var found Hash
	count := 0
	for c, err := range s.History(ctx, head, "") {
		if err != nil {
			return Hash{}, err
		}
		if strings.HasPrefix(c.Hash.String(), text) {
			if !found.IsZero() {
				return Hash{}, fmt.Errorf("commit %q: %w: %s and %s both start so", text, ErrNotExist, found.Short(), c.Hash.Short())
			}
			found = c.Hash
		}
		if count++; count == maxLimit {
			break
		}
	}
	if found.IsZero() {
		return Hash{}, fmt.Errorf("commit %q on branch %s: %w", text, branch, ErrNotExist)
	}
	return found, nil
}
