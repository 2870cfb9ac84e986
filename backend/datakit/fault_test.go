package datakit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestFaults fails one kind of operation from the n-th on, for some n, and again
// lets it work: each commit is acknowledged or refused with a reason, and the next
// start finds exactly those that were acknowledged (and at most one whose sync
// failed).
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "write", "sync", "pack", "ref", "checkpoint"} {
		for _, n := range []int64{0, 1, 3} {
			t.Run(fmt.Sprint(op, n), func(t *testing.T) {
				t.Parallel()
				var calls, off atomic.Int64
				s := openTest(t, Options{fault: func(what, _ string) error {
					if what == op && off.Load() == 0 && calls.Add(1) > n {
						return syscall.ENOSPC
					}
					return nil
				}})
				acked := map[string]string{}
				commit := func(name string) error {
					_, err := tryPut(t.Context(), s, "main", name, map[string]string{name: name})
					if err == nil {
						acked[name] = name
					}
					return err
				}
				readOnly := false
				for i := range 6 {
					switch err := commit(fmt.Sprint("a", i)); {
					case errors.Is(err, ErrReadOnly):
						readOnly = true
					case err != nil && !errors.Is(err, ErrNoSpace):
						t.Errorf("commit: %v", err)
					}
				}
				if err := s.Sync(t.Context()); err == nil && n == 0 && len(acked) > 0 {
					t.Error("Sync does not tell")
				}
				off.Store(1)
				if err := commit("after"); (err != nil) != readOnly {
					t.Errorf("commit after the fault: %v", err)
				}
				if err := s.Close(); err != nil && !readOnly {
					t.Errorf("close: %v", err)
				}
				again := openAt(t, s.Path(), Options{})
				got := files(t, again, mustHead(t, again, "main"))
				for name := range acked {
					if got[name] != name {
						t.Errorf("%s was acknowledged and is lost", name)
					}
				}
				if len(got) > len(acked) && !(readOnly && len(got) == len(acked)+1) {
					t.Errorf("%d files, %d were acknowledged", len(got), len(acked))
				}
				put(t, again, "main", "end", map[string]string{"end": "1"})
				fsck(t, again.Path())
			})
		}
	}
}

func mustHead(t *testing.T, s *Store, branch string) Hash {
	h, err := s.headOrZero(branch)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestPowerLoss copies the repository of a running store as a loss of power may
// leave it: packs that were not synced torn, refs empty, missing or old, locks
// standing. Everything acknowledged is there after the next start.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{boot: "first"})
	first := put(t, s, "main", "first", map[string]string{"f": "first"})
	syncStore(t, s)
	put(t, s, "gone", "gone", map[string]string{"f": "gone"})
	if err := s.RemoveBranch(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	var last Commit
	for i := range 10 {
		last = put(t, s, "main", fmt.Sprint(i), map[string]string{"f": fmt.Sprint("value ", i), fmt.Sprint(i): "x"})
		put(t, s, "new/one", fmt.Sprint(i), map[string]string{"f": fmt.Sprint("new ", i)})
		if i == 5 {
			if err := s.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	crashed := filepath.Join(t.TempDir(), "crashed.git")
	s.flushMu.Lock() // the copy is of one moment
	s.mu.Lock()
	err := os.CopyFS(crashed, os.DirFS(s.Path()))
	s.mu.Unlock()
	s.flushMu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for name, ref := range map[string]string{"old": first.Hash.String() + "\n", "empty": "", "zeros": strings.Repeat("\x00", 41), "as written": "-"} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "copy.git")
			if err := os.CopyFS(to, os.DirFS(crashed)); err != nil {
				t.Fatal(err)
			}
			for _, lock := range []string{"main", "new/one"} { // links are not copied
				path := filepath.Join(to, "refs/heads", lock+".lock")
				if os.Remove(path) == nil {
					if err := os.Link(filepath.Join(to, ownDir, "tmp/ref-lock"), path); err != nil {
						t.Fatal(err)
					}
				}
			}
			keeps, _ := filepath.Glob(filepath.Join(to, "objects/pack/*.keep"))
			if len(keeps) == 0 {
				t.Fatal("no pack is marked: the test proves nothing")
			}
			for i, k := range keeps {
				base := strings.TrimSuffix(k, ".keep")
				_ = os.Chmod(base+".pack", 0o600)
				_ = os.Chmod(base+".idx", 0o600)
				if err := errors.Join(os.Truncate(base+".pack", int64(20*i)), os.Truncate(base+".idx", int64(i*500))); err != nil {
					t.Fatal(err)
				}
			}
			if ref != "-" {
				if err := os.WriteFile(filepath.Join(to, "refs/heads/main"), []byte(ref), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := ignoreNotExist(os.Remove(filepath.Join(to, "refs/heads/new/one"))); err != nil {
					t.Fatal(err)
				}
			}
			again := openAt(t, to, Options{boot: "second"})
			if got := head(t, again, "main"); got != last.Hash {
				t.Errorf("main is at %s, want %s", got, last.Hash)
			}
			if got := files(t, again, head(t, again, "new/one"))["f"]; got != "new 9" {
				t.Errorf("new/one has %q", got)
			}
			if _, err := again.Head("gone"); !errors.Is(err, ErrNoBranch) {
				t.Errorf("the removed branch: %v", err)
			}
			fsck(t, to)
			put(t, again, "main", "on", map[string]string{"on": "1"})
		})
	}
}

