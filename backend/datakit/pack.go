package datakit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

const (
	maxPacks     = 512       // open files
	maxPackIndex = 256 << 20 // bytes read into memory for one index
	packCache    = 8 * cache.MiByte
)

// packSet is the packs of a repository that have both their files. A .pack
// without .idx is what a killed git leaves behind: git ignores it, and so do
// we. A pack that git gc deletes stays readable through our open file until
// the next rescan, which comes with the first object it did not have.
type packSet struct {
	dir    string
	mu     sync.Mutex // packfile.Packfile is not safe for concurrent use
	packs  map[string]*pack
	cache  cache.Object
	bad    error // why a pack could not be opened at the last rescan
	closed bool
}

type pack struct {
	*packfile.Packfile
	file *os.File
}

// packFile gives packfile.Packfile the file interface it wants.
type packFile struct{ *os.File }

func (packFile) Lock() error   { return nil }
func (packFile) Unlock() error { return nil }

// object returns fs.ErrNotExist when no known pack has h.
func (s *packSet) object(h Hash) (plumbing.ObjectType, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, p := range s.packs {
		offset, err := p.FindOffset(plumbing.Hash(h))
		if err != nil {
			continue
		}
		kind, data, err := p.read(h, offset)
		if err != nil {
			return 0, nil, fmt.Errorf("%w: object %s in %s: %w", ErrDamaged, h, name, err)
		}
		return kind, data, nil
	}
	if s.bad != nil {
		return 0, nil, fmt.Errorf("%w (%w)", fs.ErrNotExist, s.bad)
	}
	return 0, nil, fs.ErrNotExist
}

func (p *pack) read(h Hash, offset int64) (plumbing.ObjectType, []byte, error) {
	size, err := p.GetSizeByOffset(offset)
	if err != nil {
		return 0, nil, err
	}
	if size < 0 || size > maxObject {
		return 0, nil, ErrTooLarge
	}
	o, err := p.Get(plumbing.Hash(h))
	if err != nil {
		return 0, nil, err
	}
	r, err := o.Reader()
	if err != nil {
		return 0, nil, err
	}
	defer r.Close()
	data := make([]byte, o.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, err
	}
	return o.Type(), data, nil
}

// rescan opens packs that are new and closes those that are gone.
func (s *packSet) rescan() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.cache == nil {
		s.cache = cache.NewObjectLRU(packCache)
		s.packs = map[string]*pack{}
	}
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.bad = nil
	there := map[string]bool{}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".idx")
		if !ok || len(there) == maxPacks {
			continue
		}
		if s.packs[name] == nil {
			p, err := s.open(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile, or half of a pair
			}
			if err != nil {
				// The other packs still serve; a miss tells of this one.
				s.bad = fmt.Errorf("%w: open %s: %w", ErrDamaged, name, err)
				continue
			}
			s.packs[name] = p
		}
		there[name] = true
	}
	for name, p := range s.packs {
		if !there[name] {
			_ = p.file.Close()
			delete(s.packs, name)
		}
	}
	return nil
}

func (s *packSet) open(name string) (*pack, error) {
	base := filepath.Join(s.dir, name)
	index, err := readPackIndex(base + ".idx")
	if err != nil {
		return nil, err
	}
	file, err := os.Open(base + ".pack")
	if err != nil {
		return nil, err
	}
	return &pack{packfile.NewPackfileWithCache(index, nil, packFile{file}, s.cache, 0), file}, nil
}

func readPackIndex(path string) (*idxfile.MemoryIndex, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPackIndex {
		return nil, ErrTooLarge
	}
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(bufio.NewReader(f)).Decode(index); err != nil {
		return nil, err
	}
	return index, nil
}

func (s *packSet) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var err error
	for _, p := range s.packs {
		err = errors.Join(err, p.file.Close())
	}
	s.packs = nil
	return err
}
