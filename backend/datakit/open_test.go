package datakit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.MkdirAll(path("photos/2026"), 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "-q", "--bare", "--object-format=sha256", path("sha256"))
	git(t, dir, "init", "-q", "--bare", path("source"))
	if _, err := gitPut(path("source"), "main", "a", "1"); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "clone", "-q", "--bare", "--shared", path("source"), path("borrower"))
	git(t, dir, "init", "-q", path("worktree"))
	for name, want := range map[string]string{
		"photos":   "not a bare git repository: it holds 2026",
		"worktree": "not a bare git repository: it holds .git",
		"sha256":   "object format sha256 is not supported",
		"borrower": "git repack -ad",
	} {
		if _, err := Open(t.Context(), path(name), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %s: %v", name, err)
		}
	}
	// One that git made is fine, with what is in it.
	s := openAt(t, path("source"), Options{})
	if got := files(t, s, head(t, s, "main"))["a"]; got != "1" {
		t.Errorf("read %q", got)
	}
}

func TestOpenOnce(t *testing.T) {
	s := openTest(t, Options{})
	put(t, s, "main", "x", map[string]string{"a": "1"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, s.Path(), Options{}); !errors.Is(err, ErrInUse) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second open: %v", err)
	}
	watch, err := s.Watch(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	<-watch
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-watch; open {
		t.Error("the watch outlived the store")
	}
	for name, err := range map[string]error{
		"close": s.Close(),
		"head":  second(s.Head("main")),
		"begin": second(s.Begin(t.Context(), "main")),
		"watch": second(s.Watch(t.Context(), "main")),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
	again := openAt(t, s.Path(), Options{})
	if got := files(t, again, head(t, again, "main"))["a"]; got != "1" {
		t.Errorf("read %q", got)
	}
}

func second[T any](_ T, err error) error { return err }

func TestLocks(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	c := put(t, s, "main", "x", map[string]string{"a": "1"})
	syncStore(t, s)
	lock := s.refs.path("main") + ".lock"

	// A lock of git's: waited for, then reported; nothing is lost.
	if err := os.WriteFile(lock, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.refs.wait = 30 * time.Millisecond
	_, err := tryPut(t.Context(), s, "main", "y", map[string]string{"a": "2"})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "remove that file") {
		t.Errorf("commit on a locked branch: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.refs.wait = time.Minute
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := tryPut(ctx, s, "main", "y", map[string]string{"a": "2"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled commit: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, func() { _ = os.Remove(lock) })
	if c2 := put(t, s, "main", "y", map[string]string{"a": "2"}); c2.Parents[0] != c.Hash {
		t.Error("wrong parent")
	}

	// A lock of a dead process of ours goes at the next open; git's stays.
	syncStore(t, s)
	if err := os.WriteFile(lock, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(s.refs.tmp, "ref-123")
	ownLock := s.refs.path("deep/branch") + ".lock"
	if err := errors.Join(os.WriteFile(own, []byte(c.Hash.String()+"\n"), 0o444),
		os.MkdirAll(filepath.Dir(ownLock), 0o755), os.Link(own, ownLock)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	again := openAt(t, s.Path(), Options{})
	if _, err := os.Stat(ownLock); err == nil {
		t.Error("our stale lock is still there")
	}
	if _, err := os.Stat(lock); err != nil {
		t.Error("git's lock was removed")
	}
	put(t, again, "deep/branch", "z", map[string]string{"a": "1"})
}

func TestBranchNames(t *testing.T) {
	s := openTest(t, Options{})
	put(t, s, "a/b", "x", map[string]string{"f": "1"})
	for _, name := range []string{"a", "a/b/c"} {
		if _, err := tryPut(t.Context(), s, name, "x", map[string]string{"f": "1"}); !errors.Is(err, ErrBadBranch) {
			t.Errorf("commit to %s beside a/b: %v", name, err)
		}
	}
	git(t, s.Path(), "pack-refs", "--all")
	if _, err := tryPut(t.Context(), s, "a", "x", map[string]string{"f": "1"}); !errors.Is(err, ErrBadBranch) {
		t.Errorf("commit to a beside a packed a/b: %v", err)
	}
	// After git removed a/b, an empty directory must not be in the way.
	git(t, s.Path(), "update-ref", "-d", "refs/heads/a/b")
	if err := os.MkdirAll(s.refs.path("a/old"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "x", map[string]string{"f": "1"})
	if got, err := s.Branches(); err != nil || strings.Join(got, " ") != "a" {
		t.Errorf("branches %v %v", got, err)
	}
	// Our rules are at least as strict as git's.
	for _, name := range []string{"", "@", "-x", "a..b", "a b", "a.lock", "a.lock/b", ".a", "a/.b", "a//b", "/a", "a/", "a.", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a@{b", "a\x01", "HEAD"} {
		if err := checkBranch(name); !errors.Is(err, ErrBadBranch) {
			t.Errorf("checkBranch(%q): %v", name, err)
		}
	}
}

func TestBrokenBranchFile(t *testing.T) {
	s := openTest(t, Options{})
	put(t, s, "main", "x", map[string]string{"a": "1"})
	syncStore(t, s)
	for _, content := range []string{"", "zzz\n", "ref: refs/heads/other\n", strings.Repeat("0", 40)} {
		if err := os.WriteFile(s.refs.path("main"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Head("main"); !errors.Is(err, ErrDamaged) {
			t.Errorf("head of %q: %v", content, err)
		}
		if _, err := tryPut(t.Context(), s, "main", "y", map[string]string{"a": "2"}); !errors.Is(err, ErrDamaged) {
			t.Errorf("commit on %q: %v", content, err)
		}
	}
}

func TestDamagedObjects(t *testing.T) {
	s := openTest(t, Options{})
	c := put(t, s, "main", "x", map[string]string{"a": "1"})
	s.Close()
	blob := hashOf(3, []byte("1"))
	path := s.objects.loosePath(blob)
	unpack(t, s.Path())
	s = openAt(t, s.Path(), Options{CacheBytes: 1})
	for _, content := range []string{"", "garbage", "x\x9cK\xca\xc9O"} {
		if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
		snap, err := s.Snapshot(c.Hash)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := snap.Read("a"); !errors.Is(err, ErrDamaged) {
			t.Errorf("read of %q: %v", content, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	snap, _ := s.Snapshot(c.Hash)
	if _, err := snap.Read("a"); !errors.Is(err, ErrDamaged) {
		t.Errorf("read of a missing blob: %v", err)
	}
}

// unpack makes loose objects of all packs.
func unpack(t *testing.T, path string) {
	t.Helper()
	packs, _ := filepath.Glob(filepath.Join(path, "objects/pack/*.pack"))
	for _, p := range packs {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(p), os.Remove(strings.TrimSuffix(p, ".pack")+".idx")); err != nil {
			t.Fatal(err)
		}
		cmd := gitCommand(path, "unpack-objects", "-q")
		cmd.Stdin = bytes.NewReader(data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

func syncStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	watch, err := s.Watch(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	if h := <-watch; !h.IsZero() {
		t.Errorf("first %s", h)
	}
	c1 := put(t, s, "main", "1", map[string]string{"a": "1"})
	if h := <-watch; h != c1.Hash {
		t.Errorf("second %s", h)
	}
	put(t, s, "other", "no news", map[string]string{"a": "1"})
	put(t, s, "main", "2", map[string]string{"a": "2"})
	c3 := put(t, s, "main", "3", map[string]string{"a": "3"})
	if h := <-watch; h != c3.Hash {
		t.Errorf("a slow reader gets %s, want the latest", h)
	}
	external, err := gitPut(s.Path(), "main", "b", "1")
	if err != nil {
		t.Fatal(err)
	}
	if h := <-watch; h != external {
		t.Errorf("external %s, want %s", h, external)
	}
	git(t, s.Path(), "update-ref", "-d", "refs/heads/main")
	if h := <-watch; !h.IsZero() {
		t.Errorf("deleted %s", h)
	}
	second, err := s.Watch(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	<-second
	cancel()
	for range watch {
	}
	for range second {
	}
	s.mu.Lock()
	if len(s.watches.all) != 0 || s.watches.stop != nil {
		t.Error("the watch set is not empty")
	}
	s.mu.Unlock()
	// The poller counts as active: Close returns only when it has ended.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openAt(t, s.Path(), Options{}).Watch(ctx, "main"); err != nil {
		t.Errorf("watch with an ended context: %v", err)
	}
}
