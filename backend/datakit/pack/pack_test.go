package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

const blob, tree, commit = plumbing.BlobObject, plumbing.TreeObject, plumbing.CommitObject

func object(kind Kind, data []byte) Object {
	return Object{Hash: hashObject(kind, data), Kind: kind, Data: data}
}

func each(objects []Object) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, o := range objects {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// newRepo makes an empty bare repository and returns it and its pack directory.
func newRepo(t testing.TB) (repo, dir string) {
	t.Helper()
	repo = filepath.Join(t.TempDir(), "r.git")
	git(t, "", "init", "-q", "--bare", repo)
	return repo, filepath.Join(repo, "objects", "pack")
}

// git runs git in repo, and gives what it printed.
func git(t testing.TB, repo string, args ...string) string {
	t.Helper()
	return gitIn(t, repo, "", args...)
}

func gitIn(t testing.TB, repo, input string, args ...string) string {
	t.Helper()
	if repo != "" {
		args = append([]string{"-C", repo}, args...)
	}
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+os.TempDir(), "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// sample makes objects of all sizes that matter.
func sample() []Object {
	random := rand.New(rand.NewPCG(1, 2))
	objects := []Object{object(tree, nil)}
	for _, n := range []int{0, 1, 15, 16, 127, 128, 2047, 2048, 65535, 65536, 3 << 20} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.IntN(40))
		}
		objects = append(objects, object(blob, b))
	}
	for i := range 600 {
		objects = append(objects, object(blob, fmt.Appendf(nil, "number %d\n", i)))
	}
	return objects
}

func TestCreateIsReadByGit(t *testing.T) {
	repo, dir := newRepo(t)
	objects := sample()
	info, err := Create(dir, len(objects), each(objects), WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	git(t, repo, "verify-pack", filepath.Join(dir, info.Name+".idx"))
	git(t, repo, "fsck", "--full", "--strict")
	for _, o := range objects[:12] {
		if got := git(t, repo, "cat-file", o.Kind.String(), o.Hash.String()); got != string(o.Data) {
			t.Errorf("git reads %d bytes of %s, want %d", len(got), o.Hash, len(o.Data))
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "tmp_*")); left != nil {
		t.Errorf("left: %v", left)
	}
	if again, err := Create(dir, len(objects), each(objects), WriteOptions{NoSync: true}); err != nil || again != info {
		t.Errorf("the same again: %+v, %v, want %+v", again, err, info)
	}
	if err := Sync(dir, info.Name); err != nil {
		t.Error(err)
	}
}

func TestCreateRefuses(t *testing.T) {
	o := object(blob, []byte("x"))
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		count   int
		objects iter.Seq2[Object, error]
	}{
		"too few":   {2, each([]Object{o})},
		"too many":  {1, each([]Object{o, object(blob, nil)})},
		"twice":     {2, each([]Object{o, o})},
		"a delta":   {1, each([]Object{{Kind: kindOFS}})},
		"an error":  {1, func(yield func(Object, error) bool) { yield(Object{}, broken) }},
		"negative":  {-1, each(nil)},
		"no object": {1, each(nil)},
	} {
		dir := t.TempDir()
		if _, err := Create(dir, c.count, c.objects, WriteOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// checkReader compares everything a reader gives with objects.
func checkReader(t *testing.T, r *Reader, objects []Object) {
	t.Helper()
	if r.Count() != len(objects) {
		t.Errorf("%d objects, want %d", r.Count(), len(objects))
	}
	want := map[Hash]Object{}
	for _, o := range objects {
		want[o.Hash] = o
		kind, data, err := r.Get(o.Hash)
		if err != nil || kind != o.Kind || !bytes.Equal(data, o.Data) {
			t.Fatalf("Get(%s): %s of %d bytes, %v; want %s of %d", o.Hash, kind, len(data), err, o.Kind, len(o.Data))
		}
		kind, size, err := r.Size(o.Hash)
		if err != nil || kind != o.Kind || size != int64(len(o.Data)) {
			t.Fatalf("Size(%s): %s of %d bytes, %v; want %s of %d", o.Hash, kind, size, err, o.Kind, len(o.Data))
		}
		kind, size, s, err := r.Open(o.Hash)
		if err != nil || kind != o.Kind || size != int64(len(o.Data)) {
			t.Fatalf("Open(%s): %s of %d bytes, %v", o.Hash, kind, size, err)
		}
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, o.Data) || s.Close() != nil {
			t.Fatalf("read %s: %d bytes, %v", o.Hash, len(got), err)
		}
		if !r.Has(o.Hash) {
			t.Fatalf("Has(%s) is false", o.Hash)
		}
	}
	n := 0
	for o, err := range r.Objects() {
		w := want[o.Hash]
		if err != nil || w.Kind != o.Kind || !bytes.Equal(w.Data, o.Data) {
			t.Fatalf("Objects gives %s of %d bytes for %s, %v", o.Kind, len(o.Data), o.Hash, err)
		}
		n++
	}
	last := Hash{}
	for h, err := range r.Hashes() {
		if err != nil || bytes.Compare(h[:], last[:]) <= 0 {
			t.Fatalf("Hashes gives %s after %s, %v", h, last, err)
		}
		last = h
		n++
	}
	if n != 2*len(objects) {
		t.Errorf("listed %d, want twice %d", n, len(objects))
	}
	absent := hashObject(blob, []byte("absent"))
	if _, _, err := r.Get(absent); !errors.Is(err, ErrNotExist) || r.Has(absent) {
		t.Errorf("Get of an absent object: %v", err)
	}
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path, ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestReaderReadsOurs(t *testing.T) {
	dir := t.TempDir()
	objects := sample()
	info, err := Create(dir, len(objects), each(objects), WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, filepath.Join(dir, info.Name))
	if r.Bytes() != info.Bytes || info.Objects != len(objects) {
		t.Errorf("%+v for %d bytes", info, r.Bytes())
	}
	checkReader(t, r, objects)
	r.index.data, r.index.file = nil, mustOpen(t, r.path+".idx") // as for a large index
	checkReader(t, r, objects)
}

func mustOpen(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// history makes n commits with git in repo, each changing one of files files,
// and returns all objects.
func history(t testing.TB, repo string, n, files int) []Object {
	t.Helper()
	var in strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata <<E\ncommit %d\nE\n", 1e9+i, i)
		for f := range files {
			if i == 0 || f == i*7%files {
				fmt.Fprintf(&in, "M 100644 inline d%d/e%d/f%d\ndata <<E\nfile %d\nsome text that stays\nversion %d\nand more text that stays the same\nE\n", f/100, f/10%10, f%10, f, i)
			}
		}
	}
	gitIn(t, repo, in.String()+"done\n", "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--done", "--depth=10")
	return allObjects(t, repo)
}

// allObjects reads a repository through git.
func allObjects(t testing.TB, repo string) []Object {
	t.Helper()
	out := git(t, repo, "cat-file", "--batch", "--batch-all-objects", "--unordered")
	var objects []Object
	for out != "" {
		line, rest, _ := strings.Cut(out, "\n")
		var name, kind string
		var size int
		if _, err := fmt.Sscan(line, &name, &kind, &size); err != nil {
			t.Fatalf("git cat-file says %q: %v", line, err)
		}
		k, err := plumbing.ParseObjectType(kind)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, Object{plumbing.NewHash(name), k, []byte(rest[:size])})
		out = rest[size+1:]
	}
	return objects
}

func packsIn(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.pack"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no pack in %s: %v", dir, err)
	}
	for i := range paths {
		paths[i] = strings.TrimSuffix(paths[i], ".pack")
	}
	return paths
}

