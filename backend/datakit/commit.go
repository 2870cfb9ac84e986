package datakit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

const maxMessage = 64 << 10

// Message describes a commit. An empty Text becomes "(no commit message)", a
// zero Author the store's.
type Message struct {
	Text   string
	Author Author
}

// clean makes the message fit a commit object: a header is one line, and has
// no angle brackets in names.
func (m Message) clean(fallback Author) Message {
	if m.Author == (Author{}) {
		m.Author = fallback
	}
	plain := func(s, instead string) string {
		s = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '<' || r == '>' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, "")))
		if s = clip(s); s == "" {
			return instead
		}
		return s
	}
	m.Author.Name = plain(m.Author.Name, "unknown")
	m.Author.Email = plain(m.Author.Email, "unknown")
	text := strings.ReplaceAll(strings.ToValidUTF8(m.Text, "\uFFFD"), "\x00", "")
	if text = strings.TrimSpace(text); text == "" {
		text = "(no commit message)"
	}
	m.Text = text + "\n"
	return m
}

// changer says what to do to the tree ours, with b to read from and to put
// objects into.
type changer func(b *batch, ours Hash) (edits, error)

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
		s.publish(branch)
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
	e, err := change(b, before)
	if err != nil {
		return Commit{}, err
	}
	tree, err := applyEdits(b, before, e)
	if err != nil {
		return Commit{}, err
	}
	if tree == before {
		return Commit{}, ErrNoChange
	}
	if check := s.opt.Validate[branch]; check != nil {
		if err := check(Snapshot{objects: b, tree: tree}); err != nil {
			return Commit{}, &InvalidError{Branch: branch, Err: err}
		}
	}
	var parents []Hash
	if !head.IsZero() {
		parents = []Hash{head}
	}
	now := s.opt.Now().Truncate(time.Second)
	h := b.put(plumbing.CommitObject, encodeCommit(tree, parents, m.Author, now, m.Text))
	c, err := describe(b, h)
	if err != nil {
		return Commit{}, err
	}
	objects, err := b.take(h, tree)
	if err != nil {
		return Commit{}, err
	}
	if err := s.objects.write(objects); err != nil {
		return Commit{}, err
	}
	return c, s.refs.update(ctx, branch, head, h)
}

// Revert undoes one commit on top of branch: each file it changed (against its
// first parent) gets the content it had before, as `git revert` does. A file
// changed again since is a conflict. Errors as Tx.Commit, and ErrNotExist.
func (s *Store) Revert(ctx context.Context, branch string, commit Hash, author Author) (Commit, error) {
	if err := checkBranch(branch); err != nil {
		return Commit{}, err
	}
	if err := s.enter(); err != nil {
		return Commit{}, err
	}
	defer s.leave()
	raw, err := readCommit(s.objects, commit)
	if err != nil {
		return Commit{}, err
	}
	before, err := firstParentTree(s.objects, raw)
	if err != nil {
		return Commit{}, err
	}
	undo, err := diffTrees(s.objects, raw.tree, before, maxTxFiles)
	if err != nil {
		return Commit{}, err
	}
	text := fmt.Sprintf("Revert %q\n\nThis reverts commit %s.", subject(raw.message), commit)
	return s.land(ctx, branch, Message{Text: text, Author: author}, func(b *batch, ours Hash) (edits, error) {
		return rebase(b, undo, ours)
	})
}

// Restore makes the tree of branch equal to that of a commit, whatever happened
// since, as one new commit. Errors as Tx.Commit without conflicts, and
// ErrNotExist.
func (s *Store) Restore(ctx context.Context, branch string, commit Hash, author Author) (Commit, error) {
	if err := checkBranch(branch); err != nil {
		return Commit{}, err
	}
	if err := s.enter(); err != nil {
		return Commit{}, err
	}
	defer s.leave()
	raw, err := readCommit(s.objects, commit)
	if err != nil {
		return Commit{}, err
	}
	text := fmt.Sprintf("Restore %q\n\nThis restores the files of commit %s.", subject(raw.message), commit)
	return s.land(ctx, branch, Message{Text: text, Author: author}, func(b *batch, ours Hash) (edits, error) {
		changes, err := diffTrees(b, ours, raw.tree, maxTxFiles)
		if err != nil {
			return nil, err
		}
		e := make(edits, len(changes))
		for path, c := range changes {
			e[path] = c.new
		}
		return e, nil
	})
}

func firstParentTree(r objectReader, c rawCommit) (Hash, error) {
	if len(c.parents) == 0 {
		return emptyTree, nil
	}
	return treeOf(r, c.parents[0])
}

// subject is the first line of a message.
func subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return clip(line)
}