// TestKilledKeepsWhatGitDid: after a kill the system's files are true, so a branch
// that git has set back stays there.
func TestKilledKeepsWhatGitDid(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	first := put(t, s, "main", "first", map[string]string{"f": "1"})
	put(t, s, "main", "second", map[string]string{"f": "2"})
	if err := s.flush(); err != nil { // no checkpoint: all is in the journal
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.git")
	if err := os.CopyFS(to, os.DirFS(s.Path())); err != nil {
		t.Fatal(err)
	}
	git(t, to, "update-ref", "refs/heads/main", first.Hash.String())
	if got := head(t, openAt(t, to, Options{}), "main"); got != first.Hash {
		t.Errorf("main is at %s, git had set it to %s", got, first.Hash)
	}
}

// TestGitGetsItsTurn commits without pause while git moves the same branch.
func TestGitGetsItsTurn(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	put(t, s, "main", "base", map[string]string{"ours": "0"})
	syncStore(t, s)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			var conflict *ConflictError
			_, err := tryPut(ctx, s, "main", "ours", map[string]string{"ours": fmt.Sprint(n)})
			if err != nil && ctx.Err() == nil && !errors.As(err, &conflict) && !errors.Is(err, ErrNoChange) {
				t.Error(err)
			}
			n++
		}
		done <- n
	}()
	tries, wins := 0, 0
	began := time.Now()
	for wins < 3 && time.Since(began) < 30*time.Second {
		tries++
		// By its own means: the store is not asked to sync first.
		script := `old=$(git rev-parse refs/heads/main) && new=$(git commit-tree "$old^{tree}" -p $old -m git) && git update-ref refs/heads/main $new $old`
		cmd := gitCommand("", "-C", s.Path(), "-c", "alias.x=!"+script, "x")
		if out, err := cmd.CombinedOutput(); err == nil {
			wins++
		} else if !strings.Contains(string(out), "lock ref") {
			t.Errorf("%s", out)
		}
	}
	stop()
	n := <-done
	if wins < 3 {
		t.Errorf("git moved the branch %d times in %d tries", wins, tries)
	}
	t.Logf("git: %d of %d tries; ours: %d commits in %s", wins, tries, n, time.Since(began).Round(time.Millisecond))
	log := git(t, s.Path(), "log", "--format=%s", "main")
	if got := strings.Count("\n"+strings.ReplaceAll(log, "\n", "\n\n")+"\n", "\ngit\n"); got != wins {
		t.Errorf("%d of git's commits in the log, want %d", got, wins)
	}
}

func TestMemory(t *testing.T) {
	s, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	moves := make(chan Move, 10)
	all := s.Moves(t.Context(), "")
	go func() {
		for m, err := range all {
			if err != nil {
				break
			}
			moves <- m
		}
		close(moves)
	}()
	watch, err := s.Watch(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	<-watch
	c1 := put(t, s, "main", "one", map[string]string{"a/b": "1"})
	if h := <-watch; h != c1.Hash {
		t.Errorf("watch: %s", h)
	}
	c2 := put(t, s, "main", "two", map[string]string{"a/c": "2"})
	if got := fmt.Sprint(files(t, s, c2.Hash)); got != "map[a/b:1 a/c:2]" {
		t.Errorf("files %s", got)
	}
	if err := s.FastForward(t.Context(), "copy", c1.Hash); err != nil {
		t.Fatal(err)
	}
	if err := s.FastForward(t.Context(), "main", c1.Hash); !errors.Is(err, ErrNotFastForward) {
		t.Errorf("backwards: %v", err)
	}
	if err := s.RenameBranch(t.Context(), "copy", "main"); !errors.Is(err, ErrExist) {
		t.Errorf("rename onto main: %v", err)
	}
	if err := s.RenameBranch(t.Context(), "copy", "other"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveBranch(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveBranch(t.Context(), "other"); !errors.Is(err, ErrNoBranch) {
		t.Errorf("second removal: %v", err)
	}
	if got, err := s.Branches(); err != nil || fmt.Sprint(got) != "[main]" {
		t.Errorf("branches %v %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range moves {
		got = append(got, fmt.Sprintf("%s %t>%t", m.Branch, !m.Old.IsZero(), !m.New.IsZero()))
	}
	want := "main false>true, main true>true, copy false>true, copy true>false, other false>true, other true>false"
	if strings.Join(got, ", ") != want {
		t.Errorf("moves %s\nwant  %s", strings.Join(got, ", "), want)
	}
}
