package datakit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"

	"github.com/slipway-desktop/slipway/backend/datakit/pack"
)

// maxObject bounds the memory one object may take. Trees of 100,000 entries
// have about 4 MB.
const maxObject = 64 << 20

// objectReader finds the content of an object. The error wraps ErrNotExist
// when there is no such object.
type objectReader interface {
	object(h Hash, want plumbing.ObjectType) ([]byte, error)
}

// objectDB is the objects directory of a repository: packs and loose files, written
// by us and git; and what is in the journal only. Without a directory it is memory.
type objectDB struct {
	dir   string // …/objects; "" for a store in memory
	tmp   string // our own directory, on the same file system
	packs packSet
	cache *objectCache

	mu   sync.RWMutex
	held map[Hash]*heldObject // not in packs yet
}

type heldObject struct {
	newObject
	count int // of changes that brought it
}

func newObjectDB(repo, tmp string, cacheBytes int64) *objectDB {
	db := &objectDB{tmp: tmp, cache: newObjectCache(cacheBytes), held: map[Hash]*heldObject{}}
	if repo != "" {
		db.dir = filepath.Join(repo, "objects")
		db.packs = packSet{dir: filepath.Join(db.dir, "pack"), cache: pack.NewCache(packCache)}
	}
	return db
}

func (db *objectDB) close() error { return db.packs.close() }

// hold keeps objects readable until drop.
func (db *objectDB) hold(objects []newObject) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, o := range objects {
		if h := db.held[o.hash]; h != nil {
			h.count++
		} else {
			db.held[o.hash] = &heldObject{o, 1}
		}
	}
}

func (db *objectDB) drop(objects []newObject) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, o := range objects {
		if h := db.held[o.hash]; h != nil {
			if h.count--; h.count == 0 {
				delete(db.held, o.hash)
			}
		}
	}
}

func (db *objectDB) loosePath(h Hash) string {
	name := h.String()
	return filepath.Join(db.dir, name[:2], name[2:])
}

// object looks among the loose objects, then in the packs. git gc may move an
// object from the first to the second, or from one pack to another, between
// our looks, so a miss lists the packs anew and looks once more.
func (db *objectDB) object(h Hash, want plumbing.ObjectType) ([]byte, error) {
	if h == emptyTree && want == plumbing.TreeObject {
		return nil, nil
	}
	kind, data, err := db.any(h)
	if err == nil && kind != want {
		return nil, fmt.Errorf("%w: object %s is a %s, not a %s", ErrDamaged, h, kind, want)
	}
	return data, err
}

// tree is a decoded tree, shared: see readTree.
func (db *objectDB) tree(h Hash) ([]treeEntry, error) {
	if h == emptyTree {
		return nil, nil
	}
	c, err := db.find(h)
	if err != nil {
		return nil, err
	}
	if c.kind != plumbing.TreeObject {
		return nil, fmt.Errorf("%w: object %s is a %s, not a tree", ErrDamaged, h, c.kind)
	}
	if !c.decoded {
		if c.entries, err = decodeTree(c.data); err != nil {
			return nil, err
		}
		c.decoded = true
		db.cache.put(c)
	}
	return c.entries, nil
}

// any is object, of any kind.
func (db *objectDB) any(h Hash) (plumbing.ObjectType, []byte, error) {
	c, err := db.find(h)
	return c.kind, c.data, err
}

func (db *objectDB) find(h Hash) (cached, error) {
	if c, ok := db.cache.get(h); ok {
		return c, nil
	}
	db.mu.RLock()
	o := db.held[h]
	db.mu.RUnlock()
	if o != nil {
		c := cached{hash: h, kind: o.kind, data: o.data}
		db.cache.put(c)
		return c, nil
	}
	kind, data, err := db.stored(h)
	if err != nil {
		return cached{}, err
	}
	c := cached{hash: h, kind: kind, data: data}
	db.cache.put(c)
	return c, nil
}

