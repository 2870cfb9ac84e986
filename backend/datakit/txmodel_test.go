package datakit

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

var modelRounds = flag.Int("modelrounds", 12, "transactions of the model test")

// fileModel is what a transaction should hold, as plain maps.
type fileModel struct {
	files map[string]modelFile
	dirs  map[string]bool // that exist; true: stays when it is empty
}

type modelFile struct {
	mode Mode
	data string
}

func (m *fileModel) mkParents(p string) {
	for d := parentDir(p); d != ""; d = parentDir(d) {
		if !m.isDir(d) {
			m.dirs[d] = false
		}
	}
}

// blocked reports whether a file is where p needs a directory.
func (m *fileModel) blocked(p string) bool {
	for d := parentDir(p); d != ""; d = parentDir(d) {
		if _, file := m.files[d]; file {
			return true
		}
	}
	return false
}

func (m *fileModel) isDir(p string) bool { _, ok := m.dirs[p]; return ok }

func (m *fileModel) isFile(p string) bool { _, ok := m.files[p]; return ok }

func (m *fileModel) empty(dir string) bool {
	for p := range m.files {
		if inDir(p, dir) {
			return false
		}
	}
	for p := range m.dirs {
		if inDir(p, dir) {
			return false
		}
	}
	return true
}

func (m *fileModel) drop(p string) {
	maps.DeleteFunc(m.files, func(q string, _ modelFile) bool { return q == p || inDir(q, p) })
	maps.DeleteFunc(m.dirs, func(q string, _ bool) bool { return q == p || inDir(q, p) })
}

func (m *fileModel) remove(p string) bool {
	if !m.isFile(p) && !m.isDir(p) {
		return false
	}
	m.drop(p)
	for d := parentDir(p); d != "" && !m.dirs[d] && m.empty(d); d = parentDir(d) {
		delete(m.dirs, d)
	}
	return true
}

func (m *fileModel) rename(from, to string) bool {
	switch {
	case !m.isFile(from) && !m.isDir(from):
		return false
	case from == to:
		return true
	case inDir(to, from), m.blocked(to), m.isDir(from) && m.isFile(to), m.isFile(from) && m.isDir(to), m.isDir(to) && !m.empty(to):
		return false
	}
	m.drop(to)
	m.mkParents(to)
	for p, f := range maps.Clone(m.files) {
		if p == from || inDir(p, from) {
			delete(m.files, p)
			m.files[to+p[len(from):]] = f
		}
	}
	for p, keep := range maps.Clone(m.dirs) {
		if p == from || inDir(p, from) {
			delete(m.dirs, p)
			m.dirs[to+p[len(from):]] = keep
		}
	}
	if d := parentDir(from); d != "" {
		m.dirs[d] = true
	}
	return true
}

// step does one random change to both, and says what it was and whether it
// should have worked.
func (m *fileModel) step(r *rand.Rand, tx *Tx) (what string, want bool, err error) {
	p := []string{"a", "b", "a/x", "a/y", "b/z", "a/x/deep", "c/d/e", "c/d/f", "c"}[r.IntN(9)]
	f, file := m.files[p]
	free := !m.blocked(p) && !m.isDir(p)
	set := func(mode Mode, data string) {
		m.files[p] = modelFile{mode, data}
		m.mkParents(p)
	}
	text := strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(40))
	switch r.IntN(9) {
	case 0:
		mode := []Mode{ModeFile, ModeExec, ModeSymlink}[r.IntN(3)]
		if free {
			set(mode, text)
		}
		return "write " + p, free, tx.Write(p, []byte(text), mode)
	case 1:
		ok := free && !file
		if ok {
			set(ModeFile, "")
		}
		return "create " + p, ok, tx.Create(p, ModeFile)
	case 2:
		off := r.IntN(60)
		ok := file && f.mode != ModeSymlink
		if ok && text != "" {
			data := []byte(f.data)
			data = append(data, make([]byte, max(0, off+len(text)-len(data)))...)
			copy(data[off:], text)
			set(f.mode, string(data))
		}
		_, err := tx.WriteAt(p, []byte(text), int64(off))
		return fmt.Sprint("write at ", off, " ", p), ok, err
	case 3:
		size := r.IntN(60)
		ok := file && f.mode != ModeSymlink
		if ok {
			set(f.mode, (f.data + strings.Repeat("\x00", 60))[:size])
		}
		return fmt.Sprint("truncate ", size, " ", p), ok, tx.Truncate(p, int64(size))
	case 4:
		ok := free && !file
		if ok {
			m.mkParents(p)
			m.dirs[p] = true
		}
		return "mkdir " + p, ok, tx.Mkdir(p)
	case 5:
		to := []string{"a/x", "n", "c/d/e", "b", "m/n", "a"}[r.IntN(6)]
		return "rename " + p + " " + to, m.rename(p, to), tx.Rename(p, to)
	case 6:
		ok := file && f.mode != ModeSymlink
		if ok {
			set([]Mode{ModeFile, ModeExec}[r.IntN(2)], f.data)
		}
		return "chmod " + p, ok, tx.Chmod(p, m.files[p].mode == ModeExec)
	case 7:
		return "remove " + p, m.remove(p), tx.Remove(p)
	default:
		ok := file || m.isDir(p) && m.empty(p)
		if ok {
			m.drop(p)
		}
		return "remove one " + p, ok, tx.RemoveOne(p)
	}
}

