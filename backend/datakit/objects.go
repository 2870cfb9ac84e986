package datakit

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
	"golang.org/x/sync/errgroup"
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
	kind, data, err := db.any(h)
	if err == nil && kind != want {
		return nil, fmt.Errorf("%w: object %s is a %s, not a %s", ErrDamaged, h, kind, want)
	}
	return data, err
}

// any is object, of any kind.
func (db *objectDB) any(h Hash) (plumbing.ObjectType, []byte, error) {
	for attempt := 0; ; attempt++ {
		kind, data, err := db.loose(h)
		if errors.Is(err, fs.ErrNotExist) {
			kind, data, err = db.packs.object(h)
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

// write stores objects, each after those it refers to, and returns when they
// are durable: each a file of its own, fsynced, renamed into place in the order
// given, its directory fsynced. The fsyncs of one step run side by side, since
// file systems serve many for little more than one.
func (db *objectDB) write(objects []newObject) error {
	var newDir atomic.Bool
	temps := make([]string, len(objects))
	defer func() {
		for _, tmp := range temps {
			if tmp != "" {
				_ = os.Remove(tmp)
			}
		}
	}()
	err := sideBySide(len(objects), func(i int) error {
		made, tmp, err := db.stage(objects[i])
		if made {
			newDir.Store(true)
		}
		temps[i] = tmp
		return err
	})
	if err != nil {
		return err
	}
	dirs := []string{}
	for i, o := range objects {
		path := db.loosePath(o.hash)
		if dir := filepath.Dir(path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		if temps[i] == "" {
			continue
		}
		err := os.Rename(temps[i], path)
		if errors.Is(err, fs.ErrNotExist) { // git gc removed the directory, as it was empty
			newDir.Store(true)
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.Rename(temps[i], path))
		}
		if err != nil {
			return fmt.Errorf("write object: %w", err)
		}
		temps[i] = ""
	}
	if newDir.Load() {
		dirs = append(dirs, db.dir)
	}
	return sideBySide(len(dirs), func(i int) error { return syncDir(dirs[i]) })
}

// sideBySide calls f for 0 to n-1, several at a time, and returns an error if
// one did.
func sideBySide(n int, f func(int) error) error {
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	return g.Wait()
}

// stage makes a fsynced file of an object in the temporary directory, and the
// directory it will go to. tmp is "" when the repository has the object loose.
func (db *objectDB) stage(o newObject) (madeDir bool, tmp string, err error) {
	path := db.loosePath(o.hash)
	if err := refresh(path); err == nil {
		return false, "", nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, "", fmt.Errorf("refresh object: %w", err)
	}
	err = os.Mkdir(filepath.Dir(path), 0o777)
	madeDir = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, "", fmt.Errorf("create object directory: %w", err)
	}
	tmp, err = writeTemp(db.tmp, "object-*", 0o444, func(w io.Writer) error {
		z, err := zlib.NewWriterLevel(w, zlib.BestSpeed)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(z, "%s %d\x00", o.kind, len(o.data)); err != nil {
			return err
		}
		if _, err := z.Write(o.data); err != nil {
			return err
		}
		return z.Close()
	})
	if err != nil {
		return madeDir, "", fmt.Errorf("write object: %w", err)
	}
	return madeDir, tmp, nil
}

// refresh makes an object that is there already as good as a new one: durable,
// since git does not fsync, and young, since git gc removes old unreachable
// objects. The caller fsyncs the directory.
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
	return f.Sync()
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
