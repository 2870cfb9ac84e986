package pack

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // git's format
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zlib"
)

// WriteOptions say how and where a pack is written. The zero value works.
type WriteOptions struct {
	// Level is zlib's: 1 (fast) to 9 (small). 0: 1 for Create, 6 for others.
	Level int
	// Tmp is a directory for unfinished files, on the same file system.
	// "": the pack's own directory, as git does.
	Tmp string
	// NoSync leaves it to the caller to make the files durable, see [Sync].
	NoSync bool
}

// Info describes a pack that was written.
type Info struct {
	Name    string // "pack-" and 40 hexadecimal digits, without extension
	Objects int
	Bytes   int64 // of the .pack
}

// Create writes a pack of exactly count objects into dir, without deltas, and
// its index. Objects may come in any order, each once. Both files are durable
// when it returns, unless opt.NoSync. A pack of the same content has the same
// name and is left as it is; that is no error.
func Create(dir string, count int, objects iter.Seq2[Object, error], opt WriteOptions) (Info, error) {
	if opt.Level == 0 {
		opt.Level = zlib.BestSpeed
	}
	f, err := newPackFile(dir, opt)
	if err != nil {
		return Info{}, fmt.Errorf("create pack: %w", err)
	}
	defer f.discard()
	entries, trailer, err := write(f.tmp, count, objects, opt.Level)
	if err != nil {
		return Info{}, fmt.Errorf("create pack: %w", err)
	}
	info, err := f.finish(entries, trailer)
	if err != nil {
		return Info{}, fmt.Errorf("create pack: %w", err)
	}
	return info, nil
}

// Write writes a pack of exactly count objects to w, without deltas and without
// an index, for a peer. level is zlib's, 1 to 9.
func Write(w io.Writer, count int, objects iter.Seq2[Object, error], level int) error {
	if _, _, err := write(w, count, objects, level); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	return nil
}

func write(w io.Writer, count int, objects iter.Seq2[Object, error], level int) ([]indexEntry, Hash, error) {
	p, err := newWriter(w, count, level)
	if err != nil {
		return nil, Hash{}, err
	}
	for o, err := range objects {
		if err == nil {
			err = p.object(o.Hash, o.Kind, o.Data)
		}
		if err != nil {
			return nil, Hash{}, err
		}
	}
	trailer, err := p.close()
	return p.entries, trailer, err
}

// writer writes the entries of a pack one after another and remembers what the
// index has to say of them.
type writer struct {
	out     *bufio.Writer
	all     hash.Hash // of everything
	crc     uint32    // of the present entry
	n       int64     // bytes so far
	count   int
	entries []indexEntry
	z       *zlib.Writer
}

func newWriter(w io.Writer, count, level int) (*writer, error) {
	if count < 0 || int64(count) > maxIndexCount {
		return nil, fmt.Errorf("%d objects: %w", count, ErrTooLarge)
	}
	p := &writer{all: sha1.New(), count: count, entries: make([]indexEntry, 0, min(count, 1<<20))}
	p.out = bufio.NewWriterSize(io.MultiWriter(p.all, w), 64<<10)
	z, err := zlib.NewWriterLevel(nil, level)
	if err != nil {
		return nil, err
	}
	p.z = z
	_, err = p.Write(packHeader(uint32(count)))
	return p, err
}

// Write takes a piece of the present entry.
func (p *writer) Write(b []byte) (int, error) {
	p.crc = crc32.Update(p.crc, crc32.IEEETable, b)
	n, err := p.out.Write(b)
	p.n += int64(n)
	return n, err
}

// begin starts an entry, and gives where it begins.
func (p *writer) begin(h Hash, kind Kind, size, base int64) error {
	if len(p.entries) == p.count {
		return fmt.Errorf("more than the %d objects announced", p.count)
	}
	offset := p.n
	p.entries = append(p.entries, indexEntry{hash: h, offset: offset})
	p.crc = 0
	var b [maxEntryHeader]byte
	_, err := p.Write(appendEntryHeader(b[:0], kind, size, offset-base))
	return err
}

