package datakit

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Tx is a transaction: a private view of a branch as it was at Begin, plus
// changes that nobody sees before Commit. Its methods may be called
// concurrently. Large files that it writes are in temporary files of the
// repository: Close it, or they stay until the next Open.
type Tx struct {
	store  *Store
	branch string
	base   Snapshot

	mu        sync.Mutex
	done      bool
	root      *workDir
	use       usage
	merged    *batch // what merges made; reads go through it to the repository
	mergeSize int    // files that merges changed
	parents   []Hash
	custom    bool // the parents are not just the head at Begin
	conflicts map[string]string
	sides     *sides
	opened    []openedBlob
}

// openedBlob is a large untouched file that was read lately.
type openedBlob struct {
	hash Hash
	file File
}

const maxOpened = 4

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
	tx := &Tx{
		store: s, branch: branch, base: base, root: &workDir{from: base.tree},
		merged: newBatch(base.objects), parents: parentsOf(head), conflicts: map[string]string{},
	}
	if s.path != "" {
		tx.use.dir = filepath.Join(s.path, ownDir, "tmp")
	}
	return tx, nil
}

// Base returns the snapshot the transaction started from.
func (tx *Tx) Base() Snapshot { return tx.base }

// do calls f with the transaction locked, or returns ErrClosed.
func (tx *Tx) do(f func() error) error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.done {
		return ErrClosed
	}
	return f()
}

// file returns the item of the file at path, or ErrNotExist (also for a
// directory).
func (tx *Tx) file(path string) (*workItem, error) {
	item, err := tx.root.lookup(tx.merged, path)
	if err != nil {
		return nil, err
	}
	if item == nil || item.dir != nil {
		return nil, fmt.Errorf("%s: %w", clip(path), ErrNotExist)
	}
	return item, nil
}

