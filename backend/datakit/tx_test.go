package datakit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func begin(t *testing.T, s *Store, branch string) *Tx {
	t.Helper()
	tx, err := s.Begin(t.Context(), branch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Close() })
	return tx
}

func paths(list []Conflict) string {
	var all []string
	for _, c := range list {
		all = append(all, c.Path+": "+c.Reason)
	}
	return strings.Join(all, "; ")
}

func TestTxMerge(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ctx := t.Context()
	lines := "1\n2\n3\n4\n5\n"
	base := put(t, s, "main", "base", map[string]string{"text": lines, "both": "x\n", "gone": "g\n", "dir/a": "a\n"})
	if err := s.FastForward(ctx, "side", base.Hash); err != nil {
		t.Fatal(err)
	}
	theirs := put(t, s, "side", "theirs", map[string]string{"text": "1\n2\n3\n4\nfive\n", "both": "theirs\n", "gone": "changed\n", "new": "theirs\n"})
	ours := put(t, s, "main", "ours", map[string]string{"text": "one\n2\n3\n4\n5\n", "both": "ours\n", "gone": "", "new": "ours\n"})

	tx := begin(t, s, "main")
	if _, _, _, ok := tx.MergeSides(); ok {
		t.Error("sides before a merge")
	}
	if err := tx.Write("dir/b", []byte("mine\n"), ModeFile); err != nil {
		t.Fatal(err)
	}
	if err := tx.Merge(ctx, theirs.Hash); err != nil {
		t.Fatal(err)
	}
	want := "both: Changed on both branches; gone: option: add/del; new: default: add/add and no common ancestor"
	if got := paths(tx.Conflicts()); got != want {
		t.Errorf("conflicts %s", got)
	}
	if data, err := tx.Read("both"); err != nil || string(data) != "** Conflict **\nChanged on both branches\n" {
		t.Errorf("conflict file %q %v", data, err)
	}
	if data, err := tx.Read("text"); err != nil || string(data) != "one\n2\n3\n4\nfive\n" {
		t.Errorf("merged text %q %v", data, err)
	}
	a, b, o, ok := tx.MergeSides()
	if !ok || b.Commit() != theirs.Hash || o.Commit() != base.Hash {
		t.Errorf("sides %v %v %v", a.Commit(), b.Commit(), o.Commit())
	}
	for snap, want := range map[*Snapshot]string{&a: "ours\n", &b: "theirs\n", &o: "x\n"} {
		if data, err := snap.Read("both"); err != nil || string(data) != want {
			t.Errorf("a side has %q %v, want %q", data, err, want)
		}
	}
	if data, err := a.Read("dir/b"); err != nil || string(data) != "mine\n" {
		t.Errorf("ours has %q %v", data, err)
	}
	if _, err := tx.Commit(ctx, Message{}); !errors.Is(err, ErrConflicts) {
		t.Errorf("commit with conflicts: %v", err)
	}
	if err := tx.Merge(ctx, base.Hash); !errors.Is(err, ErrConflicts) {
		t.Errorf("merge with conflicts: %v", err)
	}
	if err := errors.Join(tx.Write("both", []byte("decided\n"), ModeFile), tx.Remove("gone"), tx.Truncate("new", 0)); err != nil {
		t.Fatal(err)
	}
	if len(tx.Conflicts()) != 0 {
		t.Errorf("left: %v", tx.Conflicts())
	}
	if err := tx.Merge(ctx, theirs.Hash); err != nil { // again: nothing to do
		t.Fatal(err)
	}
	if got := tx.Parents(); !slices.Equal(got, []Hash{ours.Hash, theirs.Hash}) {
		t.Errorf("parents %v", got)
	}
	changes, err := tx.Changes(ctx, Hash{})
	if err != nil || len(changes) != 4 || tx.ChangeCount() == 0 {
		t.Errorf("changes %v %v", changes, err)
	}
	// The branch moves meanwhile, elsewhere.
	moved := put(t, s, "main", "moved", map[string]string{"dir/a": "moved\n"})
	c, err := tx.Commit(ctx, Message{Text: "merged"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Parents, []Hash{moved.Hash, theirs.Hash}) {
		t.Errorf("commit %+v", c)
	}
	if got := fmt.Sprintf("%q", files(t, s, c.Hash)); got != `map["both":"decided\n" "dir/a":"moved\n" "dir/b":"mine\n" "new":"" "text":"one\n2\n3\n4\nfive\n"]` {
		t.Errorf("tree %s", got)
	}
	fsck(t, s.Path())
}

func TestTxParents(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ctx := t.Context()
	main := put(t, s, "main", "main", map[string]string{"a": "1"})
	other := put(t, s, "other", "other", map[string]string{"b": "2"})
	tx := begin(t, s, "main")
	if err := tx.SetParents([]Hash{main.Hash, {9}}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx, Message{}); !errors.Is(err, ErrNotExist) {
		t.Errorf("unknown parent: %v", err)
	}
	// git's "ours": the other's history without its files.
	if err := tx.SetParents([]Hash{main.Hash, other.Hash}); err != nil {
		t.Fatal(err)
	}
	c, err := tx.Commit(ctx, Message{Text: "ours"})
	if err != nil || c.Tree != main.Tree || !slices.Equal(c.Parents, []Hash{main.Hash, other.Hash}) {
		t.Fatalf("%+v %v", c, err)
	}
	// Without the head among the parents, it is merged in.
	tx = begin(t, s, "main")
	if err := errors.Join(tx.SetParents([]Hash{other.Hash}), tx.Write("c", []byte("3"), ModeFile)); err != nil {
		t.Fatal(err)
	}
	d, err := tx.Commit(ctx, Message{})
	if err != nil || !slices.Equal(d.Parents, []Hash{c.Hash}) {
		t.Fatalf("%+v %v", d, err)
	}
	// The default parents, and lines of one file from both.
	put(t, s, "main", "text", map[string]string{"t": "1\n2\n3\n4\n5\n"})
	tx = begin(t, s, "main")
	if err := tx.Write("t", []byte("1\n2\n3\n4\nfive\n"), ModeFile); err != nil {
		t.Fatal(err)
	}
	h := put(t, s, "main", "first line", map[string]string{"t": "one\n2\n3\n4\n5\n"})
	e, err := tx.Commit(ctx, Message{})
	if err != nil || !slices.Equal(e.Parents, []Hash{h.Hash}) || files(t, s, e.Hash)["t"] != "one\n2\n3\n4\nfive\n" {
		t.Fatalf("%+v %v", e, err)
	}
}

func TestTxOddEntries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/r.git"
	git(t, "", "init", "-q", "--bare", dir)
	im := &importer{}
	im.commit("main", genTree{"sub": {"160000", strings.Repeat("12", 20)}, "dir/link": {"120000", "../../etc/passwd"}, "f": {"100644", "x"}})
	cmd := gitCommand(dir, "fast-import", "--quiet")
	cmd.Stdin = im
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := openAt(t, dir, Options{})
	tx := begin(t, s, "main")
	if _, err := tx.WriteAt("sub", []byte("x"), 0); !errors.Is(err, ErrBadPath) {
		t.Errorf("write into a submodule: %v", err)
	}
	if _, err := tx.WriteAt("dir/link", []byte("x"), 0); !errors.Is(err, ErrBadPath) {
		t.Errorf("write through a link: %v", err)
	}
	if err := tx.Write("dir/link/x", nil, ModeFile); !errors.Is(err, ErrBadPath) {
		t.Errorf("write below a link: %v", err)
	}
	if err := errors.Join(tx.Rename("sub", "modules/sub"), tx.Rename("dir", "deep/er/dir")); err != nil {
		t.Fatal(err)
	}
	c, err := tx.Commit(t.Context(), Message{})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(c.Hash)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := snap.Walk(func(e Entry) error { got = append(got, fmt.Sprintf("%o %s", uint32(e.Mode), e.Name)); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := "120000 deep/er/dir/link 100644 f 160000 modules/sub"; strings.Join(got, " ") != want {
		t.Errorf("%s", got)
	}
}

// TestRetriesMakeProgress: whoever begins again after a conflict begins from
// what it was refused for.
func TestRetriesMakeProgress(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	put(t, s, "main", "start", map[string]string{"n": "0"})
	const clients, each = 4, 10
	errs := make(chan error, clients)
	for i := range clients {
		go func() {
			errs <- func() error {
				for n := range each {
					for tries := 0; ; tries++ {
						_, err := tryPut(t.Context(), s, "main", "set", map[string]string{"n": fmt.Sprint(i, n)})
						var conflict *ConflictError
						if !errors.As(err, &conflict) {
							if err != nil {
								return err
							}
							break
						}
						if tries > clients*each {
							return err
						}
					}
				}
				return nil
			}()
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if log, err := s.Log(t.Context(), "main", 0, ""); err != nil || len(log) != clients*each+1 {
		t.Errorf("%d commits, %v", len(log), err)
	}
}
