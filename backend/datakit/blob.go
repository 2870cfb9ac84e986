package datakit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
	"github.com/klauspost/compress/zlib"
)

// streamAbove is the size from which blobs are not read into memory to be opened.
const streamAbove = 1 << 20

// spoolBlob stores a blob of any size as a file of its own and returns when it is
// durable: it goes neither through memory nor through the journal. In a store
// without a disk it is held in memory.
func (s *Store) spoolBlob(r io.Reader) (Hash, int64, error) {
	if s.refs == nil {
		data, err := io.ReadAll(io.LimitReader(r, maxBlob+1))
		if err == nil && len(data) > maxBlob {
			err = ErrTooLarge
		}
		if err != nil {
			return Hash{}, 0, fmt.Errorf("store blob: %w", err)
		}
		h := hashOf(plumbing.BlobObject, data)
		s.objects.hold([]newObject{{h, plumbing.BlobObject, data}})
		return h, int64(len(data)), nil
	}
	h, n, err := s.objects.spool(r)
	if err != nil {
		if isNoSpace(err) {
			err = fmt.Errorf("%w (%w)", ErrNoSpace, err)
		}
		return Hash{}, 0, fmt.Errorf("store blob: %w", err)
	}
	return h, n, nil
}

func (db *objectDB) spool(r io.Reader) (h Hash, size int64, err error) {
	// The size comes first in the object, so it has to be known.
	from, size, err := db.sized(r)
	if err != nil {
		return h, 0, err
	}
	defer from.Close()
	tmp, err := writeTemp(db.tmp, "object-*", 0o444, func(w io.Writer) error {
		buffer := bufio.NewWriterSize(w, 256<<10)
		z, err := zlib.NewWriterLevel(buffer, zlib.BestSpeed)
		if err != nil {
			return err
		}
		sum := plumbing.NewHasher(plumbing.BlobObject, size)
		if _, err := fmt.Fprintf(z, "blob %d\x00", size); err != nil {
			return err
		}
		n, err := io.Copy(io.MultiWriter(z, sum), io.NewSectionReader(from, 0, size))
		if err == nil && n != size {
			err = io.ErrUnexpectedEOF
		}
		h = Hash(sum.Sum())
		return errors.Join(err, z.Close(), buffer.Flush())
	})
	if err != nil {
		return h, 0, err
	}
	path := db.loosePath(h)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil { //nolint:gosec // as git makes it
		return h, 0, errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return h, 0, errors.Join(err, os.Remove(tmp))
	}
	return h, size, errors.Join(syncDir(filepath.Dir(path)), syncDir(db.dir))
}

// sized makes a file of r, unlinked where the system allows, and gives its size.
func (db *objectDB) sized(r io.Reader) (*tempFile, int64, error) {
	f, err := newTempFile(db.tmp)
	if err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(f, io.LimitReader(r, maxBlob+1))
	if err == nil && n > maxBlob {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, n, nil
}

// tempFile goes with its Close, and with the process.
type tempFile struct{ *os.File }

func newTempFile(dir string) (*tempFile, error) {
	f, err := os.CreateTemp(dir, "blob-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // fails on Windows: Close does it there
	return &tempFile{f}, nil
}

func (f *tempFile) Close() error {
	err := f.File.Close()
	_ = os.Remove(f.Name())
	return err
}

// openBlob gives random access to a blob; a large one is unpacked into a temporary
// file first.
func (db *objectDB) openBlob(h Hash) (File, error) {
	size, err := db.blobSize(h)
	if err != nil {
		return nil, err
	}
	if size <= streamAbove || db.dir == "" {
		data, err := db.object(h, plumbing.BlobObject)
		return memoryFile{bytes.NewReader(data)}, err
	}
	r, err := db.stream(h)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := newTempFile(db.tmp)
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	n, err := io.Copy(f, r)
	if err == nil && n != size {
		err = fmt.Errorf("%w: object %s has %d bytes instead of %d", ErrDamaged, h, n, size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open blob: %w", err), f.Close())
	}
	return tempBlob{f, size}, nil
}

type tempBlob struct {
	*tempFile
	size int64
}

func (f tempBlob) Size() int64 { return f.size }

// stream reads a stored object of any size.
func (db *objectDB) stream(h Hash) (io.ReadCloser, error) {
	if _, r, err := db.packs.stream(h); !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	_, _, r, err := db.openLoose(h)
	return r, err
}

// blobSize is the size of a blob, read from its header.
func (db *objectDB) blobSize(h Hash) (int64, error) {
	if c, ok := db.cache.get(h); ok && c.kind == plumbing.BlobObject {
		return int64(len(c.data)), nil
	}
	db.mu.RLock()
	o := db.held[h]
	db.mu.RUnlock()
	if o != nil && o.kind == plumbing.BlobObject {
		return int64(len(o.data)), nil
	}
	if db.dir != "" {
		if kind, size, err := db.packs.size(h); err == nil && kind == plumbing.BlobObject {
			return size, nil
		}
		if kind, size, r, err := db.openLoose(h); err == nil {
			_ = r.Close()
			if kind == plumbing.BlobObject {
				return size, nil
			}
		}
	}
	data, err := db.object(h, plumbing.BlobObject) // looks again, and says what is wrong
	return int64(len(data)), err
}

type looseReader struct {
	*objfile.Reader
	file *os.File
}

func (r looseReader) Close() error { return errors.Join(r.Reader.Close(), r.file.Close()) }

func (db *objectDB) openLoose(h Hash) (plumbing.ObjectType, int64, io.ReadCloser, error) {
	f, err := os.Open(db.loosePath(h))
	if err != nil {
		return 0, 0, nil, err
	}
	damaged := func(err error) (plumbing.ObjectType, int64, io.ReadCloser, error) {
		_ = f.Close()
		return 0, 0, nil, fmt.Errorf("%w: object %s: %w", ErrDamaged, h, err)
	}
	r, err := objfile.NewReader(f)
	if err != nil {
		return damaged(err)
	}
	kind, size, err := r.Header()
	if err != nil {
		_ = r.Close()
		return damaged(err)
	}
	return kind, size, looseReader{r, f}, nil
}
