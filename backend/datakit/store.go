package datakit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/config"

	"github.com/slipway-desktop/slipway/backend/datakit/journal"
)

// Author names who made a commit.
type Author struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Options of Open. The zero value works.
type Options struct {
	// Author of commits that name none. Default: slipway <slipway@localhost>.
	Author Author
	// Validate holds, by branch, the check that a tree has to pass before it
	// becomes the branch's head. It must not call the Store, nor keep the
	// Snapshot.
	Validate map[string]func(Snapshot) error
	// DefaultBranch is what HEAD of a new repository names, so that a plain
	// `git log` shows it. Default: main.
	DefaultBranch string
	// Log receives what a crash left behind and was cleaned. nil discards.
	Log *slog.Logger
	// CacheBytes bounds the cache of objects. Default: 64 MiB.
	CacheBytes int64
	// Now stamps commits. Default: time.Now.
	Now func() time.Time

	// fault is asked before operations on files, and may fail them: for tests.
	fault func(op, path string) error
	// boot replaces the id of this boot, likewise.
	boot string
}

const (
	ownDir       = "datakit"       // inside the repository: lock and temporary files
	openWait     = time.Second     // for a process of ours that is about to end
	refLockWait  = 3 * time.Second // for git, which holds a lock for milliseconds
	pollInterval = 200 * time.Millisecond
)

// Store is an open repository, or one in memory. All methods may be called
// concurrently.
type Store struct {
	path    string
	opt     Options
	openCtx context.Context // of Open, while it recovers
	lock    *os.File
	objects *objectDB
	refs    *refStore        // nil in memory
	journal *journal.Journal // nil in memory
	stop    chan struct{}    // ends the flusher

	active     sync.WaitGroup // calls in flight and the poller
	background sync.WaitGroup // the flusher

	mu        sync.Mutex
	closed    bool
	turns     map[string]*turnOf
	checks    map[string]func(Snapshot) error // by branch
	branches  map[string]*branchState
	queue     []*appended // to the journal, not acknowledged
	unflushed []*appended // acknowledged, not in git's view; in order
	flushing  bool        // the flusher runs
	stats     Stats
	watches   watchSet
	moves     moveLog
	walks     walkCache       // of Page
	memRefs   map[string]Hash // refs that are no branches, in memory

	// Of who holds flushMu; the sequence numbers are also read under mu.
	flushMu        sync.Mutex
	fresh          []freshPack
	dirtyRefs      map[string]bool
	flushedSeq     uint64
	doneSeq        uint64    // of the last checkpoint
	lastCheckpoint time.Time // under mu
}

// turnOf is the seat of who writes to a branch, and how many want it.
type turnOf struct {
	seat  chan struct{}
	users int
}

// Open opens the bare repository at path, and creates it when path does not
// exist or is an empty directory. It removes what a killed process of ours left
// there. It returns ErrInUse when a living process has the repository open. It
// starts nothing; call Close to let go of the repository.
func Open(ctx context.Context, path string, opt Options) (*Store, error) {
	opt, err := opt.complete()
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	s, err := open(ctx, path, opt)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", path, err)
	}
	return s, nil
}

// OpenMemory makes an empty store that behaves like one on a disk, but for its
// Path, which is "", and for git, which cannot see it. Its content ends with it.
func OpenMemory(opt Options) (*Store, error) {
	opt, err := opt.complete()
	if err != nil {
		return nil, err
	}
	return newStore("", opt), nil
}

func (opt Options) complete() (Options, error) {
	if opt.Author == (Author{}) {
		opt.Author = Author{Name: "slipway", Email: "slipway@localhost"}
	}
	if opt.DefaultBranch == "" {
		opt.DefaultBranch = "main"
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.CacheBytes == 0 {
		opt.CacheBytes = defaultCache
	}
	for branch := range opt.Validate {
		if err := checkBranch(branch); err != nil {
			return opt, err
		}
	}
	return opt, checkBranch(opt.DefaultBranch)
}

func newStore(path string, opt Options) *Store {
	s := &Store{
		path: path, opt: opt,
		stop:      make(chan struct{}),
		turns:     map[string]*turnOf{},
		checks:    map[string]func(Snapshot) error{},
		branches:  map[string]*branchState{},
		memRefs:   map[string]Hash{},
		dirtyRefs: map[string]bool{},
	}
	maps.Copy(s.checks, opt.Validate)
	tmp := ""
	if path != "" {
		tmp = filepath.Join(path, ownDir, "tmp")
		s.refs = &refStore{repo: path, tmp: tmp, wait: refLockWait}
	}
	s.objects = newObjectDB(path, tmp, opt.CacheBytes)
	return s
}

func open(ctx context.Context, path string, opt Options) (*Store, error) {
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	s := newStore(path, opt)
	if err := os.MkdirAll(s.refs.tmp, 0o700); err != nil {
		return nil, err
	}
	var err error
	if s.lock, err = takeLock(ctx, filepath.Join(path, ownDir, "lock")); err != nil {
		return nil, err
	}
	s.openCtx = ctx
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.objects.close(), s.lock.Close())
	}
	s.openCtx = nil
	return s, nil
}

