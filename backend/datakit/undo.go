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
	text := fmt.Sprintf("Revert %q\n\nThis reverts commit %s.", subject(raw.message), commit)
	return s.decide(ctx, branch, Message{Text: text, Author: author}, func(b *batch, head Hash) (proposal, error) {
		ours, err := treeOf(b, head)
		if err != nil {
			return proposal{}, err
		}
		result, err := merger{ctx: ctx, b: b}.trees(raw.tree, ours, before)
		if err == nil && len(result.conflicts) > 0 {
			err = result.conflictError()
		}
		return proposal{result.tree, parentsOf(head)}, err
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
	return s.decide(ctx, branch, Message{Text: text, Author: author}, func(_ *batch, head Hash) (proposal, error) {
		return proposal{raw.tree, parentsOf(head)}, nil
	})
}

// RestorePath makes one file or directory of branch as it was in a commit,
// removed if it was not there, as one new commit. Errors as Restore, and
// *ConflictError when a file is where a directory above it was.
func (s *Store) RestorePath(ctx context.Context, branch string, commit Hash, path string, author Author) (Commit, error) {
	if err := checkBranch(branch); err != nil {
		return Commit{}, err
	}
	if path == "" {
		return s.Restore(ctx, branch, commit, author)
	}
	if err := s.enter(); err != nil {
		return Commit{}, err
	}
	defer s.leave()
	raw, err := readCommit(s.objects, commit)
	if err != nil {
		return Commit{}, err
	}
	was, err := find(s.objects, raw.tree, path)
	if err != nil {
		return Commit{}, err
	}
	text := fmt.Sprintf("Restore %s of %q\n\nThis restores it as commit %s has it.", clip(path), subject(raw.message), commit)
	return s.decide(ctx, branch, Message{Text: text, Author: author}, func(b *batch, head Hash) (proposal, error) {
		ours, err := treeOf(b, head)
		if err != nil {
			return proposal{}, err
		}
		root := &workDir{from: ours}
		if now, err := root.lookup(b, path); err != nil {
			return proposal{}, err
		} else if now != nil {
			in, name, err := root.parent(b, path, false)
			if err != nil {
				return proposal{}, err
			}
			in.delete(name)
		}
		if was.absent() {
			if err := root.prune(b, path); err != nil {
				return proposal{}, err
			}
		} else if taken, err := root.put(b, path, was); err != nil {
			return proposal{}, err
		} else if taken != "" {
			return proposal{}, &ConflictError{Paths: []string{taken}}
		}
		return proposal{root.tree(b), parentsOf(head)}, nil
	})
}

func firstParentTree(r objectReader, c rawCommit) (Hash, error) {
	if len(c.parents) == 0 {
		return emptyTree, nil
	}
	return treeOf(r, c.parents[0])
}
