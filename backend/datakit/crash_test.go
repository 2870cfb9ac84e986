package datakit

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashChild names the repository in which this test binary, run again, is to
// commit until it is killed.
const crashChild = "DATAKIT_TEST_CRASH_CHILD"

// rounds of TestCrash, by `go test -run TestCrash -args -rounds 300`.
var rounds = flag.Int("rounds", 12, "kills of TestCrash")

func TestMain(m *testing.M) {
	if path := os.Getenv(crashChild); path != "" {
		if err := commitUntilKilled(path); err != nil {
			fmt.Println("error", err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// commitUntilKilled prints each commit's hash after it was acknowledged. Several
// branches, one with two writers and one that git moves too, so that a kill hits
// several commits in flight.
func commitUntilKilled(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w, branch := range []string{"main", "deep/er", "shared", "shared", "git"} {
		go func() {
			for i := w << 32; ; i++ {
				c, err := tryPut(ctx, s, branch, "crash", map[string]string{
					fmt.Sprintf("%d/file", i%7): fmt.Sprint(os.Getpid(), i), "counter": fmt.Sprint(os.Getpid(), i)})
				var conflict *ConflictError
				if errors.As(err, &conflict) {
					continue
				}
				if err != nil {
					failed <- err
					return
				}
				// One write each: the parent never sees half a line of ours
				// that was acknowledged.
				fmt.Fprintf(os.Stdout, "%s %s\n", branch, c.Hash)
			}
		}()
	}
	return <-failed
}

// TestCrash kills a committing process at random moments, while git commits to a
// branch of its, packs the repository and looks at it.
func TestCrash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "repo.git")
	acked := map[string][]string{}
	ack := func(branch, hash string) { acked[branch] = append(acked[branch], hash) }
	gits := 0
	for round := range *rounds {
		hashes := crashOnce(t, path, round, ack)
		for _, h := range hashes {
			ack("git", h)
		}
		gits += len(hashes)
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatalf("open after kill %d: %v", round, err)
		}
		for branch, hashes := range acked { // at once, without git's view
			forward, err := descends(s.objects, head(t, s, branch), mustParse(t, hashes[len(hashes)-1]))
			if err != nil || !forward {
				t.Fatalf("round %d: the last acknowledged commit of %s is lost: %v", round, branch, err)
			}
			put(t, s, branch, "after", map[string]string{"round": fmt.Sprint(round)})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(filepath.Join(path, ownDir, "tmp")); len(left) > 0 {
			t.Errorf("left after recovery: %v", left)
		}
		locks, _ := filepath.Glob(filepath.Join(path, "refs/heads/*.lock"))
		keeps, _ := filepath.Glob(filepath.Join(path, "objects/pack/*.keep"))
		journals, _ := filepath.Glob(filepath.Join(path, ownDir, "journal-*"))
		if left := slices.Concat(locks, keeps, journals); len(left) > 0 {
			t.Errorf("left after recovery: %v", left)
		}
		if round%4 == 0 {
			fsck(t, path)
		}
	}
	total := 0
	for branch, hashes := range acked {
		reachable := map[string]bool{}
		for _, h := range strings.Fields(git(t, path, "rev-list", branch)) {
			reachable[h] = true
		}
		for _, h := range hashes {
			if !reachable[h] {
				t.Errorf("acknowledged commit %s of %s is lost", h, branch)
			}
		}
		total += len(hashes)
	}
	fsck(t, path)
	t.Logf("%d kills, %d acknowledged commits, %d of them by git", *rounds, total, gits)
}

func mustParse(t *testing.T, s string) Hash {
	h, err := ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// crashOnce runs a child until it is killed, and git beside it; it returns the
// commits that git made.
func crashOnce(t *testing.T, path string, round int, ack func(branch, hash string)) (gits []string) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashChild+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	after := rand.IntN(20)
	for lines.Scan() {
		branch, hash, ok := strings.Cut(lines.Text(), " ")
		if !ok || branch == "error" {
			t.Fatalf("child: %s", lines.Text())
		}
		if _, err := ParseHash(hash); err != nil {
			continue // cut by the kill
		}
		ack(branch, hash)
		if after--; after < 0 && kill == nil {
			kill = time.AfterFunc(time.Duration(rand.IntN(150_000))*time.Microsecond, func() { _ = child.Process.Kill() })
			beside.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					if h, err := gitPut(path, "git", "gits", fmt.Sprint(round, i)); err == nil {
						gits = append(gits, h.String())
					}
				}
			})
			beside.Go(func() {
				_ = gitCommand(path, "gc", "-q", "--prune=2.weeks.ago").Run()
				_ = gitCommand(path, "fsck", "--full").Run()
			})
		}
	}
	_ = child.Wait()
	if kill == nil {
		t.Fatal("the child committed nothing")
	}
	stop()
	beside.Wait()
	if round%5 == 0 { // as it was left
		fsck(t, path)
	}
	return gits
}

