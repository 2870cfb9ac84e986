package datakit

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// workDir is a directory being changed: the tree it came from, read when it is
// first looked at, and over it the entries that were looked into or changed.
type workDir struct {
	from  Hash
	base  []treeEntry // of from; shared with others, never written to
	read  bool
	items map[string]*workItem // over base, by name
	dirty bool                 // it or something below it may differ from the tree it came from
	keep  bool                 // stays in the transaction while it is empty
}

// workItem is one entry: an untouched node, a directory that was looked into,
// or a file that was written; or the place of one that was removed.
type workItem struct {
	node
	dir  *workDir
	file *content
	gone bool
}

func (d *workDir) load(r objectReader) error {
	if d.read {
		return nil
	}
	base, err := readTree(r, d.from)
	if err != nil {
		return err
	}
	d.base, d.read = base, true
	return nil
}

// set puts an item over what the directory came with.
func (d *workDir) set(name string, item *workItem) {
	if d.items == nil {
		d.items = map[string]*workItem{}
	}
	d.items[name] = item
}

// get returns the item called name, or nil. d has to be loaded.
func (d *workDir) get(name string) *workItem {
	if item := d.items[name]; item != nil {
		if item.gone {
			return nil
		}
		return item
	}
	i, ok := searchTree(d.base, name)
	if !ok {
		return nil
	}
	item := &workItem{node: d.base[i].node}
	if item.mode.IsDir() {
		item.dir = &workDir{from: item.hash}
		d.set(name, item) // what happens below has to be found again
	}
	return item
}

// delete takes the item called name away.
func (d *workDir) delete(name string) {
	if _, ok := searchTree(d.base, name); ok {
		d.set(name, &workItem{gone: true})
	} else {
		delete(d.items, name)
	}
	d.dirty = true
}

// empty reports whether nothing is in d, which has to be loaded.
func (d *workDir) empty() bool {
	gone := 0
	for _, item := range d.items {
		if !item.gone {
			return false
		}
		gone++
	}
	return gone == len(d.base)
}

// lookup returns the item at path, or nil. The root has no item: see at.
func (d *workDir) lookup(r objectReader, path string) (*workItem, error) {
	parent, name := splitPath(path)
	in, err := d.at(r, parent)
	if in == nil || err != nil {
		return nil, err
	}
	return in.get(name), nil
}

// at returns the directory at path ("" is d itself), loaded, or nil.
func (d *workDir) at(r objectReader, path string) (*workDir, error) {
	for {
		if err := d.load(r); err != nil || path == "" {
			return d, err
		}
		name, rest, deeper := strings.Cut(path, "/")
		item := d.get(name)
		if item == nil || item.dir == nil || deeper && rest == "" {
			return nil, nil
		}
		d, path = item.dir, rest
	}
}

// parent returns the directory that path is to be in, and its name there. It
// makes the directories that are missing if create is set, else it returns nil
// for them; where a file is in the way the error is ErrBadPath. It marks all of
// them as changed.
func (d *workDir) parent(r objectReader, path string, create bool) (*workDir, string, error) {
	// Look first, so that a refused change changes nothing.
	for i, c := range path {
		if c != '/' {
			continue
		}
		item, err := d.lookup(r, path[:i])
		switch {
		case err != nil:
			return nil, "", err
		case item == nil && !create:
			return nil, "", nil
		case item != nil && item.dir == nil:
			return nil, "", fmt.Errorf("%s: %w: %s is a file", clip(path), ErrBadPath, clip(path[:i]))
		}
	}
	for {
		if err := d.load(r); err != nil {
			return nil, "", err
		}
		d.dirty = true
		name, rest, deeper := strings.Cut(path, "/")
		if !deeper {
			return d, path, nil
		}
		item := d.get(name)
		if item == nil {
			item = &workItem{node: node{mode: ModeDir}, dir: &workDir{from: emptyTree}}
			d.set(name, item)
		}
		d, path = item.dir, rest
	}
}

