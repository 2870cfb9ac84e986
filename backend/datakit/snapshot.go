package datakit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxFile bounds the content of one file.
const maxFile = 1 << 20

// Snapshot is one immutable tree of files. It stays readable while the branch
// moves on.
type Snapshot struct {
	objects objectReader
	commit  Hash
	tree    Hash
}

// Entry is a file or directory of a tree.
type Entry struct {
	Name string `json:"name"` // in List the last component, in Walk the whole path
	Mode Mode   `json:"mode"`
	Hash Hash   `json:"hash"`
}

// Commit returns the commit this snapshot was taken of, zero for none.
func (s Snapshot) Commit() Hash { return s.commit }

// Tree returns the hash of the root directory.
func (s Snapshot) Tree() Hash { return s.tree }

// Read returns the content of a file (of a symbolic link, its target). Errors:
// ErrNotExist (also for a directory), ErrTooLarge, ErrDamaged.
func (s Snapshot) Read(path string) ([]byte, error) {
	n, err := find(s.objects, s.tree, path)
	if err != nil {
		return nil, err
	}
	if n.absent() || n.mode.IsDir() {
		return nil, fmt.Errorf("%s: %w", clip(path), ErrNotExist)
	}
	return readBlob(s.objects, n)
}

// Stat returns the entry at path, its Name the last component.
func (s Snapshot) Stat(path string) (Entry, error) {
	n, err := find(s.objects, s.tree, path)
	if err != nil {
		return Entry{}, err
	}
	if n.absent() {
		return Entry{}, fmt.Errorf("%s: %w", clip(path), ErrNotExist)
	}
	return Entry{Name: path[strings.LastIndexByte(path, '/')+1:], Mode: n.mode, Hash: n.hash}, nil
}

// List returns the entries of a directory ("" is the root) in git's order.
func (s Snapshot) List(dir string) ([]Entry, error) {
	n, err := find(s.objects, s.tree, dir)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, fmt.Errorf("directory %s: %w", clip(dir), ErrNotExist)
	}
	entries, err := readTree(s.objects, n.hash)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, len(entries))
	for i, e := range entries {
		list[i] = Entry{Name: e.name, Mode: e.mode, Hash: e.hash}
	}
	return list, nil
}

// Walk calls f for each file (not directory) below the root, in git's order,
// with the whole path as Name. It stops at f's first error and returns it.
func (s Snapshot) Walk(f func(Entry) error) error {
	return walkTree(s.objects, "", s.tree, maxTreeDepth, func(path string, n node) error {
		return f(Entry{Name: path, Mode: n.mode, Hash: n.hash})
	})
}

// maxTreeDepth bounds recursion into trees that git wrote.
const maxTreeDepth = 256

func walkTree(r objectReader, prefix string, tree Hash, depth int, f func(string, node) error) error {
	if depth == 0 {
		return fmt.Errorf("tree at %s: deeper than %d: %w", clip(prefix), maxTreeDepth, ErrTooLarge)
	}
	entries, err := readTree(r, tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.mode.IsDir() {
			err = walkTree(r, prefix+e.name+"/", e.hash, depth-1, f)
		} else {
			err = f(prefix+e.name, e.node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readTree(r objectReader, tree Hash) ([]treeEntry, error) {
	data, err := r.object(tree, plumbing.TreeObject)
	if err != nil {
		return nil, damagedIfMissing(err)
	}
	return decodeTree(data)
}

func readBlob(r objectReader, n node) ([]byte, error) {
	if n.mode == ModeSubmodule {
		return []byte("Subproject commit " + n.hash.String() + "\n"), nil
	}
	data, err := r.object(n.hash, plumbing.BlobObject)
	if err != nil {
		return nil, damagedIfMissing(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("file of %d bytes: %w", len(data), ErrTooLarge)
	}
	return data, nil
}

// damagedIfMissing: an object that a tree or commit refers to has to exist.
func damagedIfMissing(err error) error {
	if errors.Is(err, ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, strings.TrimSuffix(err.Error(), ": "+ErrNotExist.Error()))
	}
	return err
}

// find returns what is at path below tree; the zero node when nothing is.
func find(r objectReader, tree Hash, path string) (node, error) {
	at := node{mode: ModeDir, hash: tree}
	if path == "" {
		return at, nil
	}
	// Only bounds: git may have stored paths that CheckPath would refuse.
	if len(path) > 4*maxPath || strings.Count(path, "/") >= maxTreeDepth {
		return node{}, fmt.Errorf("%w: too long", ErrBadPath)
	}
	for _, name := range strings.Split(path, "/") {
		if !at.mode.IsDir() {
			return node{}, nil
		}
		entries, err := readTree(r, at.hash)
		if err != nil {
			return node{}, err
		}
		at = node{}
		for _, e := range entries {
			if e.name == name {
				at = e.node
				break
			}
		}
		if at.absent() {
			return node{}, nil
		}
	}
	return at, nil
}