// end completes the entry.
func (p *writer) end() { p.entries[len(p.entries)-1].crc = p.crc }

// object writes an object whole.
func (p *writer) object(h Hash, kind Kind, data []byte) error {
	if !kind.Valid() || kind.IsDelta() {
		return fmt.Errorf("object %s of kind %d", h, kind)
	}
	if err := p.begin(h, kind, int64(len(data)), 0); err != nil {
		return err
	}
	p.z.Reset(p)
	if _, err := p.z.Write(data); err != nil {
		return err
	}
	if err := p.z.Close(); err != nil {
		return err
	}
	p.end()
	return nil
}

// close writes the trailer and returns it.
func (p *writer) close() (Hash, error) {
	if len(p.entries) != p.count {
		return Hash{}, fmt.Errorf("%d objects instead of the %d announced", len(p.entries), p.count)
	}
	if err := p.out.Flush(); err != nil {
		return Hash{}, err
	}
	trailer := sum(p.all)
	if _, err := p.out.Write(trailer[:]); err != nil {
		return Hash{}, err
	}
	p.n += trailerSize
	return trailer, p.out.Flush()
}

// packFile is a pack that is being made: a temporary file and where it goes.
type packFile struct {
	dir string
	opt WriteOptions
	tmp *os.File
}

func newPackFile(dir string, opt WriteOptions) (*packFile, error) {
	if opt.Tmp == "" {
		opt.Tmp = dir
	}
	tmp, err := os.CreateTemp(opt.Tmp, "tmp_pack_*")
	if err != nil {
		return nil, err
	}
	return &packFile{dir: dir, opt: opt, tmp: tmp}, nil
}

// discard removes what is left; a no-op after finish.
func (f *packFile) discard() {
	if f.tmp != nil {
		_ = f.tmp.Close()
		_ = os.Remove(f.tmp.Name())
		f.tmp = nil
	}
}

// finish writes the index and gives both files their names. It sorts entries.
func (f *packFile) finish(entries []indexEntry, trailer Hash) (Info, error) {
	size, err := f.tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return Info{}, err
	}
	info := Info{Name: "pack-" + trailer.String(), Objects: len(entries), Bytes: size}
	if err := sortEntries(entries); err != nil {
		return Info{}, err
	}
	index, err := f.writeIndex(entries, trailer)
	if err != nil {
		return Info{}, err
	}
	pack := f.tmp
	f.tmp = nil
	err = pack.Chmod(0o444)
	if err == nil && !f.opt.NoSync {
		err = pack.Sync()
	}
	err = errors.Join(err, pack.Close())
	base := filepath.Join(f.dir, info.Name)
	if err == nil {
		err = settle(index, base+".idx")
	}
	if err == nil {
		err = settle(pack.Name(), base+".pack")
	}
	if err == nil && !f.opt.NoSync {
		err = syncDir(f.dir)
	}
	if err != nil {
		_, _ = os.Remove(index), os.Remove(pack.Name())
		return Info{}, err
	}
	return info, nil
}

// settle renames a file to its name, or removes it if that is there already:
// its name is that of its content.
func settle(tmp, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return os.Remove(tmp)
	}
	return os.Rename(tmp, path)
}

func (f *packFile) writeIndex(entries []indexEntry, trailer Hash) (path string, err error) {
	file, err := os.CreateTemp(f.opt.Tmp, "tmp_idx_*")
	if err != nil {
		return "", err
	}
	err = writeIndex(file, entries, trailer)
	if err == nil {
		err = file.Chmod(0o444)
	}
	if err == nil && !f.opt.NoSync {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		_ = os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

// Sync makes packs durable that were written with NoSync: their files, then the
// directory.
func Sync(dir string, names ...string) error {
	for _, name := range names {
		for _, ext := range []string{".idx", ".pack"} {
			if err := syncFile(filepath.Join(dir, name+ext)); err != nil {
				return fmt.Errorf("sync pack: %w", err)
			}
		}
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("sync pack: %w", err)
	}
	return nil
}
