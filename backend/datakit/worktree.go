package datakit

import (
	"fmt"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// workDir is a directory being changed. What it holds of the tree it came from
// is read when it is first looked at.
type workDir struct {
	from  Hash
	items map[string]*workItem // nil until read
	dirty bool                 // it or something below it may differ from the tree it came from
}

// workItem is one entry: an untouched node, a directory that was looked into,
// or a file that was written.
type workItem struct {
	node
	dir  *workDir
	data []byte // of a written file, which has no hash yet
}

func (d *workDir) load(r objectReader) error {
	if d.items != nil {
		return nil
	}
	entries, err := readTree(r, d.from)
	if err != nil {
		return err
	}
	d.items = make(map[string]*workItem, len(entries))
	for _, e := range entries {
		item := &workItem{node: e.node}
		if e.mode.IsDir() {
			item.dir = &workDir{from: e.hash}
		}
		d.items[e.name] = item
	}
	return nil
}

// lookup returns the item at path, or nil. The root has no item: see at.
func (d *workDir) lookup(r objectReader, path string) (*workItem, error) {
	parent, name := splitPath(path)
	in, err := d.at(r, parent)
	if in == nil || err != nil {
		return nil, err
	}
	return in.items[name], nil
}

// at returns the directory at path ("" is d itself), loaded, or nil.
func (d *workDir) at(r objectReader, path string) (*workDir, error) {
	for {
		if err := d.load(r); err != nil || path == "" {
			return d, err
		}
		name, rest, _ := strings.Cut(path, "/")
		item := d.items[name]
		if item == nil || item.dir == nil {
			return nil, nil
		}
		d, path = item.dir, rest
	}
}

// write sets a file and makes the directories above it.
func (d *workDir) write(r objectReader, path string, data []byte, mode Mode) error {
	// Look first, so that a refused write changes nothing.
	for i, c := range path + "/" {
		if c != '/' {
			continue
		}
		item, err := d.lookup(r, path[:i])
		switch {
		case err != nil:
			return err
		case item == nil:
		case i == len(path) && item.dir != nil:
			return fmt.Errorf("write %s: %w: it is a directory", path, ErrBadPath)
		case i < len(path) && item.dir == nil:
			return fmt.Errorf("write %s: %w: %s is a file", path, ErrBadPath, path[:i])
		}
	}
	for {
		if err := d.load(r); err != nil {
			return err
		}
		d.dirty = true
		name, rest, deeper := strings.Cut(path, "/")
		if !deeper {
			d.items[name] = &workItem{node: node{mode: mode}, data: data}
			return nil
		}
		if d.items[name] == nil {
			d.items[name] = &workItem{node: node{mode: ModeDir}, dir: &workDir{from: emptyTree}}
		}
		d, path = d.items[name].dir, rest
	}
}

// remove takes away what is at path, and the directories that become empty by
// it, as git has none. It reports whether there was something.
func (d *workDir) remove(r objectReader, path string) (bool, error) {
	if err := d.load(r); err != nil {
		return false, err
	}
	name, rest, deeper := strings.Cut(path, "/")
	item := d.items[name]
	if item == nil || deeper && item.dir == nil {
		return false, nil
	}
	if deeper {
		if found, err := item.dir.remove(r, rest); !found || err != nil {
			return false, err
		}
		d.dirty = true
		if len(item.dir.items) > 0 {
			return true, nil
		}
	}
	d.dirty = true
	delete(d.items, name)
	return true, nil
}

func (d *workDir) list() []Entry {
	list := make([]Entry, 0, len(d.items))
	for name, item := range d.items {
		e := Entry{Name: name, Mode: item.mode, Hash: item.hash}
		if item.dir != nil && item.dir.dirty {
			e.Hash = Hash{}
		}
		list = append(list, e)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// build puts the changed files and directories into b and returns the tree.
func (d *workDir) build(b *batch) Hash {
	if !d.dirty {
		return d.from
	}
	entries := make([]treeEntry, 0, len(d.items))
	for name, item := range d.items {
		n := item.node
		switch {
		case item.dir != nil:
			n.hash = item.dir.build(b)
		case item.data != nil:
			n.hash = b.put(plumbing.BlobObject, item.data)
		}
		entries = append(entries, treeEntry{name, n})
	}
	return b.put(plumbing.TreeObject, encodeTree(entries))
}

func splitPath(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