// prune takes away the directories above path that are empty, as git has none,
// up to one that was made on purpose.
func (d *workDir) prune(r objectReader, path string) error {
	for {
		path, _ = splitPath(path)
		if path == "" {
			return nil
		}
		at, err := d.at(r, path)
		if err != nil {
			return err
		}
		if at == nil || at.keep || !at.empty() {
			return nil
		}
		above, name := splitPath(path)
		in, err := d.at(r, above)
		if err != nil {
			return err
		}
		in.delete(name)
	}
}

// list returns the entries in the order of their names. d has to be loaded.
func (d *workDir) list() []Entry {
	list := make([]Entry, 0, len(d.base)+len(d.items))
	for _, e := range d.base {
		if d.items[e.name] == nil {
			list = append(list, Entry{Name: e.name, Mode: e.mode, Hash: e.hash})
		}
	}
	for name, item := range d.items {
		if !item.gone {
			list = append(list, item.entry(name))
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

func (item *workItem) entry(name string) Entry {
	e := Entry{Name: name, Mode: item.mode, Hash: item.hash}
	if item.file != nil || item.dir != nil && item.dir.dirty {
		e.Hash = Hash{}
	}
	return e
}

// each calls f for every file that was written below d.
func (d *workDir) each(f func(*content) error) error {
	if !d.dirty {
		return nil
	}
	for _, item := range d.items {
		var err error
		switch {
		case item.dir != nil:
			err = item.dir.each(f)
		case item.file != nil:
			err = f(item.file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changed counts the entries that were written, moved or removed below d.
func (d *workDir) changed() int {
	if !d.dirty {
		return 0
	}
	n := 0
	for name, item := range d.items {
		switch i, ok := searchTree(d.base, name); {
		case item.dir == nil && !item.gone && item.file == nil && ok && d.base[i].node == item.node:
		case item.dir == nil, ok && !d.base[i].mode.IsDir():
			n++
		case item.dir.dirty:
			n += item.dir.changed()
		case !ok || d.base[i].hash != item.dir.from: // moved here as a whole
			n++
		}
	}
	return n
}

// build puts the changed files and directories into b and returns the tree; the
// zero Hash for an empty one. Files in temporary files have to have their sum.
func (d *workDir) build(b *batch) Hash {
	if !d.dirty {
		if d.from == emptyTree {
			return Hash{}
		}
		return d.from
	}
	over := make([]treeEntry, 0, len(d.items))
	cut := make([]int, 0, len(d.items)) // of base
	for name, item := range d.items {
		if i, ok := searchTree(d.base, name); ok {
			cut = append(cut, i)
		}
		n := item.node
		switch {
		case item.gone:
			continue
		case item.dir != nil && (item.dir.dirty || n.hash.IsZero()):
			if n.hash = item.dir.build(b); n.hash.IsZero() {
				continue
			}
		case item.file == nil:
		case item.file.path != "":
			n.hash = item.file.sum
		default:
			n.hash = b.put(plumbing.BlobObject, item.file.data)
		}
		over = append(over, treeEntry{name, n})
	}
	slices.Sort(cut)
	slices.SortFunc(over, compareEntries)
	entries := make([]treeEntry, 0, len(d.base)+len(over))
	from := 0
	add := func(to int) { // of base, and what sorts into it
		for _, e := range d.base[from:to] {
			for len(over) > 0 && compareEntries(over[0], e) < 0 {
				entries, over = append(entries, over[0]), over[1:]
			}
			entries = append(entries, e)
		}
	}
	for _, i := range cut {
		add(i)
		from = i + 1
	}
	add(len(d.base))
	if entries = append(entries, over...); len(entries) == 0 {
		return Hash{}
	}
	return b.put(plumbing.TreeObject, encodeTree(entries))
}

func splitPath(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
