package datakit

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var longHistory = flag.Bool("longhistory", false, "measure the history of 100,000 commits")

// randomGraph imports n commits with merges, roots and equal times; branch i is
// commit i.
func randomGraph(t *testing.T, dir string, n int) {
	r := rand.New(rand.NewPCG(7, 7))
	var im bytes.Buffer
	for i := range n {
		fmt.Fprintf(&im, "commit refs/heads/b%d\nmark :%d\ncommitter a <a@b> %d +0000\ndata 0\n", i, i+1, 100000+i*10-r.IntN(40))
		parents := map[int]bool{}
		for range r.IntN(3) + min(r.IntN(8), 1) {
			if i > 0 {
				parents[max(0, i-1-r.IntN(8))] = true
			}
		}
		kind := "from"
		for p := range parents {
			fmt.Fprintf(&im, "%s :%d\n", kind, p+1)
			kind = "merge"
		}
		fmt.Fprintf(&im, "M 100644 inline f%d\ndata %d\n%d\n", r.IntN(6), len(fmt.Sprint(i)), i)
	}
	cmd := gitCommand(dir, "fast-import", "--quiet")
	cmd.Stdin = &im
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestMergeBaseIsGits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/r.git"
	git(t, "", "init", "-q", "--bare", dir)
	const n = 60
	randomGraph(t, dir, n)
	s := openAt(t, dir, Options{})
	r := rand.New(rand.NewPCG(1, 1))
	several, none := 0, 0
	for range 150 {
		a, b := fmt.Sprint("b", r.IntN(n)), fmt.Sprint("b", r.IntN(n))
		out, _ := gitCommand(dir, "merge-base", "--all", a, b).Output()
		want := strings.Fields(string(out))
		found, err := s.MergeBase(t.Context(), head(t, s, a), head(t, s, b))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range found {
			got = append(got, h.String())
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s %s: %v, want %v", a, b, got, want)
		}
		switch len(want) {
		case 0:
			none++
		case 1:
		default:
			several++
		}
	}
	if several < 5 || none < 1 {
		t.Errorf("%d pairs with several bases, %d with none: proves little", several, none)
	}
	if _, err := s.MergeBase(t.Context(), Hash{1}, head(t, s, "b1")); !errors.Is(err, ErrNotExist) {
		t.Errorf("unknown commit: %v", err)
	}
}

// TestPagesAreTheHistory: pages, of any size, give what the whole walk gives.
func TestPagesAreTheHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/r.git"
	git(t, "", "init", "-q", "--bare", dir)
	randomGraph(t, dir, 80)
	s := openAt(t, dir, Options{})
	from := head(t, s, "b79")
	for _, path := range []string{"", "f3"} {
		var want []Hash
		for c, err := range s.History(t.Context(), from, path) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, c.Hash)
		}
		if path == "" && fmt.Sprint(len(want)) != git(t, dir, "rev-list", "--count", "b79") {
			t.Errorf("%d commits", len(want))
		}
		for _, size := range []int{1, 2, 7, 1000} {
			var got []Hash
			for at := from; !at.IsZero(); {
				page, next, err := s.Page(t.Context(), at, path, size)
				if err != nil || len(page) > size {
					t.Fatal(len(page), err)
				}
				again, sameNext, err := s.Page(t.Context(), at, path, size)
				if err != nil || len(again) != len(page) || sameNext != next {
					t.Fatal("a page asked for again is another")
				}
				for _, c := range page {
					got = append(got, c.Hash)
				}
				at = next
			}
			if !slices.Equal(got, want) {
				t.Errorf("path %q, pages of %d: %d commits, want %d", path, size, len(got), len(want))
			}
		}
	}
}

func TestRestorePath(t *testing.T) {
	s := openTest(t, Options{})
	ctx := t.Context()
	c1 := put(t, s, "main", "first", map[string]string{"d/a": "1", "d/b": "1", "e": "1"})
	put(t, s, "main", "second", map[string]string{"d/a": "2", "d/b": "", "d/c": "2", "e": "2", "new/f": "2"})
	restore := func(path, want string) {
		t.Helper()
		c, err := s.RestorePath(ctx, "main", c1.Hash, path, alice)
		if err != nil {
			t.Fatal(path, err)
		}
		if got := fmt.Sprint(files(t, s, c.Hash)); got != want {
			t.Errorf("after %s: %s, want %s", path, got, want)
		}
	}
	restore("d/b", "map[d/a:2 d/b:1 d/c:2 e:2 new/f:2]")
	restore("d", "map[d/a:1 d/b:1 e:2 new/f:2]")
	restore("new/f", "map[d/a:1 d/b:1 e:2]")
	if _, err := s.RestorePath(ctx, "main", c1.Hash, "nothing", alice); !errors.Is(err, ErrNoChange) {
		t.Errorf("absent before and now: %v", err)
	}
	put(t, s, "main", "room", map[string]string{"d/a": "", "d/b": ""})
	put(t, s, "main", "in the way", map[string]string{"d": "file"})
	var conflict *ConflictError
	if _, err := s.RestorePath(ctx, "main", c1.Hash, "d/a", alice); !errors.As(err, &conflict) {
		t.Errorf("a file in the way: %v", err)
	}
	restore("", "map[d/a:1 d/b:1 e:1]")
}

// TestLongHistory measures; it runs with -args -longhistory.
func TestLongHistory(t *testing.T) {
	if !*longHistory {
		t.Skip("measures 100,000 commits: give -args -longhistory")
	}
	dir := t.TempDir() + "/r.git"
	git(t, "", "init", "-q", "--bare", dir)
	var im bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&im, "commit refs/heads/main\nmark :%d\ncommitter a <a@b> %d +0000\ndata 2\nx\nM 100644 inline d/f%d\ndata 6\n%06d\n", i+1, 1000+i, i%50, i)
	}
	im.WriteString("reset refs/heads/side\nfrom :50000\n")
	cmd := gitCommand(dir, "fast-import", "--quiet")
	cmd.Stdin = &im
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := openAt(t, dir, Options{})
	at := head(t, s, "main")
	start := time.Now()
	for i := 0; !at.IsZero(); i++ {
		_, next, err := s.Page(t.Context(), at, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			t.Logf("first page: %v", time.Since(start))
		}
		at = next
	}
	t.Logf("all pages: %v", time.Since(start))
	start = time.Now()
	if _, _, err := s.Page(t.Context(), head(t, s, "main"), "d/f7", 100); err != nil {
		t.Fatal(err)
	}
	t.Logf("first page of one file: %v", time.Since(start))
	start = time.Now()
	if b, err := s.MergeBase(t.Context(), head(t, s, "main"), head(t, s, "side")); err != nil || len(b) != 1 {
		t.Fatal(b, err)
	}
	t.Logf("merge base 50,000 back: %v", time.Since(start))
	start = time.Now()
	git(t, dir, "merge-base", "main", "side")
	t.Logf("git merge-base: %v", time.Since(start))
}

func TestDiffTellsWhereFilesMoved(t *testing.T) {
	s := openTest(t, Options{})
	a := put(t, s, "main", "a", map[string]string{"old": "content", "twin1": "same", "twin2": "same"})
	b := put(t, s, "main", "b", map[string]string{"old": "", "dir/new": "content", "twin1": "", "twin2": "", "twin3": "same"})
	diffs, err := s.Diff(t.Context(), a.Hash, b.Hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diffs {
		want := map[string]string{"dir/new": "old"}[d.Path]
		if d.From != want {
			t.Errorf("%s is from %q, want %q", d.Path, d.From, want)
		}
	}
}
