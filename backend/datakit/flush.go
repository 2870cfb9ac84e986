package datakit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/slipway-desktop/slipway/backend/datakit/pack"
)

// Git waits 100 ms for a lock, trying some seven times. We keep one for holdFor and
// a flush, then leave it alone for restFor.
const (
	holdFor         = 30 * time.Millisecond
	restFor         = 10 * time.Millisecond
	checkpointEvery = 3 * time.Second
	keepFile        = "keep"
	keepMark        = "slipway datakit: in the journal until the next checkpoint\n"
)

// freshPack is a pack of ours that is not durable yet.
type freshPack struct {
	name   string
	hashes []Hash
}

// kick starts the flusher if it does not run. It ends when git sees everything, and
// everything is durable. Under mu.
func (s *Store) kick() {
	if s.flushing || s.refs == nil || s.closed {
		return
	}
	s.flushing = true
	s.lastCheckpoint = time.Now()
	s.background.Add(1)
	go func() {
		defer s.background.Done()
		s.flushLoop()
	}()
}

func (s *Store) flushLoop() {
	pause, backoff := holdFor, time.Duration(0)
	var noRepack time.Time // before this
	for {
		timer := time.NewTimer(pause)
		select {
		case <-s.stop: // Close does the rest
			timer.Stop()
			return
		case <-timer.C:
		}
		err := s.flush()
		s.mu.Lock()
		due := time.Since(s.lastCheckpoint) > checkpointEvery
		s.mu.Unlock()
		if err == nil && (due || s.journal.Nearly()) {
			if err = s.checkpoint(); err == nil && time.Now().After(noRepack) {
				// That packs stay small is no reason to hold commits back.
				if packing := s.repack(); packing != nil {
					noRepack = time.Now().Add(repackEvery)
					s.opt.Log.Warn("cannot merge small packs", "error", packing)
				}
			}
		}
		pause = holdFor + restFor
		if err != nil {
			backoff = min(2*backoff+100*time.Millisecond, 5*time.Second)
			pause = backoff
		} else {
			backoff = 0
		}
		s.mu.Lock()
		s.problem(err)
		if err == nil && len(s.unflushed) == 0 && len(s.queue) == 0 && s.heldCount() == 0 && s.flushedSeq == s.doneSeq {
			s.flushing = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// problem notes how flushing goes; a new problem is logged once. Under mu.
func (s *Store) problem(err error) {
	text := ""
	if err != nil {
		text = err.Error()
		if s.stats.LastProblem == "" {
			s.opt.Log.Error("cannot bring commits into git's files; they are safe in the journal", "error", err)
		}
	} else if s.stats.LastProblem != "" {
		s.opt.Log.Info("commits are in git's files again")
	}
	s.stats.LastProblem = text
}

func (s *Store) heldCount() (n int) {
	for _, st := range s.branches {
		if st.held {
			n++
		}
	}
	return n
}

// flush shows git all that was acknowledged, and gives the locks back.
func (s *Store) flush() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	held := map[string]*branchState{}
	for name, st := range s.branches {
		if !st.held {
			continue
		}
		held[name] = st
		if !st.closing {
			st.closing, st.free = true, make(chan struct{})
		}
	}
	last := s.queue
	s.mu.Unlock()
	if len(last) > 0 {
		_ = last[len(last)-1].pos.Wait() // who made the commit gets the error
	}
	s.mu.Lock()
	s.reap()
	work := s.unflushed
	for i, a := range work {
		// A branch may have been taken, and changed, since we looked.
		if slices.ContainsFunc(a.rec.updates, func(u update) bool { return held[u.branch] == nil }) {
			work = work[:i]
			break
		}
	}
	s.mu.Unlock()
	if err := s.show(work, held); err != nil {
		// The branches stay locked, as they hold acknowledged commits, but take
		// more of them.
		s.release(held, false)
		return err
	}
	s.mu.Lock()
	s.unflushed = s.unflushed[len(work):]
	if len(work) > 0 {
		s.stats.Flushes++
	}
	s.mu.Unlock()
	for _, a := range work {
		s.objects.drop(a.rec.objects)
	}
	s.release(held, true)
	return nil
}

// show writes a pack of the objects of changes, and moves the refs.
func (s *Store) show(work []*appended, held map[string]*branchState) error {
	if len(work) == 0 {
		return nil
	}
	if err := s.writeFresh(work); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	next := map[string]Hash{}
	for _, a := range work {
		for _, u := range a.rec.updates {
			next[u.branch] = u.new
		}
	}
	for name, next := range next {
		st := held[name]
		s.mu.Lock()
		same := st.shown == next
		s.mu.Unlock()
		if same {
			continue
		}
		if err := s.fault("ref", name); err != nil {
			return err
		}
		if err := s.refs.show(name, next); err != nil {
			return fmt.Errorf("write branch %s: %w", name, err)
		}
		s.mu.Lock()
		st.shown = next
		s.mu.Unlock()
		s.dirtyRefs[name] = true
	}
	// Before the locks go: after a crash it tells what git did from what we did.
	last := work[len(work)-1].pos.Seq
	pos, err := s.journal.Append(logRecord{flushed: last}.encode(), false)
	if err == nil {
		err = pos.Wait()
	}
	if err != nil {
		s.opt.Log.Debug("note a flush", "error", err) // recovery then repeats it
	}
	s.mu.Lock()
	s.reap()
	s.flushedSeq = last
	s.mu.Unlock()
	return nil
}

// release ends a flush. With done, the branches that it has shown go back to git.
func (s *Store) release(held map[string]*branchState, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, st := range held {
		st.closing = false
		close(st.free)
		if done && st.shown == st.head {
			_ = os.Remove(s.refs.path(name) + ".lock")
			st.held, st.pending = false, false
			st.gen++
			st.rest = time.Now().Add(restFor)
			if len(s.branches) > 1024 && !s.watched(name) {
				delete(s.branches, name)
			}
		}
	}
}

func (s *Store) fault(op, path string) error {
	if s.opt.fault == nil {
		return nil
	}
	return s.opt.fault(op, path)
}

// writeFresh makes one pack of what several changes brought.
func (s *Store) writeFresh(work []*appended) error {
	seen := map[Hash]bool{}
	var objects []newObject
	for _, a := range work {
		for _, o := range a.rec.objects {
			if !seen[o.hash] {
				seen[o.hash] = true
				objects = append(objects, o)
			}
		}
	}
	if len(objects) == 0 {
		return nil
	}
	if err := s.fault("pack", s.objects.packs.dir); err != nil {
		return err
	}
	name, err := s.writePack(objects, true)
	if err != nil {
		return err
	}
	fresh := freshPack{name: name}
	for _, o := range objects {
		fresh.hashes = append(fresh.hashes, o.hash)
	}
	s.fresh = append(s.fresh, fresh)
	return s.objects.packs.replace(name, nil)
}

// writePack writes objects as one pack. With keep it is not synced, and marked by a
// .keep file that is there before the pack: git gc leaves such a pack alone.
func (s *Store) writePack(objects []newObject, keep bool) (name string, err error) {
	dir := s.objects.packs.dir
	to := dir
	if keep {
		to = s.refs.tmp
	}
	info, err := pack.Create(to, len(objects), packObjects(objects), pack.WriteOptions{Tmp: s.refs.tmp, NoSync: keep})
	if err != nil || !keep {
		return info.Name, err
	}
	defer func() {
		_ = os.Remove(filepath.Join(to, info.Name+".idx"))
		_ = os.Remove(filepath.Join(to, info.Name+".pack"))
	}()
	if _, err := os.Stat(filepath.Join(dir, info.Name+".pack")); err == nil {
		return info.Name, nil // the same objects once more
	}
	// A link to a durable file: never empty, whatever happens.
	err = os.Link(filepath.Join(s.refs.tmp, keepFile), filepath.Join(dir, info.Name+".keep"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	for _, ext := range []string{".idx", ".pack"} {
		if err := os.Rename(filepath.Join(to, info.Name+ext), filepath.Join(dir, info.Name+ext)); err != nil {
			return "", err
		}
	}
	return info.Name, nil
}

func packObjects(objects []newObject) iter.Seq2[pack.Object, error] {
	return func(yield func(pack.Object, error) bool) {
		for _, o := range objects {
			if !yield(pack.Object{Hash: plumbing.Hash(o.hash), Kind: o.kind, Data: o.data}, nil) {
				return
			}
		}
	}
}

// checkpoint makes durable in git's files what is in git's view, and frees the
// journal of it. The small packs since the last one become one. Their .keep files
// go before the journal forgets: a marked pack is taken for torn after a crash.
func (s *Store) checkpoint() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	seq := s.flushedSeq
	s.lastCheckpoint = time.Now()
	if seq == s.doneSeq {
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if err := s.fault("checkpoint", s.path); err != nil {
		return err
	}
	if err := s.settlePacks(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	for name := range s.dirtyRefs {
		if err := s.refs.sync(name); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	clear(s.dirtyRefs)
	if err := s.journal.Checkpoint(seq); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	s.mu.Lock()
	s.doneSeq = seq
	s.stats.Checkpoints++
	s.mu.Unlock()
	return nil
}

// settlePacks makes the fresh packs one, durable and unmarked.
func (s *Store) settlePacks() error {
	if len(s.fresh) == 0 {
		return nil
	}
	dir := s.objects.packs.dir
	var objects []newObject
	var names []string
	seen := map[Hash]bool{}
	for _, f := range s.fresh {
		names = append(names, f.name)
		for _, h := range f.hashes {
			if seen[h] {
				continue
			}
			seen[h] = true
			kind, data, err := s.objects.any(h)
			if err != nil {
				return err
			}
			objects = append(objects, newObject{h, kind, data})
		}
	}
	name, err := s.writePack(objects, false)
	if err != nil {
		return err
	}
	if err := pack.Sync(dir, name); err != nil { // it may be one of the small ones
		return err
	}
	if err := s.objects.packs.replace(name, names); err != nil {
		return err
	}
	for _, old := range names {
		err = errors.Join(err, ignoreNotExist(os.Remove(filepath.Join(dir, old+".keep"))))
		if old != name {
			err = errors.Join(err, removePack(dir, old))
		}
	}
	if err := errors.Join(err, syncDir(dir)); err != nil {
		return err
	}
	s.fresh = nil
	return nil
}

// removePack removes the files of a pack; the index last, as git does it.
func removePack(dir, name string) error {
	return errors.Join(ignoreNotExist(os.Remove(filepath.Join(dir, name+".pack"))),
		ignoreNotExist(os.Remove(filepath.Join(dir, name+".idx"))))
}

// Sync returns once everything acknowledged is in git's view and durable as git's
// files.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if s.refs == nil {
		return ctx.Err()
	}
	if err := errors.Join(s.flush(), s.checkpoint()); err != nil {
		return err
	}
	return ctx.Err()
}
