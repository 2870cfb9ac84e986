package datakit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// edits is a change of a tree: for each file path what is there afterwards,
// the zero node for a file that is removed.
type edits map[string]node

// change is what happened to one file between two trees.
type change struct{ old, new node }

// diffTrees returns the files that differ, by path. Equal subtrees cost
// nothing. limit bounds the number of files; above it the error is ErrTooLarge
// and the map holds those found until then.
func diffTrees(r objectReader, a, b Hash, limit int) (map[string]change, error) {
	d := differ{objects: r, found: map[string]change{}, limit: limit}
	err := d.dirs("", a, b, maxTreeDepth)
	return d.found, err
}

type differ struct {
	objects objectReader
	found   map[string]change
	limit   int
}

func (d *differ) dirs(prefix string, a, b Hash, depth int) error {
	if a == b {
		return nil
	}
	if depth == 0 {
		return fmt.Errorf("tree at %s: %w", clip(prefix), ErrTooLarge)
	}
	both := map[string]change{} // by name
	for side, tree := range []Hash{a, b} {
		entries, err := readTree(d.objects, tree)
		if err != nil {
			return err
		}
		for _, e := range entries {
			c := both[e.name]
			if side == 0 {
				c.old = e.node
			} else {
				c.new = e.node
			}
			both[e.name] = c
		}
	}
	// In order, so that it is the first files that fit into the limit.
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if c := both[name]; c.old != c.new {
			if err := d.nodes(prefix+name, c.old, c.new, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// nodes compares one name. A directory opposite a file or nothing is an empty
// directory plus that.
func (d *differ) nodes(path string, l, r node, depth int) error {
	ltree, rtree := emptyTree, emptyTree
	if l.mode.IsDir() {
		ltree, l = l.hash, node{}
	}
	if r.mode.IsDir() {
		rtree, r = r.hash, node{}
	}
	if l != r {
		if len(d.found) >= d.limit {
			return fmt.Errorf("more than %d changed files: %w", d.limit, ErrTooLarge)
		}
		d.found[path] = change{old: l, new: r}
	}
	return d.dirs(path+"/", ltree, rtree, depth-1)
}

// applyEdits writes the directories of tree changed by e into b and returns
// the new root. Directories that become empty vanish, as git has none. A file
// where a directory remains, or below a file that remains, is a conflict.
func applyEdits(b *batch, tree Hash, e edits) (Hash, error) {
	a := applier{batch: b}
	root, err := a.dir("", tree, e)
	if err != nil {
		return Hash{}, err
	}
	if len(a.conflicts) > 0 {
		sort.Strings(a.conflicts)
		return Hash{}, &ConflictError{Paths: a.conflicts}
	}
	if root.IsZero() {
		root = b.put(plumbing.TreeObject, nil)
	}
	return root, nil
}

type applier struct {
	batch     *batch
	conflicts []string
}

// dir returns the zero Hash for a directory that ends up empty.
func (a *applier) dir(prefix string, tree Hash, e edits) (Hash, error) {
	entries, err := readTree(a.batch, tree)
	if err != nil {
		return Hash{}, err
	}
	there := make(map[string]node, len(entries))
	for _, entry := range entries {
		there[entry.name] = entry.node
	}
	below := map[string]edits{}
	for path, n := range e {
		if name, rest, deeper := strings.Cut(path, "/"); deeper {
			if below[name] == nil {
				below[name] = edits{}
			}
			below[name][rest] = n
		} else if n.absent() && !there[name].mode.IsDir() {
			delete(there, name) // before additions below the same name
		}
	}
	for name, sub := range below {
		if err := a.below(prefix, name, there, sub); err != nil {
			return Hash{}, err
		}
	}
	for name, n := range e {
		if strings.Contains(name, "/") || n.absent() {
			continue
		}
		if there[name].mode.IsDir() {
			a.conflicts = append(a.conflicts, prefix+name)
			continue
		}
		there[name] = n
	}
	if len(there) == 0 {
		return Hash{}, nil
	}
	out := make([]treeEntry, 0, len(there))
	for name, n := range there {
		out = append(out, treeEntry{name, n})
	}
	return a.batch.put(plumbing.TreeObject, encodeTree(out)), nil
}

func (a *applier) below(prefix, name string, there map[string]node, sub edits) error {
	at, exists := there[name]
	tree := emptyTree
	if at.mode.IsDir() {
		tree = at.hash
	} else if exists {
		for path, n := range sub {
			if !n.absent() {
				a.conflicts = append(a.conflicts, prefix+name+"/"+path)
			}
		}
		return nil
	}
	h, err := a.dir(prefix+name+"/", tree, sub)
	switch {
	case err != nil:
		return err
	case h.IsZero():
		delete(there, name)
	default:
		there[name] = node{mode: ModeDir, hash: h}
	}
	return nil
}

// rebase turns the changes from one tree to another into edits of a third,
// ours: git's three-way rule per file. A file that ours has as it was before
// is changed, one that ours has as it is afterwards is done, any other is a
// conflict.
func rebase(r objectReader, changes map[string]change, ours Hash) (edits, error) {
	e := edits{}
	var conflicts []string
	for path, c := range changes {
		have, err := find(r, ours, path)
		if err != nil {
			return nil, err
		}
		switch {
		case have == c.new:
		case have == c.old, have.mode.IsDir() && c.old.absent():
			e[path] = c.new // applyEdits sees whether a directory is in the way
		case have.mode.IsDir() && c.new.absent():
			// The file is gone; what took its name is not ours to remove.
		default:
			conflicts = append(conflicts, path)
		}
	}
	if len(conflicts) > 0 {
		sort.Strings(conflicts)
		return nil, &ConflictError{Paths: conflicts}
	}
	return e, nil
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