func (m *fileModel) check(t *testing.T, tx *Tx) {
	t.Helper()
	for p, f := range m.files {
		e, size, err := tx.Stat(p)
		if err != nil || e.Mode != f.mode || size != int64(len(f.data)) {
			t.Fatalf("stat %s: %+v %d %v, want %+v", p, e, size, err, f)
		}
		data, err := tx.Read(p)
		if err != nil || string(data) != f.data {
			t.Fatalf("read %s: %q %v, want %q", p, data, err, f.data)
		}
	}
	for dir := range m.dirs {
		want := map[string]bool{}
		for p := range m.files {
			want[p] = parentDir(p) == dir
		}
		for p := range m.dirs {
			want[p] = parentDir(p) == dir
		}
		maps.DeleteFunc(want, func(_ string, in bool) bool { return !in })
		list, err := tx.List(dir)
		if err != nil || len(list) != len(want) {
			t.Fatalf("list %s: %v %v, want %v", dir, list, err, want)
		}
		for _, e := range list {
			if !want[dir+"/"+e.Name] {
				t.Fatalf("list %s: %v, want %v", dir, list, want)
			}
		}
	}
}

// TestTxAgainstModel: after random changes a transaction holds what plain maps
// hold, and git sees the same in the commit.
func TestTxAgainstModel(t *testing.T) {
	t.Parallel()
	s := openTest(t, Options{})
	r := rand.New(rand.NewPCG(3, 4))
	m := &fileModel{map[string]modelFile{}, map[string]bool{}}
	for range *modelRounds {
		tx, err := s.Begin(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		var did []string
		for range 60 {
			what, want, err := m.step(r, tx)
			did = append(did, what)
			if (err == nil) != want {
				t.Fatalf("%s: %v, expected to work: %t\n%s", what, err, want, strings.Join(did, "\n"))
			}
			m.check(t, tx)
		}
		c, err := tx.Commit(t.Context(), Message{AllowEmpty: true})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for p, f := range m.files {
			want = append(want, fmt.Sprintf("%06o blob %s\t%s", uint32(f.mode), hashOf(plumbing.BlobObject, []byte(f.data)), p))
		}
		slices.SortFunc(want, func(a, b string) int { return strings.Compare(a[strings.Index(a, "\t"):], b[strings.Index(b, "\t"):]) })
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := git(t, s.Path(), "ls-tree", "-r", c.Hash.String()); got != strings.Join(want, "\n") {
			t.Fatalf("git sees\n%s\nwant\n%s\nafter\n%s", got, strings.Join(want, "\n"), strings.Join(did, "\n"))
		}
		// Git forgets empty directories, so the next transaction does.
		m.dirs = map[string]bool{}
		for p := range m.files {
			m.mkParents(p)
		}
	}
	fsck(t, s.Path())
}

func TestLargeFilesGoThroughDisk(t *testing.T) {
	s := openTest(t, Options{})
	tx, err := s.Begin(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 16<<10) // 256 KiB
	if err := tx.Create("big", ModeFile); err != nil {
		t.Fatal(err)
	}
	const chunks = 24
	for i := range chunks {
		if _, err := tx.WriteAt("big", chunk, int64(i*len(chunk))); err != nil {
			t.Fatal(err)
		}
	}
	if tx.use.memory > spoolAbove*2 || tx.use.disk != int64(chunks*len(chunk)) {
		t.Errorf("%d bytes in memory, %d on disk", tx.use.memory, tx.use.disk)
	}
	if _, err := tx.WriteAt("big", []byte("END"), maxBlob); !errors.Is(err, ErrTooLarge) {
		t.Errorf("write beyond the bound: %v", err)
	}
	c, err := tx.Commit(t.Context(), Message{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Begin(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.WriteAt("big", []byte("X"), 5); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 4)
	if n, err := again.ReadAt("big", p, int64(chunks*len(chunk)-2)); n != 2 || err == nil || string(p[:2]) != "ef" {
		t.Errorf("read at the end: %d %v %q", n, err, p)
	}
	snap, err := s.Snapshot(c.Hash)
	if err != nil {
		t.Fatal(err)
	}
	f, err := snap.Open("big")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.ReadAt(p, 4); n != 4 || err != nil || string(p) != "4567" || f.Size() != chunks*int64(len(chunk)) {
		t.Errorf("read of the commit: %d %v %q of %d", n, err, p, f.Size())
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if again.use.disk != 0 || again.use.memory != 0 {
		t.Errorf("after close: %+v", again.use)
	}
	fsck(t, s.Path())
}

func FuzzTxPaths(f *testing.F) {
	for _, p := range []string{"a", "../x", "a/../b", "a\x00b", "\xff", "/", "", "a//b", ".git/x", strings.Repeat("d/", 200) + "f", strings.Repeat("n", 5000)} {
		f.Add(p, "a/b")
	}
	s, err := Open(f.Context(), f.TempDir(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, p, q string) {
		tx, err := s.Begin(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Close()
		_ = tx.Write("a/b", []byte("x"), ModeFile)
		for _, err := range []error{tx.Create(p, ModeFile), tx.Mkdir(p + "/sub"), tx.Write(q, nil, ModeSymlink), tx.Rename(p, q), tx.Rename("a", p)} {
			if err == nil || errors.Is(err, ErrBadPath) || errors.Is(err, ErrExist) || errors.Is(err, ErrNotExist) || errors.Is(err, ErrNotEmpty) {
				continue
			}
			t.Fatalf("%q %q: %v", p, q, err)
		}
		_, _, _ = tx.Stat(p)
		_ = tx.RemoveOne(q)
		_ = tx.Remove(p)
		b := newBatch(tx.merged)
		tree, err := tx.build(t.Context(), b, false)
		if err != nil {
			t.Fatal(err)
		}
		err = Snapshot{objects: b, tree: tree}.Walk(func(e Entry) error {
			if !inDir(e.Name, p) { // what is moved into a deep place may become too deep
				if err := CheckPath(e.Name); err != nil && !inDir(e.Name, q) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
