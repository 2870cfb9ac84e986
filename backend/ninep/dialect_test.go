package ninep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	"9fans.net/go/plan9"
	"9fans.net/go/plan9/client"
)

func dialDialect(t *testing.T, address string, d Dialect) *Client {
	t.Helper()
	nc, err := net.Dial("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClientDialect(t.Context(), nc, AttachRequest{Name: plainName}, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestOlderDialects does with 9P2000 and 9P2000.u what programs do with files.
func TestOlderDialects(t *testing.T) {
	for _, d := range []Dialect{Dialect9P2000, Dialect9P2000U} {
		t.Run(d.String(), func(t *testing.T) {
			tree := newMemTree()
			c := dialDialect(t, serveMem(t, tree, Limits{}), d)
			ctx := t.Context()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			}
			must(c.Mkdir(ctx, "d", 0o755))
			must(c.WriteFile(ctx, "d/f", []byte("hello")))
			if b, err := c.ReadFile(ctx, "d/f", 100); string(b) != "hello" || err != nil {
				t.Errorf("read %q, %v", b, err)
			}
			if i, err := c.Stat(ctx, "d/f"); err != nil || i.Size != 5 || i.Mode != 0o644 || i.MTime.Unix() != 1700000000 {
				t.Errorf("stat: %+v, %v", i, err)
			}
			if i, err := c.Stat(ctx, "d"); err != nil || !i.Mode.IsDir() {
				t.Errorf("stat: %+v, %v", i, err)
			}
			dir, err := c.Root().Walk(ctx, "d")
			must(err)
			defer dir.Close()
			must(dir.Rename(ctx, "f", dir, "g"))
			if err := dir.Rename(ctx, "g", c.Root(), "g"); !errors.Is(err, EXDEV) {
				t.Errorf("rename to another directory: %v", err)
			}
			g, err := dir.Walk(ctx, "g")
			must(err)
			must(g.SetAttr(ctx, SetAttr{Valid: SetSize, Size: 2}))
			if err := g.SetAttr(ctx, SetAttr{Valid: SetSize | SetMode}); err == nil || !strings.Contains(err.Error(), "at the same time") {
				t.Errorf("two changes at once: %v", err)
			}
			must(g.Close())
			if _, err := c.ReadFile(ctx, "d/none", 1); !errors.Is(err, ENOENT) {
				t.Errorf("no file: %v", err)
			}
			if err := c.Remove(ctx, "d"); !errors.Is(err, ENOTEMPTY) {
				t.Errorf("remove of a full directory: %v", err)
			}
			link := c.Root().Symlink(ctx, "l", "d/g")
			l, err := c.Root().Walk(ctx, "l")
			if d == Dialect9P2000 {
				if !errors.Is(link, EPERM) {
					t.Errorf("symlink: %v", link)
				}
			} else {
				must(link)
				must(err)
				if target, err := l.Readlink(ctx); target != "d/g" || err != nil {
					t.Errorf("readlink: %q, %v", target, err)
				}
				must(l.Close())
			}
			if _, err := dir.StatFS(ctx); !errors.Is(err, ENOTSUP) {
				t.Errorf("statfs: %v", err)
			}
			must(dir.Unlink(ctx, "g", false))
			must(c.Remove(ctx, "d"))
		})
	}
}

// TestOlderReadDir reads a directory larger than a message, and checks that it
// cannot be sought in.
func TestOlderReadDir(t *testing.T) {
	tree := newMemTree()
	for i := range 3000 {
		tree.addFile(fmt.Sprintf("file-%04d", i), nil)
	}
	c := dialDialect(t, serveMem(t, tree, Limits{MessageSize: minMessage}), Dialect9P2000U)
	all, err := c.ReadDir(t.Context(), "/")
	if err != nil || len(all) != 3000 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	names := map[string]bool{}
	for _, e := range all {
		names[e.Name] = true
	}
	if len(names) != 3000 {
		t.Errorf("%d names", len(names))
	}
	f, err := c.Open(t.Context(), "/", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(t.Context(), make([]byte, 1000), 17); !errors.Is(err, ESPIPE) {
		t.Errorf("seek: %v", err)
	}
}

// TestLinuxWays checks what the kernel's client does unlike others: it asks for the
// rest of a message after each piece of a directory, and ends the fid of a hard
// link with a newline.
func TestLinuxWays(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", nil)
	tree.addFile("g", nil)
	c := dialDialect(t, serveMem(t, tree, Limits{}), Dialect9P2000U)
	f, err := c.Open(t.Context(), "/", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 100) // room for one entry
	n, err := f.ReadAt(t.Context(), b, 0)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if n, err := f.ReadAt(t.Context(), b[:10], int64(n)); n != 0 || err != io.EOF {
		t.Errorf("the rest of a message: %d bytes, %v", n, err)
	}
	if n, err := f.ReadAt(t.Context(), b, int64(n)); n == 0 || err != nil {
		t.Errorf("the next entry: %d bytes, %v", n, err)
	}
	target, err := c.Root().Walk(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if err := c.Root().makeOlder(t.Context(), "h", dmLink, fmt.Sprintf("%d\n", target.id)); err != nil {
		t.Error(err)
	}
	if i, err := c.Stat(t.Context(), "h"); err != nil || i.Qid != target.Qid() {
		t.Errorf("stat of the link: %+v, %v", i, err)
	}
}

// TestPlan9Client drives the server with Plan 9's own client.
func TestPlan9Client(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", []byte("hello"))
	conn, err := client.Dial("unix", serveMem(t, tree, Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fsys, err := conn.Attach(nil, "glenda", "")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fsys.Open("f", plan9.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); string(b) != "hello" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if n, err := f.WriteAt([]byte("J"), 0); n != 1 || err != nil {
		t.Error(n, err)
	}
	f.Close()
	dir, err := fsys.Create("d", plan9.OREAD, plan9.DMDIR|0o755)
	if err != nil {
		t.Fatal(err)
	}
	dir.Close()
	g, err := fsys.Create("d/g", plan9.OWRITE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	s, err := fsys.Stat("f")
	if err != nil || s.Name != "f" || s.Length != 5 || s.Mode != 0o644 {
		t.Errorf("stat: %v, %v", s, err)
	}
	var change plan9.Dir
	change.Null()
	change.Name = "h"
	if err := fsys.Wstat("f", &change); err != nil {
		t.Error(err)
	}
	root, err := fsys.Open("/", plan9.OREAD)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := root.Dirreadall()
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"d", "h"}) {
		t.Errorf("entries %q, %v", names, err)
	}
	root.Close()
	if _, err := fsys.Stat("none"); err == nil || err.Error() != "No such file or directory" {
		t.Errorf("stat: %v", err)
	}
	if err := fsys.Remove("h"); err != nil {
		t.Error(err)
	}
}

func olderSamples() []message {
	s := stat{1, 2, Qid{QidDir, 1, 2}, 3, 4, 5, 6, "n", "u", "g", "m", "", 0, 0, 0}
	return []message{
		&rError{"Is a directory", 0}, &tOpen{1, 2}, &tCreate{1, "n", 2, 3, ""}, &tStat{1}, &rStat{s}, &tWstat{1, s},
		&rLopen{kindTopen + 1, Qid{}, 1}, &rLopen{kindTcreate + 1, Qid{}, 1}, &rEmpty{kindTwstat + 1},
	}
}

// FuzzDialects: what is accepted in a dialect says the same when it is written again.
func FuzzDialects(f *testing.F) {
	for _, m := range append(samples(), olderSamples()...) {
		for d := range Dialect9P2000 + 1 {
			if frame, ok := (&codec{dialect: d}).appendMessage(nil, 7, m); ok {
				f.Add(uint8(d), frame[4], frame[headerLen:])
			}
		}
	}
	f.Fuzz(func(t *testing.T, d, kind uint8, body []byte) {
		c := codec{dialect: Dialect(d % 3)}
		m, ok := c.parseMessage(kind, body)
		if !ok {
			return
		}
		frame, ok := c.appendMessage(nil, 7, m)
		if !ok {
			t.Fatalf("accepted %+v but cannot write it", m)
		}
		again, ok := c.parseMessage(kind, frame[headerLen:])
		if !ok || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

// FuzzOlderServer is FuzzServer in the older dialects.
func FuzzOlderServer(f *testing.F) {
	for _, m := range append(samples(), olderSamples()...) {
		for _, d := range []Dialect{Dialect9P2000, Dialect9P2000U} {
			if frame, ok := (&codec{dialect: d}).appendMessage(nil, 7, m); ok && len(frame) < 256 {
				f.Add(d == Dialect9P2000U, append([]byte{byte(len(frame) - 4)}, frame[4:]...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, unix bool, script []byte) {
		d := Dialect9P2000
		if unix {
			d = Dialect9P2000U
		}
		tree := newMemTree()
		tree.addFile("f", []byte("content"))
		near, far := net.Pipe()
		s := &Server{
			NewTree: func(net.Conn) (Tree, error) { return tree, nil },
			Log:     panicLogger(t),
			Limits:  Limits{Fids: 16, Requests: 16, MessageSize: minMessage},
		}
		ended := make(chan error, 1)
		go func() { ended <- s.ServeConn(context.Background(), far) }()
		drained := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, near)
			drained <- err
		}()
		c := codec{dialect: d}
		prologue, _ := c.appendMessage(nil, noTag, &tVersion{minMessage, d.String()})
		prologue, _ = c.appendMessage(prologue, 1, &tAttach{fid: 0, afid: noFid})
		prologue, _ = c.appendMessage(prologue, 2, &tWalk{0, 1, []string{"f"}})
		near.Write(append(prologue, frames(script)...))
		near.Close()
		waitFor(t, "end of connection", ended)
		waitFor(t, "end of answers", drained)
		if n := tree.open.Load(); n != 0 {
			t.Fatalf("%d handles left open", n)
		}
	})
}
