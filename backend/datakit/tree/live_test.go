package tree

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

func TestWatch(t *testing.T) {
	w := newWorld(t, Options{})
	u, watcher := w.plain(), w.plain()
	watcher.mkdir("branch/dev")
	head := watcher.follow("branch/dev/head.live")
	top := watcher.follow("branch/dev/watch/tree.live")
	doc := watcher.follow("branch/dev/watch/src.node/doc.node/tree.live")
	equal(t, "no head", head.next(), "\n")
	equal(t, "empty root", top.next(), "D-4b825dc642cb6eb9a060e54bf8d69288fbee4904\n")
	equal(t, "absent", doc.next(), "\n")
	hash := u.put("dev", "README", "hi")
	equal(t, "head", head.next(), hash+"\n")
	root := top.next()
	if !strings.HasPrefix(root, "D-") {
		t.Errorf("root: %q", root)
	}
	u.put("dev", "src/doc/x", "1")
	dir := doc.next()
	if !strings.HasPrefix(dir, "D-") {
		t.Errorf("doc: %q", dir)
	}
	equalList(t, "below the hash", u.ls("trees/"+strings.TrimSpace(dir)), "x")
	equalList(t, "suggestions", u.ls("branch/dev/watch/src.node"), "doc.node", "tree.live")
	head.next()
	head.next2(t, u)
	u.put("dev", "src/doc/x", "-")
	equal(t, "gone", doc.next(), "\n")
	for _, s := range []*stream{head, top, doc} {
		s.close()
	}
	equal(t, "watchers", len(w.s.allWatchers()), 0)
	wantErrno(t, watcher.Mkdir(u.ctx, "branch/dev/watch/x.node", 0o775), ninep.EROFS)
	wantErrno(t, errOf(u.Stat(u.ctx, "branch/dev/watch/README")), ninep.ENOENT)
}

// next2 tests that a watch tells nothing of other changes.
func (s *stream) next2(t *testing.T, u *guest) {
	t.Helper()
	file := u.follow("branch/dev/watch/README.node/tree.live")
	defer file.close()
	first := file.next()
	if !strings.HasPrefix(first, "F-") {
		t.Errorf("file: %q", first)
	}
	equal(t, "the blob", u.cat("trees/"+strings.TrimSpace(first)), "hi")
	u.put("dev", "unrelated", "1")
	x := u.begin("dev", "exec")
	u.must(u.set(x.rw("README"), ninep.SetAttr{Valid: ninep.SetMode, Mode: 0o755}))
	x.commit()
	equal(t, "executable", file.next(), "X-"+first[2:])
}

func TestEmptyReads(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.join(stranger, "") // as a kernel attaches
	u.mkdir("branch/dev")
	s := u.follow("branch/dev/head.live")
	equal(t, "first line", s.next(), "\n")
	read := func() (int, error) { return s.f.ReadAt(u.ctx, make([]byte, 100), s.offset) }
	if n, err := read(); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("after a line: %d bytes, %v; want one empty read", n, err)
	}
	hash := w.plain().put("dev", "a", "b")
	equal(t, "second line", s.next(), hash+"\n")
	if n, err := read(); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("after a line: %d bytes, %v; want one empty read", n, err)
	}
	s.offset = 7
	_, err := read()
	wantErrno(t, err, ninep.ESPIPE)
	s.close()
}

func TestReflog(t *testing.T) {
	w := newDiskWorld(t, Options{})
	u, reader := w.plain(), w.plain()
	first := u.put("dev", "a", "0")
	s := reader.follow("branch/dev/reflog")
	var want strings.Builder
	for i := range 20 {
		want.WriteString(u.put("dev", "a", strings.Repeat("x", i+1)) + "\n")
	}
	u.must(u.rm("branch/dev", true))
	want.WriteString("\n")
	u.mkdir("branch/dev")
	u.say("branch/dev/fast-forward", first)
	want.WriteString(first + "\n")
	var got strings.Builder
	for got.Len() < want.Len() {
		got.WriteString(s.next())
	}
	equal(t, "reflog", got.String(), want.String())
	s.close()
}