// Read returns the content of a file as the transaction has it. Errors as
// Snapshot.Read.
func (tx *Tx) Read(path string) (data []byte, err error) {
	err = tx.do(func() error {
		item, err := tx.file(path)
		switch {
		case err != nil:
			return err
		case item.file == nil:
			data, err = readBlob(tx.merged, item.node)
			return err
		case item.file.size > maxFile:
			return fmt.Errorf("%s: %d bytes: %w to read at once (at most %d)", clip(path), item.file.size, ErrTooLarge, maxFile)
		}
		data = make([]byte, item.file.size)
		_, err = item.file.readAt(data, 0)
		return ignoreEOF(err)
	})
	return data, err
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// ReadAt reads a part of a file, as io.ReaderAt. A large file is not read into
// memory.
func (tx *Tx) ReadAt(path string, p []byte, off int64) (n int, err error) {
	err = tx.do(func() error {
		item, err := tx.file(path)
		switch {
		case err != nil:
			return err
		case off < 0:
			return fmt.Errorf("%s: negative offset", clip(path))
		case item.file != nil:
			n, err = item.file.readAt(p, off)
			return err
		}
		f, err := tx.open(item.node)
		if err != nil {
			return err
		}
		n, err = f.ReadAt(p, off)
		return err
	})
	return n, err
}

// open returns the content of an untouched file. It stays open until others
// push it out: opening a large one again for each piece would cost its whole
// size each time.
func (tx *Tx) open(n node) (File, error) {
	for i, o := range tx.opened {
		if o.hash == n.hash {
			copy(tx.opened[1:i+1], tx.opened[:i])
			tx.opened[0] = o
			return o.file, nil
		}
	}
	f, err := openNode(tx.merged, n)
	if err != nil || f.Size() <= spoolAbove {
		return f, err
	}
	if len(tx.opened) == maxOpened {
		_ = tx.opened[maxOpened-1].file.Close()
		tx.opened = tx.opened[:maxOpened-1]
	}
	tx.opened = slices.Insert(tx.opened, 0, openedBlob{n.hash, f})
	return f, nil
}

// Stat returns what is at path ("" is the root) and its size in bytes, 0 for a
// directory. What was changed has a zero Hash until Commit.
func (tx *Tx) Stat(path string) (e Entry, size int64, err error) {
	err = tx.do(func() error {
		if path == "" {
			e = (&workItem{node: node{ModeDir, tx.root.from}, dir: tx.root}).entry("")
			return nil
		}
		item, err := tx.root.lookup(tx.merged, path)
		if err != nil {
			return err
		}
		if item == nil {
			return fmt.Errorf("%s: %w", clip(path), ErrNotExist)
		}
		_, name := splitPath(path)
		e = item.entry(name)
		switch {
		case item.dir != nil:
		case item.file != nil:
			size = item.file.size
		default:
			size, err = nodeSize(tx.merged, item.node)
		}
		return err
	})
	return e, size, err
}

// List returns the entries of a directory ("" is the root) as the transaction
// has it, by name. What was changed has a zero Hash until Commit.
func (tx *Tx) List(dir string) (list []Entry, err error) {
	err = tx.do(func() error {
		d, err := tx.root.at(tx.merged, dir)
		if err != nil {
			return err
		}
		if d == nil {
			return fmt.Errorf("directory %s: %w", clip(dir), ErrNotExist)
		}
		list = d.list()
		return nil
	})
	return list, err
}

// ChangeCount returns about how many files the transaction changed; a
// directory that was moved or removed as a whole counts once.
func (tx *Tx) ChangeCount() int {
	n := 0
	_ = tx.do(func() error {
		n = tx.mergeSize + tx.root.changed()
		return nil
	})
	return n
}

// Changes returns the files that differ between a commit and the transaction,
// by path: the first maxChanges of them and ErrTooLarge when there are more. The
// zero Hash stands for the commit it began from.
func (tx *Tx) Changes(ctx context.Context, against Hash) (list []Change, err error) {
	err = tx.do(func() error {
		tree := tx.base.tree
		if !against.IsZero() {
			if tree, err = treeOf(tx.merged, against); err != nil {
				return err
			}
		}
		b := newBatch(tx.merged)
		now, err := tx.build(ctx, b, false)
		if err != nil {
			return err
		}
		list, err = listChanges(b, tree, now, maxListed)
		return err
	})
	return list, err
}

// build puts the changed files and directories into b and returns the tree.
// Large files are stored in the repository if store is set, else only named.
func (tx *Tx) build(ctx context.Context, b *batch, store bool) (Hash, error) {
	if err := tx.nameLarge(ctx, store); err != nil {
		return Hash{}, err
	}
	return tx.root.tree(b), nil
}

func (tx *Tx) nameLarge(ctx context.Context, store bool) error {
	return tx.root.each(func(c *content) error {
		if err := ctx.Err(); err != nil || c.path == "" || c.kept || !store && !c.sum.IsZero() {
			return err
		}
		f, err := c.open()
		if err != nil {
			return err
		}
		defer f.Close()
		r := io.NewSectionReader(f, 0, c.size)
		if store {
			c.sum, _, err = tx.store.spoolBlob(r)
			c.kept = err == nil
			return err
		}
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", c.size)
		_, err = io.Copy(h, r)
		c.sum = Hash(h.Sum(nil))
		return err
	})
}

// Close gives the transaction up. After Commit or Close it does nothing.
func (tx *Tx) Close() error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.release()
	return nil
}

func (tx *Tx) release() {
	if tx.done {
		return
	}
	tx.done = true
	_ = tx.root.each(func(c *content) error {
		c.drop(&tx.use)
		return nil
	})
	for _, o := range tx.opened {
		_ = o.file.Close()
	}
	tx.root, tx.merged, tx.opened = nil, nil, nil
}

// resolve takes path and what is below it off the list of conflicts.
func (tx *Tx) resolve(path string) {
	if len(tx.conflicts) == 0 {
		return
	}
	delete(tx.conflicts, path)
	for p := range tx.conflicts {
		if strings.HasPrefix(p, path+"/") {
			delete(tx.conflicts, p)
		}
	}
}