// stored reads an object from disk. git gc may move an object from a file of its
// own to a pack, or from one pack to another, between our looks, so a miss lists
// the packs anew and looks once more.
func (db *objectDB) stored(h Hash) (plumbing.ObjectType, []byte, error) {
	if db.dir == "" {
		return 0, nil, fmt.Errorf("object %s: %w", h, ErrNotExist)
	}
	for attempt := 0; ; attempt++ {
		kind, data, err := db.packs.object(h)
		if errors.Is(err, fs.ErrNotExist) {
			inPacks := err
			if kind, data, err = db.loose(h); errors.Is(err, fs.ErrNotExist) {
				err = inPacks
			}
		}
		switch {
		case err == nil:
			return kind, data, nil
		case !errors.Is(err, fs.ErrNotExist):
			return 0, nil, err
		case attempt > 0 && errors.Is(err, ErrDamaged):
			return 0, nil, fmt.Errorf("object %s: %w", h, err)
		case attempt > 0:
			return 0, nil, fmt.Errorf("object %s: %w", h, ErrNotExist)
		}
		if err := db.packs.rescan(); err != nil {
			return 0, nil, fmt.Errorf("list packs: %w", err)
		}
	}
}

func (db *objectDB) loose(h Hash) (plumbing.ObjectType, []byte, error) {
	f, err := os.Open(db.loosePath(h))
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	damaged := func(err error) (plumbing.ObjectType, []byte, error) {
		return 0, nil, fmt.Errorf("%w: object %s: %w", ErrDamaged, h, err)
	}
	r, err := objfile.NewReader(f)
	if err != nil {
		return damaged(err)
	}
	defer r.Close()
	kind, size, err := r.Header()
	if err != nil {
		return damaged(err)
	}
	if size < 0 || size > maxObject {
		return 0, nil, fmt.Errorf("object %s of %d bytes: %w", h, size, ErrTooLarge)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return damaged(err)
	}
	if Hash(r.Hash()) != h {
		return damaged(errors.New("content does not have this hash"))
	}
	return kind, data, nil
}

// writeTemp makes a fsynced file in dir and returns its path.
func writeTemp(dir, pattern string, mode fs.FileMode, fill func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	err = fill(f)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// newObject is an object that is not stored yet.
type newObject struct {
	hash Hash
	kind plumbing.ObjectType
	data []byte
}

// batch holds the objects of a commit in memory, so that a validator sees the
// tree before the disk does.
type batch struct {
	next objectReader
	held map[Hash]newObject
}

func newBatch(next objectReader) *batch {
	return &batch{next: next, held: map[Hash]newObject{}}
}

func (b *batch) put(kind plumbing.ObjectType, data []byte) Hash {
	h := hashOf(kind, data)
	b.held[h] = newObject{h, kind, data}
	return h
}

func (b *batch) object(h Hash, want plumbing.ObjectType) ([]byte, error) {
	if o, ok := b.held[h]; ok && o.kind == want {
		return o.data, nil
	}
	return b.next.object(h, want)
}

func (b *batch) tree(h Hash) ([]treeEntry, error) {
	if o, ok := b.held[h]; ok && o.kind == plumbing.TreeObject {
		return decodeTree(o.data)
	}
	if t, ok := b.next.(treeSource); ok {
		return t.tree(h)
	}
	return readTree(b.next, h)
}

// take returns the held objects that commit needs and the commit, each after
// those it refers to. The rest, such as trees that a merge replaced, is not
// worth storing.
func (b *batch) take(commit Hash, tree Hash) ([]newObject, error) {
	list, err := b.takeBelow(nil, tree)
	return append(list, b.held[commit]), err
}

func (b *batch) takeBelow(list []newObject, h Hash) ([]newObject, error) {
	o, ok := b.held[h]
	if !ok {
		return list, nil
	}
	delete(b.held, h) // once is enough
	if o.kind == plumbing.TreeObject {
		entries, err := decodeTree(o.data)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if list, err = b.takeBelow(list, e.hash); err != nil {
				return nil, err
			}
		}
	}
	return append(list, o), nil
}
