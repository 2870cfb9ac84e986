package datakit

import (
	"context"
	"errors"
	"fmt"
	"sort"
)

// change is what happened to one file between two trees.
type change struct {
	path     string
	old, new node
}

const maxListed = 100_000 // changes of one answer

// treeChanges returns the files that differ between two trees, by path. Equal
// subtrees cost nothing. Above limit the error is ErrTooLarge, and the list has
// the first ones in git's order.
func treeChanges(r objectReader, a, b Hash, limit int) ([]change, error) {
	d := differ{objects: r, limit: limit}
	err := d.dirs("", a, b, maxTreeDepth)
	sort.Slice(d.found, func(i, j int) bool { return d.found[i].path < d.found[j].path })
	return d.found, err
}

type differ struct {
	objects objectReader
	found   []change
	limit   int
}

// dirs walks two directories side by side.
func (d *differ) dirs(prefix string, a, b Hash, depth int) error {
	if a == b {
		return nil
	}
	if depth == 0 {
		return fmt.Errorf("tree at %s: deeper than %d: %w", clip(prefix), maxTreeDepth, ErrTooLarge)
	}
	left, err := readTree(d.objects, a)
	if err != nil {
		return err
	}
	right, err := readTree(d.objects, b)
	if err != nil {
		return err
	}
	for len(left) > 0 || len(right) > 0 {
		c := 0
		switch {
		case len(left) == 0:
			c = 1
		case len(right) == 0:
			c = -1
		default:
			c = compareEntries(left[0], right[0])
		}
		var l, r node
		name := ""
		if c <= 0 {
			l, name, left = left[0].node, left[0].name, left[1:]
		}
		if c >= 0 {
			r, name, right = right[0].node, right[0].name, right[1:]
		}
		if l != r {
			if err := d.nodes(prefix+name, l, r, depth); err != nil {
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
		d.found = append(d.found, change{path, l, r})
	}
	return d.dirs(path+"/", ltree, rtree, depth-1)
}

func (c change) kind() Kind {
	switch {
	case c.old.absent():
		return Added
	case c.new.absent():
		return Removed
	}
	return Modified
}

// listChanges is treeChanges for those outside of the package.
func listChanges(r objectReader, a, b Hash, limit int) ([]Change, error) {
	changes, err := treeChanges(r, a, b, limit)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, err
	}
	list := make([]Change, 0, len(changes))
	for _, c := range changes {
		list = append(list, Change{Path: c.path, Kind: c.kind(), Old: c.old.hash, New: c.new.hash})
	}
	return list, err
}

// Changes returns the files that differ between two commits, by path; the zero
// Hash is the empty tree. It reads no file. Errors: ErrNotExist, and ErrTooLarge
// with the first ones when more than 100,000 differ.
func (s *Store) Changes(ctx context.Context, a, b Hash) ([]Change, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	left, err := treeOf(s.objects, a)
	if err != nil {
		return nil, err
	}
	right, err := treeOf(s.objects, b)
	if err != nil {
		return nil, err
	}
	return listChanges(s.objects, left, right, maxListed)
}
