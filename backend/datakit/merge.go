package datakit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/slipway-desktop/slipway/backend/datakit/merge"
)

// Merging follows git's default strategy (ort): per file, by line within a file
// (package merge), with renames (renames.go) and, where two histories crossed, a
// merge of their common ancestors as the base. Where git merges cleanly the result
// has git's tree, or it is a conflict: that is tested on generated histories. The
// conflicts that git would not have are these: what git can only tell apart by the
// order of its walk (several equally similar files); files too large or too many to
// compare; a base that is in conflict with itself, where git goes on with a file
// full of conflict markers; files added to a directory of which some files moved,
// but not the most to one place. One conflict of git's is none here: a file that
// one side moved, unchanged, and the other removed.
//
// What is in conflict is told in DataKit's words.

// The reasons of conflicts.
const (
	whyBoth    = "Changed on both branches"
	whyDeleted = "option: add/del"
	whyAdded   = "default: add/add and no common ancestor"
	whyDir     = "File vs dir"
)

const maxMergePaths = 1_000_000 // that differ among the three trees

// merger merges trees and commits; what it makes goes into b.
type merger struct {
	ctx context.Context
	b   *batch
}

// mergeResult is a merged tree. Where there are conflicts, the tree holds what
// ours had.
type mergeResult struct {
	tree       Hash
	base       Hash // the tree of the common ancestor
	baseCommit Hash // zero when there is none, or several
	conflicts  []Conflict
}

func (r mergeResult) conflictError() error {
	e := &ConflictError{}
	for _, c := range r.conflicts {
		e.Paths = append(e.Paths, c.Path)
	}
	return e
}

// withConflictFiles returns the tree with DataKit's file in place of each path
// in conflict.
func (r mergeResult) withConflictFiles(b *batch) (Hash, error) {
	if len(r.conflicts) == 0 {
		return r.tree, nil
	}
	root := &workDir{from: r.tree}
	for _, c := range r.conflicts {
		text := b.put(plumbing.BlobObject, []byte("** Conflict **\n"+c.Reason+"\n"))
		d, name, err := root.parent(b, c.Path, true)
		if err != nil {
			return Hash{}, err
		}
		d.set(name, &workItem{node: node{ModeFile, text}})
	}
	return root.tree(b), nil
}

// commits merges two commits. With several best common ancestors, those are
// merged first, the oldest first, as git does.
func (m merger) commits(ours, theirs Hash) (mergeResult, error) {
	bases, err := ancestry{r: m.b, ctx: m.ctx}.bases(ours, theirs)
	if err != nil {
		return mergeResult{}, err
	}
	a, err := treeOf(m.b, ours)
	if err != nil {
		return mergeResult{}, err
	}
	b, err := treeOf(m.b, theirs)
	if err != nil {
		return mergeResult{}, err
	}
	base, undecided, err := m.virtualBase(bases, 0)
	if err != nil {
		return mergeResult{}, err
	}
	result, err := m.treesExcept(base, a, b, undecided, false)
	if len(bases) == 1 {
		result.baseCommit = bases[0]
	}
	return result, err
}

// virtualBase merges common ancestors into one tree. Paths where they conflict
// are returned: git goes on with a file full of conflict markers there; we only
// accept what both sides agree on.
func (m merger) virtualBase(bases []Hash, depth int) (Hash, map[string]bool, error) {
	if len(bases) == 0 {
		return emptyTree, nil, nil
	}
	if depth > 20 || len(bases) > 32 {
		return Hash{}, nil, fmt.Errorf("merge: too many common ancestors: %w", ErrTooLarge)
	}
	bases = slices.Clone(bases)
	slices.Reverse(bases)
	at := bases[0]
	tree, err := treeOf(m.b, at)
	undecided := map[string]bool{}
	for _, next := range bases[1:] {
		if err != nil {
			return Hash{}, nil, err
		}
		var below []Hash
		if below, err = (ancestry{r: m.b, ctx: m.ctx}).bases(at, next); err != nil {
			return Hash{}, nil, err
		}
		base, skip, err := m.virtualBase(below, depth+1)
		if err != nil {
			return Hash{}, nil, err
		}
		other, err := treeOf(m.b, next)
		if err != nil {
			return Hash{}, nil, err
		}
		result, err := m.treesExcept(base, tree, other, skip, true)
		if err != nil {
			return Hash{}, nil, err
		}
		for _, c := range result.conflicts {
			undecided[c.Path] = true
		}
		at, tree = putCommit(m.b, result.tree, []Hash{at, next}), result.tree
	}
	return tree, undecided, err
}

func (m merger) trees(base, ours, theirs Hash) (mergeResult, error) {
	return m.treesExcept(base, ours, theirs, nil, false)
}

// treesExcept merges trees; at the paths of undecided there is no usable base.
// virtual says that the result is the base of another merge.
func (m merger) treesExcept(base, ours, theirs Hash, undecided map[string]bool, virtual bool) (mergeResult, error) {
	result := mergeResult{tree: ours, base: base}
	three, err := m.collect(base, ours, theirs)
	if err != nil {
		return result, err
	}
	if err := m.followRenames(three, virtual); err != nil {
		return result, err
	}
	var writes []mergePath
	root := &workDir{from: ours}
	for _, path := range three.paths() {
		if err := m.ctx.Err(); err != nil {
			return result, err
		}
		p := three.at[path]
		n, why, err := m.decide(p, undecided[path])
		switch {
		case err != nil:
			return result, err
		case why != "":
			result.conflicts = append(result.conflicts, Conflict{path, why})
			fallthrough
		case n == p.tree[1]: // as ours has it
			continue
		case n.absent():
			if err := root.unset(m.b, path); err != nil {
				return result, err
			}
		default:
			writes = append(writes, mergePath{path: path, n: [3]node{n}})
		}
	}
	for _, w := range writes {
		taken, err := root.put(m.b, w.path, w.n[0])
		if err != nil {
			return result, err
		}
		if taken != "" {
			result.conflicts = append(result.conflicts, Conflict{taken, whyDir})
		}
	}
	sort.Slice(result.conflicts, func(i, j int) bool { return result.conflicts[i].Path < result.conflicts[j].Path })
	result.conflicts = slices.CompactFunc(result.conflicts, func(a, b Conflict) bool { return a.Path == b.Path })
	result.tree = root.tree(m.b)
	return result, nil
}

