package datakit

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
)

// maxObject bounds the memory one object may take. Trees of 100,000 entries
// have about 4 MB.
const maxObject = 64 << 20

// objectReader finds the content of an object. The error wraps ErrNotExist
// when there is no such object.
type objectReader interface {
	object(h Hash, want plumbing.ObjectType) ([]byte, error)
}

// objectDB is the objects directory of a repository: loose files, written by
// us and git, and packs, written by git.
type objectDB struct {
	dir   string // …/objects
	tmp   string // our own directory, on the same file system
	packs packSet
}

func newObjectDB(repo, tmp string) *objectDB {
	dir := filepath.Join(repo, "objects")
	return &objectDB{dir: dir, tmp: tmp, packs: packSet{dir: filepath.Join(dir, "pack")}}
}

func (db *objectDB) close() error { return db.packs.close() }

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
	for attempt := 0; ; attempt++ {
		kind, data, err := db.loose(h)
		if errors.Is(err, fs.ErrNotExist) {
			kind, data, err = db.packs.object(h)
		}
		switch {
		case err == nil && kind != want:
			return nil, fmt.Errorf("%w: object %s is a %s, not a %s", ErrDamaged, h, kind, want)
		case err == nil:
			return data, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case attempt > 0:
			return nil, fmt.Errorf("object %s: %w", h, ErrNotExist)
		}
		if err := db.packs.rescan(); err != nil {
			return nil, fmt.Errorf("list packs: %w", err)
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

// write stores an object so that it survives a crash from the moment write
// returns: a file of its own, fsync, rename into place, fsync of the directory
// and, when that is new, of its parent.
func (db *objectDB) write(h Hash, kind plumbing.ObjectType, data []byte) error {
	path := db.loosePath(h)
	if err := refresh(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("refresh object: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o777); err == nil {
		if err := syncDir(db.dir); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create object directory: %w", err)
	}
	tmp, err := writeTemp(db.tmp, "object-*", func(w io.Writer) error {
		z, err := zlib.NewWriterLevel(w, zlib.BestSpeed)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(z, "%s %d\x00", kind, len(data)); err != nil {
			return err
		}
		if _, err := z.Write(data); err != nil {
			return err
		}
		return z.Close()
	})
	if err != nil {
		return fmt.Errorf("write object: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		// git removes a fan-out directory that gc has emptied.
		if errors.Is(err, fs.ErrNotExist) {
			return db.write(h, kind, data)
		}
		return fmt.Errorf("write object: %w", err)
	}
	return syncDir(dir)
}

// refresh makes an object that is there already as good as a new one: durable,
// since git does not fsync, and young, since git gc removes old unreachable
// objects.
func refresh(path string) error {
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeTemp makes a fsynced, read-only file in dir and returns its path.
func writeTemp(dir, pattern string, fill func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	err = fill(f)
	if err == nil {
		err = f.Chmod(0o444)
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

// batch holds the objects of a commit in memory, so that a validator sees the
// tree before the disk does.
type batch struct {
	next objectReader
	held map[Hash]heldObject
}

type heldObject struct {
	kind plumbing.ObjectType
	data []byte
}

func newBatch(next objectReader) *batch {
	return &batch{next: next, held: map[Hash]heldObject{}}
}

func (b *batch) put(kind plumbing.ObjectType, data []byte) Hash {
	h := hashOf(kind, data)
	b.held[h] = heldObject{kind, data}
	return h
}

func (b *batch) object(h Hash, want plumbing.ObjectType) ([]byte, error) {
	if o, ok := b.held[h]; ok && o.kind == want {
		return o.data, nil
	}
	return b.next.object(h, want)
}

// writeTo stores the held objects that h needs, then h: whatever a crash
// leaves, no object lacks what it refers to.
func (b *batch) writeTo(db *objectDB, h Hash) error {
	o, ok := b.held[h]
	if !ok {
		return nil
	}
	switch o.kind {
	case plumbing.CommitObject:
		c, err := decodeCommit(o.data)
		if err != nil {
			return err
		}
		if err := b.writeTo(db, c.tree); err != nil {
			return err
		}
	case plumbing.TreeObject:
		entries, err := decodeTree(o.data)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := b.writeTo(db, e.hash); err != nil {
				return err
			}
		}
	}
	if err := db.write(h, o.kind, o.data); err != nil {
		return err
	}
	delete(b.held, h)
	return nil
}
