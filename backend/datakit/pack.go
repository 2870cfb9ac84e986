package datakit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/slipway-desktop/slipway/backend/datakit/pack"
)

const (
	maxPacks  = 4096     // open packs; repack keeps ours far below
	packCache = 16 << 20 // bytes of bases of deltas
)

// packSet is the packs of a repository that have both their files. A .pack
// without .idx is what a killed git leaves behind: git ignores it, and so do
// we. A pack that git gc deletes stays readable through our open file until
// the next rescan, which comes with the first object that no pack had.
type packSet struct {
	dir   string
	cache *pack.Cache

	mu     sync.RWMutex // held for reading while a pack is read
	packs  []*openPack  // the one that had the last object first
	bad    error        // why a pack could not be opened at the last rescan
	closed bool
}

type openPack struct {
	*pack.Reader
	name string
}

// object returns fs.ErrNotExist when no known pack has h.
func (s *packSet) object(h Hash) (plumbing.ObjectType, []byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.packs {
		if !p.Has(plumbing.Hash(h)) {
			continue
		}
		kind, data, err := p.Get(plumbing.Hash(h))
		if errors.Is(err, pack.ErrTooLarge) {
			return 0, nil, fmt.Errorf("object %s: %w", h, ErrTooLarge)
		}
		if err != nil {
			return 0, nil, fmt.Errorf("%w: object %s in %s: %w", ErrDamaged, h, p.name, err)
		}
		return kind, data, nil
	}
	if s.bad != nil {
		return 0, nil, fmt.Errorf("%w (%w)", fs.ErrNotExist, s.bad)
	}
	return 0, nil, fs.ErrNotExist
}

// rescan opens packs that are new and closes those that are gone.
func (s *packSet) rescan() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known := map[string]*openPack{}
	for _, p := range s.packs {
		known[p.name] = p
	}
	s.bad = nil
	s.packs = s.packs[:0:0]
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), ".idx")
		if !ok || len(s.packs) == maxPacks {
			continue
		}
		p := known[name]
		if p == nil {
			p, err = s.open(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile, or half of a pair
			}
			if err != nil {
				// The other packs still serve; a miss tells of this one.
				s.bad = fmt.Errorf("%w: open %s: %w", ErrDamaged, name, err)
				continue
			}
		}
		delete(known, name)
		s.packs = append(s.packs, p)
	}
	for _, p := range known {
		_ = p.Close()
	}
	return nil
}

func (s *packSet) open(name string) (*openPack, error) {
	r, err := pack.Open(filepath.Join(s.dir, name), pack.ReaderOptions{MaxObject: maxObject, Cache: s.cache})
	if err != nil {
		return nil, err
	}
	return &openPack{r, name}, nil
}

// replace makes a new pack known, and forgets those that it stands for.
func (s *packSet) replace(add string, forget []string) error {
	p, err := s.open(add)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.Join(ErrClosed, p.Close())
	}
	gone := map[string]bool{add: true}
	for _, name := range forget {
		gone[name] = true
	}
	kept := []*openPack{p}
	for _, old := range s.packs {
		if gone[old.name] {
			_ = old.Close()
		} else {
			kept = append(kept, old)
		}
	}
	s.packs = kept
	return nil
}

func (s *packSet) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.packs)
}

func (s *packSet) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var err error
	for _, p := range s.packs {
		err = errors.Join(err, p.Close())
	}
	s.packs = nil
	return err
}

// size and stream are of a packed object; the error wraps fs.ErrNotExist when no
// known pack has it.
func (s *packSet) size(h Hash) (plumbing.ObjectType, int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.packs {
		if p.Has(plumbing.Hash(h)) {
			return p.Size(plumbing.Hash(h))
		}
	}
	return 0, 0, fs.ErrNotExist
}

func (s *packSet) stream(h Hash) (int64, io.ReadCloser, error) {
	s.mu.RLock()
	for _, p := range s.packs {
		if p.Has(plumbing.Hash(h)) {
			_, size, r, err := p.Open(plumbing.Hash(h))
			if err != nil {
				s.mu.RUnlock()
				return 0, nil, err
			}
			return size, unlocking{r, s.mu.RUnlock}, nil
		}
	}
	s.mu.RUnlock()
	return 0, nil, fs.ErrNotExist
}

// unlocking keeps the packs open while one is streamed.
type unlocking struct {
	io.ReadCloser
	unlock func()
}

func (u unlocking) Close() error {
	defer u.unlock()
	return u.ReadCloser.Close()
}
