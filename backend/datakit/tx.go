package datakit

import (
	"context"
	"fmt"
	"sync"
)

// Bounds of one transaction. Each written file counts its content, its path
// and entryCost.
const (
	maxTxFiles = 10_000 // changed files of one commit of ours
	maxTxBytes = 64 << 20
	entryCost  = 256
)

// Tx is a transaction: a private view of a branch as it was at Begin, plus
// changes that nobody sees before Commit. Its methods may be called
// concurrently. It holds memory only; a Tx that is forgotten leaves nothing.
type Tx struct {
	store  *Store
	branch string
	base   Snapshot

	mu    sync.Mutex
	done  bool
	root  *workDir
	bytes int // written so far, counted against maxTxBytes
}

// Begin starts a transaction on a branch, which need not exist yet. ctx bounds
// this call only.
func (s *Store) Begin(ctx context.Context, branch string) (*Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkBranch(branch); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	head, err := s.headOrZero(branch)
	if err != nil {
		return nil, err
	}
	base, err := s.Snapshot(head)
	if err != nil {
		return nil, err
	}
	return &Tx{store: s, branch: branch, base: base, root: &workDir{from: base.tree}}, nil
}

// Base returns the snapshot the transaction started from.
func (tx *Tx) Base() Snapshot { return tx.base }

// Read returns the content of a file as the transaction has it. Errors as
// Snapshot.Read.
func (tx *Tx) Read(path string) ([]byte, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return nil, ErrClosed
	}
	item, err := tx.root.lookup(tx.base.objects, path)
	switch {
	case err != nil:
		return nil, err
	case item == nil || item.dir != nil:
		return nil, fmt.Errorf("%s: %w", clip(path), ErrNotExist)
	case item.data != nil:
		return append([]byte{}, item.data...), nil
	}
	return readBlob(tx.base.objects, item.node)
}

// List returns the entries of a directory ("" is the root) as the transaction
// has it, by name. What was changed has a zero Hash until Commit.
func (tx *Tx) List(dir string) ([]Entry, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return nil, ErrClosed
	}
	d, err := tx.root.at(tx.base.objects, dir)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("directory %s: %w", clip(dir), ErrNotExist)
	}
	return d.list(), nil
}

// Write sets the content of a file and makes the directories above it. mode is
// ModeFile, ModeExec or ModeSymlink (data is the target). Errors: ErrBadPath
// (also when path is a directory or a file is in the way), ErrTooLarge.
func (tx *Tx) Write(path string, data []byte, mode Mode) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	switch mode {
	case ModeFile, ModeExec, ModeSymlink:
	default:
		return fmt.Errorf("write %s: mode %o is not a file's", path, uint32(mode))
	}
	if len(data) > maxFile {
		return fmt.Errorf("write %s: %d bytes: %w (at most %d)", path, len(data), ErrTooLarge, maxFile)
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return ErrClosed
	}
	size := tx.bytes + len(path) + len(data) + entryCost
	if size > maxTxBytes {
		return fmt.Errorf("write %s: the transaction is %w (at most %d bytes)", path, ErrTooLarge, maxTxBytes)
	}
	if err := tx.root.write(tx.base.objects, path, append([]byte{}, data...), mode); err != nil {
		return err
	}
	tx.bytes = size
	return nil
}

// Remove removes a file, or a directory with all that is in it. The error is
// ErrNotExist when there is neither.
func (tx *Tx) Remove(path string) error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return ErrClosed
	}
	found, err := tx.root.remove(tx.base.objects, path)
	if err == nil && !found {
		err = fmt.Errorf("remove %s: %w", clip(path), ErrNotExist)
	}
	return err
}

// Commit makes the changes a commit on the branch; when it returns nil the
// commit is durable. If the branch moved since Begin, the changes are merged
// with what it holds now, file by file. Errors:
//
//	*ConflictError  both sides changed a file differently; nothing was written
//	*InvalidError   the branch's validator refused the result; nothing was written
//	ErrNoChange     the branch already is as it would be; nothing was written
//	ErrLocked       a git process keeps the branch locked
//
// After success the transaction is closed; after an error it stays open, to be
// corrected or closed. After any other error, such as a failed fsync, the
// commit may or may not be there.
func (tx *Tx) Commit(ctx context.Context, m Message) (Commit, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return Commit{}, ErrClosed
	}
	c, err := tx.store.land(ctx, tx.branch, m, onto(func(b *batch, ours Hash) (edits, error) {
		changes, err := diffTrees(b, tx.base.tree, tx.root.build(b), maxTxFiles)
		if err != nil {
			return nil, err
		}
		return rebase(b, changes, ours)
	}))
	tx.done = err == nil
	return c, err
}

// Close gives the transaction up. After Commit or Close it does nothing.
func (tx *Tx) Close() error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.done, tx.root = true, nil
	return nil
}