// TestBesideGit lets our writers and git commit to one branch at the same time.
func TestBesideGit(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ctx := t.Context()
	put(t, s, "main", "base", map[string]string{"base": "1"})
	var mu sync.Mutex
	var acked []Hash
	ack := func(h Hash) {
		mu.Lock()
		defer mu.Unlock()
		acked = append(acked, h)
	}
	const ours, theirs = 30, 8
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range ours {
				c, err := tryPut(ctx, s, "main", "ours", map[string]string{fmt.Sprintf("w%d", w): fmt.Sprint(i)})
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				ack(c.Hash)
			}
		})
	}
	refused := 0
	writers.Go(func() {
		for i := 0; i < theirs; {
			// git refuses when we were faster: that is its answer, not a loss.
			h, err := gitPut(s.Path(), "main", "git", fmt.Sprint(i))
			if err != nil {
				if !strings.Contains(err.Error(), "update-ref") {
					t.Error(err)
					return
				}
				refused++
				continue
			}
			ack(h)
			i++
		}
	})
	writers.Wait()
	reachable := map[Hash]bool{}
	for c, err := range s.History(ctx, head(t, s, "main"), "") {
		if err != nil {
			t.Fatal(err)
		}
		reachable[c.Hash] = true
	}
	for _, h := range acked {
		if !reachable[h] {
			t.Errorf("acknowledged commit %s is lost", h)
		}
	}
	if len(acked) != 2*ours+theirs || len(reachable) != len(acked)+1 {
		t.Errorf("%d acknowledged, %d in the history", len(acked), len(reachable))
	}
	fsck(t, s.Path())
	t.Logf("git was refused %d times and repeated", refused)
}

// TestGitCommitsInsideOurs lets git commit at the worst moment: after we read
// the head and before we move the branch.
func TestGitCommitsInsideOurs(t *testing.T) {
	var s *Store
	var theirs Hash
	calls := 0
	inside := func(Snapshot) error {
		if !theirs.IsZero() {
			return nil
		}
		var err error
		calls++
		theirs, err = gitPut(s.Path(), "main", "git", fmt.Sprint("theirs ", calls))
		return err
	}
	s = openTest(t, Options{Validate: map[string]func(Snapshot) error{"main": inside}})
	c := put(t, s, "main", "ours", map[string]string{"ours": "1"})
	if len(c.Parents) != 1 || c.Parents[0] != theirs {
		t.Errorf("parents %v, want git's commit %s", c.Parents, theirs)
	}
	if got := fmt.Sprint(files(t, s, head(t, s, "main"))); got != "map[git:theirs 1 ours:1]" {
		t.Errorf("tree %s", got)
	}
	// The same on a branch that exists, with a conflict.
	theirs = Hash{}
	_, err := tryPut(t.Context(), s, "main", "ours", map[string]string{"git": "ours"})
	var conflict *ConflictError
	if !errors.As(err, &conflict) || head(t, s, "main") != theirs {
		t.Errorf("error %v", err)
	}
}

func TestOneBranchManyWriters(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	const writers, each = 8, 4
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				for {
					// A shared list: a lost update would be missing in it. Each
					// adds its own word, as equal changes merge.
					err := enlist(t.Context(), s, fmt.Sprintf("%d.%d ", w, i))
					var conflict *ConflictError
					if errors.As(err, &conflict) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					break
				}
			}
		})
	}
	all.Wait()
	words := strings.Fields(files(t, s, head(t, s, "main"))["list"])
	slices.Sort(words)
	if n := len(slices.Compact(words)); n != writers*each {
		t.Errorf("the list has %d words, want %d", n, writers*each)
	}
	if log, err := s.Log(t.Context(), "main", 1000, ""); err != nil || len(log) != writers*each {
		t.Errorf("%d commits, %v", len(log), err)
	}
}

func enlist(ctx context.Context, s *Store, word string) error {
	tx, err := s.Begin(ctx, "main")
	if err != nil {
		return err
	}
	defer tx.Close()
	old, err := tx.Read("list")
	if err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	if err := tx.Write("list", append(old, word...), ModeFile); err != nil {
		return err
	}
	_, err = tx.Commit(ctx, Message{Text: "enlist"})
	return err
}
