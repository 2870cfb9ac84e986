package datakit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var alice = Author{Name: "Alice", Email: "alice@example.org"}

func openTest(t *testing.T, opt Options) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "repo.git"), opt)
}

func openAt(t *testing.T, path string, opt Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	openStores.Store(path, s)
	t.Cleanup(func() {
		openStores.CompareAndDelete(path, s)
		if err := s.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

// put commits files; an empty content removes one.
func put(t *testing.T, s *Store, branch, message string, files map[string]string) Commit {
	t.Helper()
	c, err := tryPut(t.Context(), s, branch, message, files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryPut(ctx context.Context, s *Store, branch, message string, files map[string]string) (Commit, error) {
	tx, err := s.Begin(ctx, branch)
	if err != nil {
		return Commit{}, err
	}
	defer tx.Close()
	for path, content := range files {
		if content == "" {
			err = tx.Remove(path)
		} else {
			err = tx.Write(path, []byte(content), ModeFile)
		}
		if err != nil {
			return Commit{}, err
		}
	}
	return tx.Commit(ctx, Message{Text: message, Author: alice})
}

// files returns the whole tree of a commit.
func files(t *testing.T, s *Store, commit Hash) map[string]string {
	t.Helper()
	snap, err := s.Snapshot(commit)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	err = snap.Walk(func(e Entry) error {
		data, err := snap.Read(e.Name)
		all[e.Name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func head(t *testing.T, s *Store, branch string) Hash {
	t.Helper()
	h, err := s.Head(branch)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCommitIsGits(t *testing.T) {
	when := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	s := openTest(t, Options{Now: func() time.Time { return when }, DefaultBranch: "settings"})
	if _, err := s.Head("settings"); !errors.Is(err, ErrNoBranch) {
		t.Fatalf("Head of nothing: %v", err)
	}
	c1 := put(t, s, "settings", "first", map[string]string{"vm/cpus": "2\n", "vm/memory": "1024\n", "a-b": "x", "a/b": "y", "a0": "z"})
	c2 := put(t, s, "settings", "second\n\nwith a body", map[string]string{"vm/cpus": "4\n", "a/b": ""})

	if got := git(t, s.Path(), "rev-parse", "HEAD"); got != c2.Hash.String() {
		t.Errorf("HEAD is %s, want %s", got, c2.Hash)
	}
	want := "Alice <alice@example.org> 2026-03-04T05:06:07+01:00 second"
	if got := git(t, s.Path(), "log", "-1", "--format=%an <%ae> %aI %s"); got != want {
		t.Errorf("git log: %s, want %s", got, want)
	}
	if got, want := git(t, s.Path(), "ls-tree", "-r", "--name-only", "HEAD"), "a-b\na0\nvm/cpus\nvm/memory"; got != want {
		t.Errorf("git ls-tree: %q, want %q", got, want)
	}
	if got := git(t, s.Path(), "show", "HEAD:vm/cpus"); got != "4" {
		t.Errorf("git show: %q", got)
	}
	fsck(t, s.Path())

	log, err := s.Log(t.Context(), "settings", 0, "")
	if err != nil || len(log) != 2 {
		t.Fatalf("log: %d commits, %v", len(log), err)
	}
	if log[0].Message != "second\n\nwith a body" || log[0].Author != "Alice" || !log[0].Time.Equal(when) || log[0].Parents[0] != c1.Hash {
		t.Errorf("log: %+v", log[0])
	}
	if got := fmt.Sprint(kinds(log[0].Changes)); got != "[removed a/b modified vm/cpus]" {
		t.Errorf("changes: %s", got)
	}
	if got := fmt.Sprint(kinds(log[1].Changes)); got != "[added a-b added a/b added a0 added vm/cpus added vm/memory]" {
		t.Errorf("changes: %s", got)
	}
	byPath, err := s.Log(t.Context(), "settings", 0, "vm/memory")
	if err != nil || len(byPath) != 1 || byPath[0].Hash != c1.Hash {
		t.Errorf("log of vm/memory: %v %v", byPath, err)
	}
	if got, err := s.Resolve(t.Context(), "settings", c1.Hash.Short()); err != nil || got != c1.Hash {
		t.Errorf("resolve: %s %v", got, err)
	}
	if _, err := s.Resolve(t.Context(), "settings", "00000000"); !errors.Is(err, ErrNotExist) {
		t.Errorf("resolve nothing: %v", err)
	}
}

func kinds(changes []Change) []string {
	var list []string
	for _, c := range changes {
		list = append(list, string(c.Kind)+" "+c.Path)
	}
	return list
}

func TestTransactionView(t *testing.T) {
	s := openTest(t, Options{})
	put(t, s, "main", "base", map[string]string{"d/one": "1", "d/sub/two": "2", "top": "t"})
	tx, err := s.Begin(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	names := func(dir string) string {
		entries, err := tx.List(dir)
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, e := range entries {
			all = append(all, e.Name)
		}
		return strings.Join(all, " ")
	}
	write := func(path, data string) error { return tx.Write(path, []byte(data), ModeFile) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sees := func(dir, want string) {
		t.Helper()
		if got := names(dir); got != want {
			t.Errorf("%q lists %s, want %s", dir, got, want)
		}
	}
	must(write("d/three", "3"))
	sees("d", "one sub three")
	must(tx.Remove("d/one"))
	must(tx.Remove("d/sub/two"))
	sees("d", "three")
	must(tx.Remove("d"))
	sees("", "top")
	must(write("d", "now a file"))
	sees("", "d top")
	must(tx.Remove("d"))
	must(write("d/again/deep", "x"))
	sees("", "d top")
	sees("d", "again")
	if _, err := tx.Read("d/one"); !errors.Is(err, ErrNotExist) {
		t.Errorf("read of a removed file: %v", err)
	}
	if data, err := tx.Read("d/again/deep"); err != nil || string(data) != "x" {
		t.Errorf("read: %q %v", data, err)
	}
	for path, want := range map[string]error{
		"top/x": ErrBadPath, "d": ErrBadPath, "../x": ErrBadPath, ".git/config": ErrBadPath,
	} {
		if err := write(path, "x"); !errors.Is(err, want) {
			t.Errorf("write %s: %v", path, err)
		}
	}
	if err := tx.Write("big", make([]byte, maxFile+1), ModeFile); !errors.Is(err, ErrTooLarge) {
		t.Errorf("big write: %v", err)
	}
	if err := tx.Remove("nothing"); !errors.Is(err, ErrNotExist) {
		t.Errorf("remove of nothing: %v", err)
	}
	c, err := tx.Commit(t.Context(), Message{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(files(t, s, c.Hash)); got != "map[d/again/deep:x top:t]" {
		t.Errorf("committed %s", got)
	}
	if c.Message != "(no commit message)" {
		t.Errorf("message %q", c.Message)
	}
	if _, err := tx.Commit(t.Context(), Message{}); !errors.Is(err, ErrClosed) {
		t.Errorf("second commit: %v", err)
	}
	if _, err := tryPut(t.Context(), s, "main", "same", map[string]string{"top": "t"}); !errors.Is(err, ErrNoChange) {
		t.Errorf("same content: %v", err)
	}
	fsck(t, s.Path())
}

func TestMerge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name               string
		base, theirs, mine map[string]string // changes; "" removes
		want               string
		conflict           string
	}{
		{"different files", map[string]string{"a": "1", "b": "1"}, map[string]string{"a": "2"}, map[string]string{"b": "2"}, "map[a:2 b:2]", ""},
		{"same change", map[string]string{"a": "1", "b": "1"}, map[string]string{"a": "2"}, map[string]string{"a": "2", "b": "3"}, "map[a:2 b:3]", ""},
		{"both changed", map[string]string{"a": "1"}, map[string]string{"a": "2"}, map[string]string{"a": "3"}, "map[a:2]", "a"},
		{"added both", map[string]string{"z": "1"}, map[string]string{"d/a": "2"}, map[string]string{"d/a": "3"}, "map[d/a:2 z:1]", "d/a"},
		{"added in one directory", map[string]string{"z": "1"}, map[string]string{"d/a": "2"}, map[string]string{"d/b": "3"}, "map[d/a:2 d/b:3 z:1]", ""},
		{"removed and changed", map[string]string{"a": "1", "z": "1"}, map[string]string{"a": ""}, map[string]string{"a": "3"}, "map[z:1]", "a"},
		{"changed and removed", map[string]string{"a": "1", "z": "1"}, map[string]string{"a": "2"}, map[string]string{"a": ""}, "map[a:2 z:1]", "a"},
		{"removed both", map[string]string{"a": "1", "z": "1"}, map[string]string{"a": ""}, map[string]string{"a": "", "b": "1"}, "map[b:1 z:1]", ""},
		{"file in the way", map[string]string{"z": "1"}, map[string]string{"d": "file"}, map[string]string{"d/a": "3"}, "map[d:file z:1]", "d"},
		{"directory in the way", map[string]string{"z": "1"}, map[string]string{"d/a": "3"}, map[string]string{"d": "file"}, "map[d/a:3 z:1]", "d"},
		{"directory became a file", map[string]string{"d/a": "1", "z": "1"}, map[string]string{"z": "2"}, map[string]string{"d/a": "", "d": "f"}, "map[d:f z:2]", ""},
		{"file became a directory", map[string]string{"d": "1", "z": "1"}, map[string]string{"z": "2"}, map[string]string{"d": "", "d/a": "f"}, "map[d/a:f z:2]", ""},
		{"added beside a removed directory", map[string]string{"d/a": "1", "z": "1"}, map[string]string{"d/b": "2"}, map[string]string{"d/a": "", "d": "f"}, "map[d/a:1 d/b:2 z:1]", "d"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openTest(t, Options{})
			put(t, s, "main", "base", test.base)
			tx, err := s.Begin(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Close()
			// Removals first, so that a directory can become a file.
			for path, content := range test.mine {
				if content == "" {
					if err := tx.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			for path, content := range test.mine {
				if content != "" {
					if err := tx.Write(path, []byte(content), ModeFile); err != nil {
						t.Fatal(err)
					}
				}
			}
			theirs := put(t, s, "main", "theirs", test.theirs)
			c, err := tx.Commit(t.Context(), Message{Text: "mine"})
			var conflict *ConflictError
			if errors.As(err, &conflict) {
				if got := strings.Join(conflict.Paths, " "); got != test.conflict {
					t.Errorf("conflict in %q, want %q", got, test.conflict)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if test.conflict != "" {
				t.Errorf("no conflict")
			} else if c.Parents[0] != theirs.Hash {
				t.Errorf("parents %v", c.Parents)
			}
			if got := fmt.Sprint(files(t, s, head(t, s, "main"))); got != test.want {
				t.Errorf("tree %s, want %s", got, test.want)
			}
			fsck(t, s.Path())
		})
	}
}

func TestValidatorRefusesBeforeAnythingIsWritten(t *testing.T) {
	refusal := errors.New("b must not be")
	s := openTest(t, Options{Validate: map[string]func(Snapshot) error{"main": func(snap Snapshot) error {
		data, err := snap.Read("b")
		if errors.Is(err, ErrNotExist) {
			return nil
		}
		return errors.Join(refusal, fmt.Errorf("holds %q", data), err)
	}}})
	c := put(t, s, "main", "fine", map[string]string{"a": "1"})
	before := git(t, s.Path(), "count-objects")
	_, err := tryPut(t.Context(), s, "main", "bad", map[string]string{"b": "boo"})
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, refusal) || !strings.Contains(err.Error(), `"boo"`) {
		t.Fatalf("error %v", err)
	}
	if head(t, s, "main") != c.Hash || git(t, s.Path(), "count-objects") != before {
		t.Error("a refused commit left something")
	}
	// Another branch has no validator; reverting there is not our rule.
	put(t, s, "other", "free", map[string]string{"b": "x"})
}

func TestRevertAndRestore(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	ctx := t.Context()
	c1 := put(t, s, "main", "first", map[string]string{"a": "1", "b": "1"})
	c2 := put(t, s, "main", "second", map[string]string{"a": "2", "c": "new"})
	c3 := put(t, s, "main", "third", map[string]string{"b": "3"})

	r, err := s.Revert(ctx, "main", c2.Hash, alice)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(files(t, s, r.Hash)); got != "map[a:1 b:3]" {
		t.Errorf("reverted to %s", got)
	}
	if want := "Revert \"second\"\n\nThis reverts commit " + c2.Hash.String() + "."; r.Message != want {
		t.Errorf("message %q, want %q", r.Message, want)
	}
	if r.Parents[0] != c3.Hash || r.Author != "Alice" {
		t.Errorf("commit %+v", r)
	}
	if _, err := s.Revert(ctx, "main", c2.Hash, alice); !errors.Is(err, ErrNoChange) {
		t.Errorf("second revert: %v", err)
	}
	put(t, s, "main", "fourth", map[string]string{"b": "4"})
	var conflict *ConflictError
	if _, err := s.Revert(ctx, "main", c3.Hash, alice); !errors.As(err, &conflict) || conflict.Paths[0] != "b" {
		t.Errorf("revert of something changed since: %v", err)
	}
	back, err := s.Restore(ctx, "main", c2.Hash, alice)
	if err != nil {
		t.Fatal(err)
	}
	if back.Tree != c2.Tree {
		t.Error("restore gives another tree")
	}
	if _, err := s.Restore(ctx, "main", Hash{1}, alice); !errors.Is(err, ErrNotExist) {
		t.Errorf("restore of nothing: %v", err)
	}
	if _, err := s.Revert(ctx, "main", c1.Hash, alice); !errors.As(err, &conflict) {
		t.Errorf("revert of the root after changes: %v", err)
	}
	fsck(t, s.Path())
}

func TestReadsPacksAndOutlivesGC(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	var commits []Commit
	content := strings.Repeat("the same line again\n", 200)
	for i := range 20 {
		commits = append(commits, put(t, s, "main", fmt.Sprint(i), map[string]string{"dir/file": content + fmt.Sprint(i)}))
		if i == 10 {
			git(t, s.Path(), "gc", "-q", "--prune=now")
		}
	}
	git(t, s.Path(), "repack", "-adfq", "--depth=20")
	git(t, s.Path(), "pack-refs", "--all", "--prune")
	// What a killed git leaves: a pack without index must not disturb.
	packs, _ := filepath.Glob(filepath.Join(s.Path(), "objects/pack/*.pack"))
	if len(packs) != 1 {
		t.Fatalf("packs: %v", packs)
	}
	data, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	lone := filepath.Join(filepath.Dir(packs[0]), "pack-"+strings.Repeat("ab", 20)+".pack")
	if err := os.WriteFile(lone, data, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.refs.path("main")); err == nil {
		t.Fatal("pack-refs left the loose ref: the test proves nothing")
	}
	if h := head(t, s, "main"); h != commits[19].Hash {
		t.Fatalf("head %s", h)
	}
	for i, c := range commits {
		if got := files(t, s, c.Hash)["dir/file"]; got != content+fmt.Sprint(i) {
			t.Fatalf("commit %d has other content", i)
		}
	}
	// Replacing packed content writes loose objects again; same content too.
	put(t, s, "main", "back", map[string]string{"dir/file": content + "3"})
	if log, err := s.Log(t.Context(), "main", 0, "dir"); err != nil || len(log) != 21 {
		t.Errorf("log: %d, %v", len(log), err)
	}
	// A damaged pack hides only what is in it.
	broken := strings.TrimSuffix(lone, ".pack") + ".idx"
	if err := os.WriteFile(broken, []byte("\377tOc garbage"), 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(Hash{9}); !errors.Is(err, ErrDamaged) {
		t.Errorf("unknown object beside a damaged pack: %v", err)
	}
	if got := files(t, s, commits[0].Hash)["dir/file"]; got != content+"0" {
		t.Error("content beside a damaged pack")
	}
	if err := errors.Join(os.Remove(lone), os.Remove(broken)); err != nil {
		t.Fatal(err)
	}
	fsck(t, s.Path())
	s.Close()
	again := openAt(t, s.Path(), Options{})
	if got := files(t, again, commits[5].Hash)["dir/file"]; got != content+"5" {
		t.Error("content after reopening")
	}
}

func TestExternalCommitsAreRespected(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	put(t, s, "main", "ours", map[string]string{"a": "1"})
	tx, err := s.Begin(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write("b", []byte("2"), ModeFile); err != nil {
		t.Fatal(err)
	}
	theirs, err := gitPut(s.Path(), "main", "c", "3")
	if err != nil {
		t.Fatal(err)
	}
	if head(t, s, "main") != theirs {
		t.Error("the external commit is not seen")
	}
	c, err := tx.Commit(t.Context(), Message{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(files(t, s, c.Hash)); got != "map[a:1 b:2 c:3]" {
		t.Errorf("tree %s", got)
	}
	// A work tree cloned from it, and pushed back.
	work := filepath.Join(t.TempDir(), "work")
	syncStore(t, s)
	git(t, "", "clone", "-q", "-b", "main", s.Path(), work)
	if err := os.WriteFile(filepath.Join(work, "a"), []byte("pushed"), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, work, "commit", "-qam", "from a clone")
	git(t, work, "push", "-q", "origin", "main")
	if got := files(t, s, head(t, s, "main"))["a"]; got != "pushed" {
		t.Errorf("after push: %q", got)
	}
	fsck(t, s.Path())
}

func TestDiff(t *testing.T) {
	s := openTest(t, Options{})
	ctx := t.Context()
	a := put(t, s, "main", "a", map[string]string{"keep": "k", "text": "one\ntwo\n", "gone": "x", "bin": "a\x00b"})
	b := put(t, s, "main", "b", map[string]string{"text": "one\n2\n", "gone": "", "new": "n", "bin": "a\x00c", "long": strings.Repeat("x", maxDiffText+1)})
	diffs, err := s.Diff(ctx, a.Hash, b.Hash)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range diffs {
		got = append(got, fmt.Sprintf("%s %s binary=%t cut=%t", d.Kind, d.Path, d.Binary, d.Cut))
	}
	want := "modified bin binary=true cut=false; removed gone binary=false cut=false; added long binary=false cut=true; added new binary=false cut=false; modified text binary=false cut=false"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
	text := diffs[len(diffs)-1]
	if want := "diff --git a/text b/text\n--- a/text\n+++ b/text\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"; text.Unified != want {
		t.Errorf("unified:\n%s", text.Unified)
	}
	if all, err := s.Diff(ctx, Hash{}, a.Hash); err != nil || len(all) != 4 || all[0].Kind != Added {
		t.Errorf("diff from nothing: %v %v", all, err)
	}
	if _, err := s.Diff(ctx, Hash{7}, a.Hash); !errors.Is(err, ErrNotExist) {
		t.Errorf("diff of nothing: %v", err)
	}
}

func TestOddEntriesAreKept(t *testing.T) {
	s := openTest(t, Options{})
	run := func(stdin string, args ...string) string {
		cmd := gitCommand(s.Path(), args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	blob := run("x", "hash-object", "-w", "--stdin")
	// An old group-writable file, a submodule, an executable and a link.
	var raw bytes.Buffer
	h, err := ParseHash(blob)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"100755 exec", "120000 link", "100664 old", "160000 sub"} {
		raw.WriteString(e + "\x00" + string(h[:]))
	}
	tree := run(raw.String(), "hash-object", "-w", "-t", "tree", "--stdin")
	commit := run("", "commit-tree", tree, "-m", "odd")
	git(t, s.Path(), "update-ref", "refs/heads/main", commit)
	c := put(t, s, "main", "add", map[string]string{"added": "1"})
	got := git(t, s.Path(), "ls-tree", c.Hash.String())
	for _, want := range []string{"100755 blob " + blob + "\texec", "120000 blob " + blob + "\tlink", "160000 commit " + blob + "\tsub"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if raw := git(t, s.Path(), "cat-file", "tree", c.Tree.String()); !strings.Contains(raw, "100664 old\x00") {
		t.Errorf("the old mode is gone:\n%s", raw)
	}
}