// checkPlace refuses a directory that holds something else than a repository.
func checkPlace(path string) error {
	if _, err := os.Stat(filepath.Join(path, "HEAD")); err == nil {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		switch e.Name() {
		case ownDir, "objects", "refs", "config": // a creation that was cut short
		default:
			return fmt.Errorf("not a bare git repository: it holds %s", e.Name())
		}
	}
	return nil
}

// takeLock waits a little: the process that had the repository may be ending.
func takeLock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(openWait)
	for {
		err := tryLock(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, ErrInUse) || time.Now().After(deadline) {
			_ = f.Close()
			return nil, err
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			_ = f.Close()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// prepare creates what a repository has to have, refuses formats that this
// package does not read, and cleans up after a crash.
func (s *Store) prepare() error {
	for _, dir := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(s.path, filepath.FromSlash(dir)), 0o777); err != nil {
			return err
		}
	}
	const bare = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	if err := s.createFile("config", bare); err != nil {
		return err
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	// HEAD comes last: with it, the directory is a repository to git.
	if err := s.createFile("HEAD", "ref: "+headsPrefix+s.opt.DefaultBranch+"\n"); err != nil {
		return err
	}
	return s.recover()
}

func (s *Store) createFile(name, content string) error {
	path := filepath.Join(s.path, name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	tmp, err := writeTemp(s.refs.tmp, "file-*", 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	for _, dir := range []string{"objects", "refs", "."} {
		if err := syncDir(filepath.Join(s.path, dir)); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(s.path))
}

func (s *Store) checkFormat() error {
	data, err := readBounded(filepath.Join(s.path, "config"), 1<<20)
	if err != nil {
		return err
	}
	var c config.Config
	if err := config.NewDecoder(bytes.NewReader(data)).Decode(&c); err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	ext := c.Section("extensions")
	if format := ext.Option("objectformat"); format != "" && !strings.EqualFold(format, "sha1") {
		return fmt.Errorf("object format %s is not supported, only sha1", clip(format))
	}
	if format := ext.Option("refstorage"); format != "" && !strings.EqualFold(format, "files") {
		return fmt.Errorf("ref storage %s is not supported, only files", clip(format))
	}
	if _, err := os.Stat(filepath.Join(s.path, "objects", "info", "alternates")); err == nil {
		return errors.New("it borrows objects from another repository; run `git repack -ad` in it and remove objects/info/alternates")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Path returns the directory of the repository.
func (s *Store) Path() string { return s.path }

// Close waits for calls in flight, ends watches and lets go of the repository.
// Later calls return ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	s.watches.close()
	s.mu.Unlock()
	s.moves.close()
	s.active.Wait()
	close(s.stop)
	s.background.Wait()
	if s.refs == nil {
		return nil
	}
	err := errors.Join(s.flush(), s.checkpoint())
	if err != nil {
		err = fmt.Errorf("leave acknowledged commits in the journal, for the next start: %w", err)
	} else {
		err = errors.Join(os.Remove(s.refs.mark), os.Remove(filepath.Join(s.refs.tmp, keepFile)))
	}
	return errors.Join(err, s.journal.Close(err == nil), s.objects.close(), s.lock.Close())
}

// enter counts a call that Close has to wait for; the caller calls leave.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.active.Add(1)
	return nil
}

func (s *Store) leave() { s.active.Done() }

// Branches returns the names of all branches, sorted.
func (s *Store) Branches() ([]string, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.names()
}

// Head returns the commit a branch points to now, or ErrNoBranch. It reads the
// repository, so it sees what git did.
func (s *Store) Head(branch string) (Hash, error) {
	if err := checkBranch(branch); err != nil {
		return Hash{}, err
	}
	if err := s.enter(); err != nil {
		return Hash{}, err
	}
	defer s.leave()
	h, err := s.headOrZero(branch)
	if err == nil && h.IsZero() {
		err = fmt.Errorf("%s: %w", branch, ErrNoBranch)
	}
	return h, err
}

// Snapshot returns the tree of a commit; the empty tree for the zero Hash.
func (s *Store) Snapshot(commit Hash) (Snapshot, error) {
	if err := s.enter(); err != nil {
		return Snapshot{}, err
	}
	defer s.leave()
	tree, err := treeOf(s.objects, commit)
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{objects: s.objects, commit: commit, tree: tree}, nil
}

// turn waits until this goroutine is the only one of this process that writes
// to branch; the caller calls done. It keeps transactions from starving each
// other; correctness comes from compare-and-set.
func (s *Store) turn(ctx context.Context, branch string) (done func(), err error) {
	s.mu.Lock()
	t := s.turns[branch]
	if t == nil {
		t = &turnOf{seat: make(chan struct{}, 1)}
		s.turns[branch] = t
	}
	t.users++
	s.mu.Unlock()
	gone := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(s.turns, branch)
		}
	}
	select {
	case t.seat <- struct{}{}:
		return func() { <-t.seat; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, ctx.Err()
	}
}