func TestReaderReadsGits(t *testing.T) {
	repo, dir := newRepo(t)
	objects := history(t, repo, 60, 100)
	checkReader(t, open(t, packsIn(t, dir)[0]), objects)
	git(t, repo, "repack", "-adfq", "--depth=50")
	checkReader(t, open(t, packsIn(t, dir)[0]), objects)
	// Deltas by name, as old gits wrote them.
	git(t, repo, "-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")
	if out := git(t, repo, "verify-pack", "-s", packsIn(t, dir)[0]+".idx"); !strings.Contains(out, "chain length") {
		t.Fatalf("no deltas to test with: %s", out)
	}
	checkReader(t, open(t, packsIn(t, dir)[0]), objects)
}

func TestReaderIsConcurrent(t *testing.T) {
	repo, dir := newRepo(t)
	objects := history(t, repo, 40, 100)
	r := open(t, packsIn(t, dir)[0])
	r.src.cache.limit = 4 << 10
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for range 300 {
				o := objects[random.IntN(len(objects))]
				if _, data, err := r.Get(o.Hash); err != nil || !bytes.Equal(data, o.Data) {
					t.Errorf("Get(%s): %v", o.Hash, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if size := r.src.cache.Size(); size > 4<<10 {
		t.Errorf("the cache holds %d bytes", size)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := r.Get(objects[0].Hash); err == nil {
		t.Error("a closed reader reads")
	}
}

func TestOpenNeedsBothFiles(t *testing.T) {
	for _, ext := range []string{".idx", ".pack"} {
		dir := t.TempDir()
		info, err := Create(dir, 1, each([]Object{object(blob, nil)}), WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, info.Name+ext)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(filepath.Join(dir, info.Name), ReaderOptions{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s: %v", ext, err)
		}
	}
}