// mergePath is one path in the three trees: base, ours, theirs.
type mergePath struct {
	path string
	n    [3]node // to be merged; renames move entries here
	tree [3]node // as the trees have it at this path
	why  string  // a conflict of renames
}

// threeTrees holds the files that are not the same in all three.
type threeTrees struct {
	at    map[string]*mergePath
	trees [3]Hash
}

func (t *threeTrees) paths() []string {
	list := make([]string, 0, len(t.at))
	for path := range t.at {
		list = append(list, path)
	}
	sort.Strings(list)
	return list
}

// collect compares both sides with the base; equal subtrees cost nothing.
func (m merger) collect(base, ours, theirs Hash) (*threeTrees, error) {
	t := &threeTrees{at: map[string]*mergePath{}, trees: [3]Hash{base, ours, theirs}}
	for side, tree := range []Hash{ours, theirs} {
		changes, err := treeChanges(m.b, base, tree, maxMergePaths)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			p := t.at[c.path]
			if p == nil { // the other side has it as it was, unless it says so later
				p = &mergePath{path: c.path, n: [3]node{c.old, c.old, c.old}}
				t.at[c.path] = p
			}
			p.n[1+side] = c.new
		}
	}
	for _, p := range t.at {
		p.tree = p.n
	}
	return t, nil
}

// decide merges one path. why is the reason of a conflict, "" for none.
func (m merger) decide(p *mergePath, noBase bool) (n node, why string, err error) {
	base, a, b := p.n[0], p.n[1], p.n[2]
	switch {
	case p.why != "":
		return a, p.why, nil
	case a == b:
		return a, "", nil
	case noBase:
		return a, whyBoth, nil
	case a == base:
		return b, "", nil
	case b == base:
		return a, "", nil
	case base.absent():
		return a, whyAdded, nil
	case a.absent() || b.absent():
		return a, whyDeleted, nil
	case !base.mode.isRegular() || !a.mode.isRegular() || !b.mode.isRegular():
		return a, whyBoth, nil
	}
	n = a
	switch {
	case a.mode == b.mode, b.mode == base.mode:
	case a.mode == base.mode:
		n.mode = b.mode
	default:
		return a, whyBoth, nil
	}
	switch {
	case a.hash == b.hash, b.hash == base.hash:
		return n, "", nil
	case a.hash == base.hash:
		n.hash = b.hash
		return n, "", nil
	}
	n.hash, why, err = m.lines(base.hash, a.hash, b.hash)
	return n, why, err
}

func (m merger) lines(base, a, b Hash) (Hash, string, error) {
	var text [3][]byte
	for i, h := range []Hash{base, a, b} {
		size, err := blobSize(m.b, h)
		if err == nil && size > merge.MaxSize {
			err = merge.ErrTooLarge
		}
		if err == nil {
			text[i], err = m.b.object(h, plumbing.BlobObject)
		}
		if errors.Is(err, merge.ErrTooLarge) || errors.Is(err, ErrTooLarge) {
			return a, whyBoth + " (too large to merge by line)", nil
		}
		if err != nil {
			return Hash{}, "", damagedIfMissing(err)
		}
	}
	merged, err := merge.Lines(text[0], text[1], text[2])
	switch {
	case errors.Is(err, merge.ErrTooLarge):
		return a, whyBoth + " (too large to merge by line)", nil
	case err != nil: // a conflict, or not text
		return a, whyBoth, nil
	}
	return m.b.put(plumbing.BlobObject, merged), "", nil
}

// put sets what is at path; taken is a path where a file and a directory of the
// result meet.
func (d *workDir) put(r objectReader, path string, n node) (taken string, err error) {
	for i, c := range path {
		if c != '/' {
			continue
		}
		item, err := d.lookup(r, path[:i])
		if err != nil {
			return "", err
		}
		if item != nil && item.dir == nil {
			return path[:i], nil
		}
	}
	if at, err := d.at(r, path); err != nil || at != nil {
		return path, err
	}
	in, name, err := d.parent(r, path, true)
	if err != nil {
		return "", err
	}
	item := &workItem{node: n}
	if n.mode.IsDir() {
		item.dir = &workDir{from: n.hash}
	}
	in.set(name, item)
	return "", nil
}

// unset removes the file at path, and the directories that become empty by it.
func (d *workDir) unset(r objectReader, path string) error {
	item, err := d.lookup(r, path)
	if err != nil || item == nil || item.dir != nil {
		return err
	}
	in, name, err := d.parent(r, path, false)
	if err != nil {
		return err
	}
	in.delete(name)
	return d.prune(r, path)
}

// tree is build, with a tree for nothing too.
func (d *workDir) tree(b *batch) Hash {
	if h := d.build(b); !h.IsZero() {
		return h
	}
	return b.put(plumbing.TreeObject, nil)
}

func parentDir(path string) string {
	dir, _ := splitPath(path)
	return dir
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
