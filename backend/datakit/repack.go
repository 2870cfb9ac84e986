package datakit

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/slipway-desktop/slipway/backend/datakit/pack"
)

// Each checkpoint leaves a pack. When there are more than manySmall below
// smallPack bytes, they become one, so that the number of packs grows with the
// size of the repository and not with its age. Packs with a .keep are somebody's
// who is not done with them.
const (
	manySmall   = 32
	smallPack   = 8 << 20
	repackEvery = time.Minute // between two attempts that failed
)

// repack merges small packs if there are many. git, and our readers, find each
// object at any moment: the new pack is there before an old one goes.
func (s *Store) repack() error {
	small := s.objects.packs.small(smallPack)
	if len(small) <= manySmall {
		return nil
	}
	// Our own descriptors: a rescan may close the ones that others read from.
	var readers []*pack.Reader
	var names []string
	defer func() {
		for _, r := range readers {
			_ = r.Close()
		}
	}()
	dir := s.objects.packs.dir
	count := 0
	from := map[plumbing.Hash]*pack.Reader{}
	for _, name := range small {
		r, err := pack.Open(filepath.Join(dir, name), pack.ReaderOptions{MaxObject: maxObject})
		if errors.Is(err, fs.ErrNotExist) {
			continue // git gc was faster
		}
		if err != nil {
			return err
		}
		readers, names = append(readers, r), append(names, name)
		for h, err := range r.Hashes() {
			if err != nil {
				return err
			}
			if from[h] == nil {
				from[h] = r
				count++
			}
		}
	}
	info, err := pack.Create(dir, count, copies(readers, from), pack.WriteOptions{Tmp: s.refs.tmp})
	if err != nil {
		return err
	}
	if err := s.objects.packs.replace(info.Name, names); err != nil {
		return err
	}
	for _, old := range names {
		if old != info.Name {
			err = errors.Join(err, removePack(dir, old))
		}
	}
	s.mu.Lock()
	s.stats.Packings++
	s.mu.Unlock()
	return errors.Join(err, syncDir(dir))
}

// copies yields each object once, from the pack that is to give it.
func copies(readers []*pack.Reader, from map[plumbing.Hash]*pack.Reader) iter.Seq2[pack.Object, error] {
	return func(yield func(pack.Object, error) bool) {
		for _, r := range readers {
			for h, err := range r.Hashes() {
				if from[h] != r && err == nil {
					continue
				}
				o := pack.Object{Hash: h}
				if err == nil {
					o.Kind, o.Data, err = r.Get(h)
				}
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// small lists the packs below a size that nobody keeps.
func (s *packSet) small(bytes int64) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for _, p := range s.packs {
		if p.Bytes() >= bytes {
			continue
		}
		if _, err := os.Lstat(filepath.Join(s.dir, p.name+".keep")); errors.Is(err, fs.ErrNotExist) {
			names = append(names, p.name)
		}
	}
	return names
}
