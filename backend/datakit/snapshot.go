package datakit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxFile bounds what is read or written as one piece of memory. Larger files go
// through Open, ReadAt and WriteAt.
const maxFile = 64 << 20

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
	n, err := s.fileNode(path)
	if err != nil {
		return nil, err
	}
	return readBlob(s.objects, n)
}

// Open returns the content of a file to read in pieces; a large one is not read
// into memory. Close it. Errors as Read, without ErrTooLarge.
func (s Snapshot) Open(path string) (File, error) {
	n, err := s.fileNode(path)
	if err != nil {
		return nil, err
	}
	return openNode(s.objects, n)
}

// Size returns the bytes of a file. Errors as Read, without ErrTooLarge.
func (s Snapshot) Size(path string) (int64, error) {
	n, err := s.fileNode(path)
	if err != nil {
		return 0, err
	}
	return nodeSize(s.objects, n)
}

func (s Snapshot) fileNode(path string) (node, error) {
	n, err := find(s.objects, s.tree, path)
	if err != nil {
		return node{}, err
	}
	if n.absent() || n.mode.IsDir() {
		return node{}, fmt.Errorf("%s: %w", clip(path), ErrNotExist)
	}
	return n, nil
}

// SnapshotOfTree returns a snapshot of a tree object, of no commit. The error is
// ErrNotExist for an unknown one.
func (s *Store) SnapshotOfTree(tree Hash) (Snapshot, error) {
	if err := s.enter(); err != nil {
		return Snapshot{}, err
	}
	defer s.leave()
	if _, err := s.objects.object(tree, plumbing.TreeObject); err != nil {
		return Snapshot{}, err
	}
	return Snapshot{objects: s.objects, tree: tree}, nil
}

// Blob returns the content of a file by its hash. Errors: ErrNotExist,
// ErrTooLarge.
func (s *Store) Blob(h Hash) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	data, err := s.objects.object(h, plumbing.BlobObject)
	return slices.Clone(data), err
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
	if t, ok := r.(treeSource); ok {
		entries, err := t.tree(tree)
		return entries, damagedIfMissing(err)
	}
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
	if size, err := blobSize(r, n.hash); err != nil {
		return nil, damagedIfMissing(err)
	} else if size > maxFile {
		return nil, fmt.Errorf("file of %d bytes: %w to read at once (at most %d)", size, ErrTooLarge, maxFile)
	}
	data, err := r.object(n.hash, plumbing.BlobObject)
	return slices.Clone(data), damagedIfMissing(err)
}

func openNode(r objectReader, n node) (File, error) {
	if n.mode == ModeSubmodule {
		data, err := readBlob(r, n)
		return memoryFile{bytes.NewReader(data)}, err
	}
	f, err := openBlob(r, n.hash)
	return f, damagedIfMissing(err)
}

func nodeSize(r objectReader, n node) (int64, error) {
	if n.mode == ModeSubmodule {
		data, err := readBlob(r, n)
		return int64(len(data)), err
	}
	size, err := blobSize(r, n.hash)
	return size, damagedIfMissing(err)
}

// openBlob and blobSize use what the reader below can do without reading the
// whole blob.
func openBlob(r objectReader, h Hash) (File, error) {
	if b, ok := r.(*batch); ok {
		if o, held := b.held[h]; held {
			return memoryFile{bytes.NewReader(o.data)}, nil
		}
		return openBlob(b.next, h)
	}
	if streams, ok := r.(interface{ openBlob(Hash) (File, error) }); ok {
		return streams.openBlob(h)
	}
	data, err := r.object(h, plumbing.BlobObject)
	return memoryFile{bytes.NewReader(data)}, err
}

func blobSize(r objectReader, h Hash) (int64, error) {
	if b, ok := r.(*batch); ok {
		if o, held := b.held[h]; held {
			return int64(len(o.data)), nil
		}
		return blobSize(b.next, h)
	}
	if sizes, ok := r.(interface{ blobSize(Hash) (int64, error) }); ok {
		return sizes.blobSize(h)
	}
	data, err := r.object(h, plumbing.BlobObject)
	return int64(len(data)), err
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
		i, ok := searchTree(entries, name)
		if !ok {
			return node{}, nil
		}
		at = entries[i].node
	}
	return at, nil
}

// treeOf returns the tree of a commit; the empty tree for the zero Hash.
func treeOf(r objectReader, commit Hash) (Hash, error) {
	if commit.IsZero() {
		return emptyTree, nil
	}
	c, err := readCommit(r, commit)
	return c.tree, err
}

// readCommit returns ErrNotExist for an unknown commit.
func readCommit(r objectReader, h Hash) (rawCommit, error) {
	data, err := r.object(h, plumbing.CommitObject)
	if errors.Is(err, ErrNotExist) {
		return rawCommit{}, fmt.Errorf("commit %s: %w", h, ErrNotExist)
	}
	if err != nil {
		return rawCommit{}, err
	}
	return decodeCommit(data)
}
