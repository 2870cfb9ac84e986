package datakit

import (
	"context"
	"fmt"
)

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
	return s.land(ctx, branch, Message{Text: text, Author: author}, onto(func(b *batch, ours Hash) (edits, error) {
		return rebase(b, undo, ours)
	}))
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
	return s.land(ctx, branch, Message{Text: text, Author: author}, onto(func(b *batch, ours Hash) (edits, error) {
		changes, err := diffTrees(b, ours, raw.tree, maxTxFiles)
		if err != nil {
			return nil, err
		}
		e := make(edits, len(changes))
		for path, c := range changes {
			e[path] = c.new
		}
		return e, nil
	}))
}

func firstParentTree(r objectReader, c rawCommit) (Hash, error) {
	if len(c.parents) == 0 {
		return emptyTree, nil
	}
	return treeOf(r, c.parents[0])
}
