package datakit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/slipway-desktop/slipway/backend/datakit/pack"
)

// PutPack stores the objects of a pack that a git server sent, and returns when they
// are durable. The pack is believed in nothing: see pack.Index. A thin pack is
// completed with objects of the store. In a store without a disk the pack may have
// 256 MiB. The hashes of what it holds are not told: nil.
func (s *Store) PutPack(ctx context.Context, r io.Reader) ([]Hash, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	resolve := func(h plumbing.Hash) (plumbing.ObjectType, []byte, error) { return s.objects.any(Hash(h)) }
	opt := pack.IndexOptions{Has: func(h plumbing.Hash) bool {
		_, err := s.objects.find(Hash(h))
		return err == nil
	}}
	if s.refs == nil {
		return nil, s.putPackInMemory(ctx, r, resolve, opt)
	}
	opt.Tmp = s.refs.tmp
	info, err := pack.Index(ctx, r, s.objects.packs.dir, resolve, opt)
	if err != nil {
		if isNoSpace(err) {
			err = fmt.Errorf("%w (%w)", ErrNoSpace, err)
		}
		return nil, fmt.Errorf("store pack: %w", err)
	}
	if info.Objects == 0 {
		return nil, nil
	}
	return nil, s.objects.packs.replace(info.Name, nil)
}

// putPackInMemory takes the way over a temporary directory, as packs are files.
func (s *Store) putPackInMemory(ctx context.Context, r io.Reader, resolve func(plumbing.Hash) (plumbing.ObjectType, []byte, error), opt pack.IndexOptions) error {
	dir, err := os.MkdirTemp("", "slipway-pack-*")
	if err != nil {
		return fmt.Errorf("store pack: %w", err)
	}
	defer os.RemoveAll(dir)
	opt.NoSync, opt.MaxBytes, opt.MaxObject, opt.MaxContent = true, 256<<20, maxObject, 1<<30
	info, err := pack.Index(ctx, r, dir, resolve, opt)
	if err != nil || info.Objects == 0 {
		return err
	}
	p, err := pack.Open(filepath.Join(dir, info.Name), pack.ReaderOptions{MaxObject: maxObject})
	if err != nil {
		return fmt.Errorf("store pack: %w", err)
	}
	defer p.Close()
	for o, err := range p.Objects() {
		if err != nil {
			return fmt.Errorf("store pack: %w", err)
		}
		s.objects.hold([]newObject{{Hash(o.Hash), o.Kind, bytes.Clone(o.Data)}})
	}
	return nil
}

const remotesPrefix = "refs/remotes/"

// checkRef allows the names of remote-tracking refs only.
func checkRef(name string) error {
	rest, ok := strings.CutPrefix(name, remotesPrefix)
	if !ok {
		return fmt.Errorf("%w %q: want one below %s", ErrBadBranch, clip(name), remotesPrefix)
	}
	return checkBranch(rest)
}

// Ref returns the value of a remote-tracking ref, refs/remotes/REMOTE/BRANCH; the
// error is ErrNotExist when there is none.
func (s *Store) Ref(name string) (Hash, error) {
	if err := checkRef(name); err != nil {
		return Hash{}, err
	}
	if err := s.enter(); err != nil {
		return Hash{}, err
	}
	defer s.leave()
	h, err := Hash{}, error(nil)
	if s.refs == nil {
		s.mu.Lock()
		h = s.memRefs[name]
		s.mu.Unlock()
	} else {
		h, err = s.refs.readAny(name)
	}
	if err == nil && h.IsZero() {
		err = fmt.Errorf("%s: %w", name, ErrNotExist)
	}
	return h, err
}

// SetRef sets a remote-tracking ref, whatever it was, and returns when that is
// durable. The zero Hash removes it.
func (s *Store) SetRef(ctx context.Context, name string, h Hash) error {
	if err := checkRef(name); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if !h.IsZero() {
		if _, err := s.objects.find(h); err != nil {
			return err
		}
	}
	if s.refs == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.memRefs[name] = h
		return nil
	}
	s.flushMu.Lock() // of the temporary file's name
	defer s.flushMu.Unlock()
	return s.refs.setAny(ctx, name, h)
}

func (r *refStore) readAny(name string) (Hash, error) {
	data, err := readBounded(filepath.Join(r.repo, filepath.FromSlash(name)), maxRefFile)
	if err == nil {
		return parseRef(data)
	}
	if data, err = readBounded(filepath.Join(r.repo, "packed-refs"), maxPackedRefs); err != nil {
		return Hash{}, ignoreNotExist(err)
	}
	for line := range strings.Lines(string(data)) {
		if text, ref, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " "); ref == name && text != "#" {
			return ParseHash(text)
		}
	}
	return Hash{}, nil
}

func (r *refStore) setAny(ctx context.Context, name string, h Hash) error {
	path := filepath.Join(r.repo, filepath.FromSlash(name))
	if err := r.lock(ctx, r.mark, path+".lock"); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	defer os.Remove(path + ".lock")
	var err error
	if h.IsZero() {
		if err = r.unpack(ctx, r.mark, name); err == nil {
			err = ignoreNotExist(os.Remove(path))
		}
	} else {
		err = r.put(path, h)
	}
	if err == nil {
		err = r.syncPath(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
