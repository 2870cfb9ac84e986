package datakit

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
)

func FuzzCheckPath(f *testing.F) {
	for _, p := range []string{"vm/cpus", "", "/", "a//b", "../x", "a/..", ".git", "a/.GIT/b", "git~1", "GITMOD~1", ".git ", ".git.", ".git::$INDEX_ALLOCATION",
		".g\u200cit", "a\x00b", "a\\b", "\xff", strings.Repeat("a/", 40) + "a", strings.Repeat("x", 300), ".gitignore", "gitfile", ".gitmodules"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		err := CheckPath(p)
		if err != nil {
			if !errors.Is(err, ErrBadPath) {
				t.Fatalf("%q: %v", p, err)
			}
			return
		}
		if path.Clean(p) != p || path.IsAbs(p) || !utf8.ValidString(p) || len(p) > maxPath || strings.ContainsAny(p, "\x00\\\n") {
			t.Fatalf("%q is allowed", p)
		}
		for _, name := range strings.Split(p, "/") {
			if name == ".." || strings.EqualFold(name, ".git") {
				t.Fatalf("%q is allowed", p)
			}
		}
	})
}

func TestCheckPath(t *testing.T) {
	for _, p := range []string{"vm/cpus", "a", "a b", "é", ".gitignore", "gitfile", "a~1", "x/..y", "share.d/-x"} {
		if err := CheckPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", ".git", "a/.GIT/b", "git~1", "GITMOD~1", "gi7eba~1", ".git ", ".git.", ".git::$INDEX_ALLOCATION",
		".g\u200cit", "a\x00b", "a\\b", "a\nb", "\xff", ".gitmodules", strings.Repeat("a/", maxDepth) + "a", strings.Repeat("x", maxName+1), strings.Repeat("abc/", 300)} {
		if err := CheckPath(p); !errors.Is(err, ErrBadPath) {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func FuzzRefFiles(f *testing.F) {
	h := strings.Repeat("ab", 20)
	for _, data := range []string{h + "\n", h, "", "ref: refs/heads/x\n", h + " refs/heads/main\n", "# pack-refs with: peeled\n" + h + " refs/tags/v1\n^" + h + "\n", "x", "\x00", h + " refs/heads/../x\n"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := parseRef(data); err == nil {
			if h.IsZero() || !strings.EqualFold(strings.TrimRight(string(data), " \t\r\n"), h.String()) {
				t.Fatalf("%q read as %s", data, h)
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Fatalf("%q: %v", data, err)
		}
		branches, err := parsePackedRefs(data)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%q: %v", data, err)
		}
		for name := range branches {
			if checkBranch(name) != nil {
				t.Fatalf("branch %q", name)
			}
		}
	})
}

func FuzzDecodeObjects(f *testing.F) {
	f.Add([]byte("100644 a\x00" + strings.Repeat("x", 20) + "40000 b\x00" + strings.Repeat("y", 20)))
	f.Add(encodeCommit(emptyTree, []Hash{{1}}, alice, epoch, "message\n"))
	f.Add([]byte("tree \nparent x\n"))
	f.Add([]byte("tree 0000000000000000000000000000000000000000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if entries, err := decodeTree(data); err == nil {
			again, err := decodeTree(encodeTree(entries))
			if err != nil || len(again) != len(entries) {
				t.Fatalf("tree %q: %v", data, err)
			}
		} else if !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		c, err := decodeCommit(data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		who := Message{Author: c.author}.clean(alice).Author
		d, err := decodeCommit(encodeCommit(c.tree, c.parents, who, c.when, c.message))
		if err != nil || d.tree != c.tree || d.message != c.message || d.author != who || !d.when.Equal(c.when) {
			t.Fatalf("commit %q: %v, %+v", data, err, d)
		}
	})
}

func TestObjectRoundTrip(t *testing.T) {
	raw := encodeTree([]treeEntry{{"a.b", node{ModeFile, Hash{1}}}, {"a", node{ModeDir, Hash{2}}}, {"a0", node{ModeFile, Hash{3}}}})
	if want := "100644 a.b\x00"; !bytes.HasPrefix(raw, []byte(want)) {
		t.Errorf("git's order is a.b, a/, a0: %q", raw)
	}
	if got := emptyTree.String(); got != "4b825dc642cb6eb9a060e54bf8d69288fbee4904" {
		t.Errorf("empty tree %s", got)
	}
}

// TestObjectsComeAfterWhatTheyReferTo: a crash between two renames must not
// leave a tree without its files.
func TestObjectsComeAfterWhatTheyReferTo(t *testing.T) {
	b := newBatch(&objectDB{}) // which knows the empty tree
	root := &workDir{from: emptyTree}
	for _, p := range []string{"a/b/c", "a/d", "e", "f/g"} {
		blob := b.put(plumbing.BlobObject, []byte(p))
		if taken, err := root.put(b, p, node{ModeFile, blob}); err != nil || taken != "" {
			t.Fatal(taken, err)
		}
	}
	tree := root.build(b)
	commit := b.put(plumbing.CommitObject, encodeCommit(tree, nil, alice, epoch, "x"))
	b.put(plumbing.BlobObject, []byte("not part of it"))
	list, err := b.take(commit, tree)
	if err != nil || len(list) != 4+4+1 {
		t.Fatalf("%d objects, %v", len(list), err)
	}
	there := map[Hash]bool{}
	for _, o := range list {
		switch o.kind {
		case plumbing.TreeObject:
			entries, err := decodeTree(o.data)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !there[e.hash] {
					t.Errorf("a tree comes before its %s", e.name)
				}
			}
		case plumbing.CommitObject:
			if !there[tree] {
				t.Error("the commit comes before its tree")
			}
		}
		there[o.hash] = true
	}
}
