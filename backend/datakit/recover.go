package datakit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit/journal"
	"github.com/slipway-desktop/slipway/backend/datakit/pack"
)

// recovery brings into git's files what a killed process of ours, or a machine that
// lost power, left in the journal.
//
// Objects: all of the journal's become one durable pack. Then the packs with our
// mark go, which may be torn; they hold nothing that the journal does not.
//
// Branches: the journal's changes of a branch make a chain of values. If the
// process was killed (the boot is the same) the system kept what it wrote, so the
// last "flushed" record is true: what came before it was shown to git while we held
// the lock, and a value that differs now is git's own doing, later. What comes
// after it was acknowledged, or at least written, under a lock that still stands;
// the branch goes to the end of the chain.
//
// If the power was lost, refs may be older than the journal, empty, or missing, and
// a branch with one of the chain's values goes to its end. If git had set the
// branch back to one of those values since, that is undone: too much is kept,
// never too little. A value outside of the chain was written by git under its own
// lock, when we had shown it all that was acknowledged (a value that we built on is
// in the chain): it stays.
type recovery struct {
	s       *Store
	boot    string
	killed  bool // the same boot, so nothing that was written is lost
	objects []newObject
	seen    map[Hash]bool
	chains  map[string][]logged
	flushed uint64
	locks   []string // of the dead process
	pack    string   // of the objects
}

type logged struct {
	update
	seq uint64
}

func (s *Store) recover() error {
	r := recovery{s: s, boot: journal.BootID(), killed: true, seen: map[Hash]bool{}, chains: map[string][]logged{}}
	if s.opt.boot != "" {
		r.boot = s.opt.boot
	}
	var err error
	if r.locks, err = s.refs.stale(); err != nil {
		return fmt.Errorf("look for stale locks: %w", err)
	}
	dir := filepath.Join(s.path, ownDir)
	last, err := journal.Replay(dir, r.read)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	if len(r.objects) > 0 {
		if r.pack, err = s.rewritePack(r.objects); err != nil {
			return fmt.Errorf("recover objects: %w", err)
		}
	}
	if err := r.removeMarked(); err != nil {
		return fmt.Errorf("remove unfinished packs: %w", err)
	}
	if err := s.objects.packs.rescan(); err != nil {
		return err
	}
	for branch, chain := range r.chains {
		if err := r.forward(branch, chain); err != nil {
			return fmt.Errorf("recover branch %s: %w", branch, err)
		}
	}
	if err := s.refs.clean(r.locks); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	for _, f := range r.locks {
		s.opt.Log.Warn("removed the lock of a process that died", "file", f)
	}
	if err := journal.Remove(dir); err != nil {
		return err
	}
	s.journal = journal.New(dir, last, journal.Options{Boot: r.boot, Fault: s.opt.fault})
	return nil
}

func (r *recovery) read(rec journal.Record) error {
	d, err := decodeLogRecord(slices.Clone(rec.Data))
	if err != nil {
		return err
	}
	if rec.Boot == "" || rec.Boot != r.boot {
		r.killed = false
	}
	r.flushed = max(r.flushed, d.flushed)
	for _, u := range d.updates {
		r.chains[u.branch] = append(r.chains[u.branch], logged{u, rec.Seq})
	}
	for _, o := range d.objects {
		if !r.seen[o.hash] {
			r.seen[o.hash] = true
			r.objects = append(r.objects, o)
		}
	}
	return nil
}

// removeMarked removes packs of ours that were not durable, except one that is also
// the pack of the journal's objects, which is durable by now.
func (r *recovery) removeMarked() error {
	dir := r.s.objects.packs.dir
	keeps, err := filepath.Glob(filepath.Join(globQuote(dir), "*.keep"))
	if err != nil {
		return err
	}
	removed := false
	for _, path := range keeps {
		text, err := readBounded(path, 4096)
		if err != nil || string(text) != keepMark {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".keep")
		if name != r.pack {
			if err := removePack(dir, name); err != nil {
				return err
			}
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		removed = true
	}
	if removed {
		return syncDir(dir)
	}
	return nil
}

// forward brings a branch to the end of its chain.
func (r *recovery) forward(branch string, chain []logged) error {
	refs := r.s.refs
	end := chain[len(chain)-1]
	if r.killed && end.seq <= r.flushed {
		return nil
	}
	lock := refs.path(branch) + ".lock"
	if !slices.Contains(r.locks, lock) {
		return r.forwardLocked(branch, chain, true)
	}
	return r.forwardLocked(branch, chain, false)
}

func (r *recovery) forwardLocked(branch string, chain []logged, lock bool) error {
	refs := r.s.refs
	if lock { // ours went, or was never made: git may be at it
		mark := filepath.Join(refs.tmp, "ref-recover")
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return err
		}
		path := refs.path(branch) + ".lock"
		if err := refs.lock(r.s.openCtx, mark, path); err != nil {
			return err
		}
		defer os.Remove(path)
	}
	end := chain[len(chain)-1].new
	current, err := r.s.readRef(branch)
	known := err != nil || current.IsZero() || slices.ContainsFunc(chain, func(l logged) bool {
		return (!r.killed || l.seq > r.flushed) && (l.old == current || l.new == current)
	})
	if err == nil && current == end {
		return refs.sync(branch)
	}
	if !known {
		r.s.opt.Log.Warn("left a branch as git has set it", "branch", branch, "head", current, "journal", end)
		return nil
	}
	if err := refs.show(branch, end); err != nil {
		return err
	}
	r.s.opt.Log.Warn("recovered a branch from the journal", "branch", branch, "from", current, "to", end)
	return refs.sync(branch)
}

// globQuote keeps a directory's name from being a pattern.
func globQuote(dir string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(dir)
}

// rewritePack is writePack, durable, even if a torn pack of this name exists.
func (s *Store) rewritePack(objects []newObject) (string, error) {
	info, err := pack.Create(s.refs.tmp, len(objects), packObjects(objects), pack.WriteOptions{Tmp: s.refs.tmp})
	if err != nil {
		return "", err
	}
	for _, ext := range []string{".idx", ".pack"} {
		if err := os.Rename(filepath.Join(s.refs.tmp, info.Name+ext), filepath.Join(s.objects.packs.dir, info.Name+ext)); err != nil {
			return "", err
		}
	}
	return info.Name, syncDir(s.objects.packs.dir)
}
