package pack

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
)

// ReaderOptions bound a Reader. The zero value works.
type ReaderOptions struct {
	// MaxObject is the size of the largest object read into memory. 0:
	// DefaultMaxObject. Open streams larger ones that are stored whole.
	MaxObject int64
	// Cache holds bases of deltas; readers of one repository share it. nil: one
	// of 8 MiB, of this reader alone.
	Cache *Cache
}

// Reader is an open pack. All methods may be called concurrently; after Close
// they fail.
type Reader struct {
	path  string // without extension
	file  *os.File
	index *index
	src   source
}

// Open opens the pack at path: that of the .pack, of the .idx, or either
// without its extension. The error wraps fs.ErrNotExist when one of the two
// files is missing: a pack without an index is what a killed git leaves behind.
// The contents are checked as they are read, not here.
func Open(path string, opt ReaderOptions) (*Reader, error) {
	path = strings.TrimSuffix(strings.TrimSuffix(path, ".idx"), ".pack")
	if opt.MaxObject == 0 {
		opt.MaxObject = DefaultMaxObject
	}
	if opt.Cache == nil {
		opt.Cache = NewCache(8 << 20)
	}
	r := &Reader{path: path}
	r.src = source{limit: opt.MaxObject, cache: opt.Cache, find: r.offset}
	var err error
	if r.index, err = openIndex(path + ".idx"); err != nil {
		return nil, fmt.Errorf("open %s.idx: %w", path, err)
	}
	if err := r.openPack(); err != nil {
		_ = r.index.close()
		return nil, fmt.Errorf("open %s.pack: %w", path, err)
	}
	return r, nil
}

func (r *Reader) openPack() error {
	f, err := os.Open(r.path + ".pack")
	if err != nil {
		return err
	}
	if err := r.checkPack(f); err != nil {
		_ = f.Close()
		return err
	}
	r.file, r.src.file = f, f
	return nil
}

// checkPack compares count and trailer of the pack with those of the index.
func (r *Reader) checkPack(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r.src.end = info.Size() - trailerSize
	if r.src.end < headerSize {
		return damaged("it is cut short")
	}
	var head [headerSize]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return err
	}
	count, err := parsePackHeader(head[:])
	if err != nil {
		return err
	}
	if int64(count) != r.index.count {
		return damaged("%d objects, but %d in its index", count, r.index.count)
	}
	var own, noted [trailerSize]byte
	if _, err := f.ReadAt(own[:], r.src.end); err != nil {
		return err
	}
	at := fanoutEnd + r.index.count*28 + r.index.far*8
	b, err := r.index.at(at, trailerSize, noted[:])
	if err != nil {
		return err
	}
	if [trailerSize]byte(b) != own {
		return damaged("its index is of another pack")
	}
	return nil
}

// Close lets go of the files. Calls under way may fail.
func (r *Reader) Close() error {
	r.src.cache.forget(&r.src)
	return errors.Join(r.index.close(), r.file.Close())
}

// Path returns the path of the pack, without extension.
func (r *Reader) Path() string { return r.path }

// Count returns the number of objects.
func (r *Reader) Count() int { return int(r.index.count) }

// Bytes returns the size of the .pack.
func (r *Reader) Bytes() int64 { return r.src.end + trailerSize }

// offset returns where the entry of h begins, or ErrNotExist.
func (r *Reader) offset(h Hash) (int64, error) {
	i, err := r.index.find(h)
	if err != nil {
		return 0, err
	}
	if i < 0 {
		return 0, ErrNotExist
	}
	return r.index.offset(i)
}

// Has reports whether the pack has h, as far as its index can be read.
func (r *Reader) Has(h Hash) bool {
	i, err := r.index.find(h)
	return err == nil && i >= 0
}

// Get returns an object. The content is shared: do not change it. Errors:
// ErrNotExist when the pack does not have it, ErrTooLarge, ErrDamaged.
func (r *Reader) Get(h Hash) (Kind, []byte, error) {
	offset, err := r.offset(h)
	if errors.Is(err, ErrNotExist) {
		return 0, nil, err
	}
	var kind Kind
	var data []byte
	if err == nil {
		kind, data, err = r.src.object(offset)
	}
	if err != nil {
		return 0, nil, r.wrap(h, err)
	}
	if hashObject(kind, data) != h {
		return 0, nil, r.wrap(h, damaged("the content does not have this name"))
	}
	return kind, data, nil
}

// Size returns kind and size of an object without making it. Nothing of the
// content is checked.
func (r *Reader) Size(h Hash) (Kind, int64, error) {
	offset, err := r.offset(h)
	if errors.Is(err, ErrNotExist) {
		return 0, 0, err
	}
	var kind Kind
	var size int64
	if err == nil {
		kind, size, err = r.src.size(offset)
	}
	if err != nil {
		return 0, 0, r.wrap(h, err)
	}
	return kind, size, nil
}

// Open returns an object as a stream, for those that are larger than MaxObject.
// One that is stored as a delta is made in memory and bounded like in Get. The
// reader gives an error at the end when the content does not have this name.
func (r *Reader) Open(h Hash) (Kind, int64, io.ReadCloser, error) {
	offset, err := r.offset(h)
	if errors.Is(err, ErrNotExist) {
		return 0, 0, nil, err
	}
	var s *stream
	if err == nil {
		s, err = r.stream(h, offset)
	}
	if err != nil {
		return 0, 0, nil, r.wrap(h, err)
	}
	return s.kind, s.size, s, nil
}

func (r *Reader) wrap(h Hash, err error) error {
	if errors.Is(err, ErrNotExist) { // the base of a delta
		err = damaged("the base of a delta is missing")
	}
	return fmt.Errorf("object %s in %s.pack: %w", h, r.path, err)
}

// Hashes lists the names of all objects, sorted.
func (r *Reader) Hashes() iter.Seq2[Hash, error] {
	return func(yield func(Hash, error) bool) {
		for e, err := range r.index.all() {
			if err != nil {
				err = fmt.Errorf("read %s.idx: %w", r.path, err)
			}
			if !yield(e.hash, err) {
				return
			}
		}
	}
}

// Objects lists all objects with their contents, in the order of the pack,
// which is much faster than Get for each. It takes 32 bytes of memory for each
// object of the pack. It goes on after an object that cannot be read.
func (r *Reader) Objects() iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		entries, err := r.byOffset()
		if err != nil {
			yield(Object{}, err)
			return
		}
		for _, e := range entries {
			o := Object{Hash: e.hash}
			o.Kind, o.Data, err = r.src.object(e.offset)
			if err == nil && hashObject(o.Kind, o.Data) != e.hash {
				err = damaged("the content does not have this name")
			}
			if err != nil {
				err = r.wrap(e.hash, err)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
