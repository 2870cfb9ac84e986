package tree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// world is a store with a tree, for the length of a test.
type world struct {
	t     testing.TB
	store *datakit.Store
	s     *Server
	ctx   context.Context
}

// newWorld has a store in memory, which behaves as one on disk.
func newWorld(t testing.TB, opt Options) *world {
	store, err := datakit.OpenMemory(datakit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, store, opt)
}

func newDiskWorld(t testing.TB, opt Options) *world {
	store, err := datakit.Open(t.Context(), t.TempDir()+"/repo", datakit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, store, opt)
}

func newWorldOn(t testing.TB, store *datakit.Store, opt Options) *world {
	w := &world{t: t, store: store, s: New(store, opt), ctx: t.Context()}
	t.Cleanup(func() {
		// Everything that belonged to a client has to be gone with it.
		w.s.mu.Lock()
		if n := len(w.s.sessions) + len(w.s.transactions) + len(w.s.watchers); n > 0 {
			t.Errorf("%d sessions, branches with transactions and watchers are left", n)
		}
		w.s.mu.Unlock()
		w.s.hub.mu.Lock()
		if n := len(w.s.hub.branches); n > 0 {
			t.Errorf("%d branches are still followed", n)
		}
		w.s.hub.mu.Unlock()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// guest is a client of a test.
type guest struct {
	*ninep.Client
	t     testing.TB
	ctx   context.Context
	close func()
	asked *atomic.Int64 // messages sent
}

// join connects a client, which is gone at the end of the test.
func (w *world) join(peer ninep.Peer, aname string) *guest {
	w.t.Helper()
	client, server := net.Pipe()
	return w.connect(client, server, peer, aname)
}

func (w *world) connect(client, server net.Conn, peer ninep.Peer, aname string) *guest {
	w.t.Helper()
	return w.connectIn(ninep.Dialect9P2000L, client, server, peer, aname)
}

func (w *world) connectIn(d ninep.Dialect, client, server net.Conn, peer ninep.Peer, aname string) *guest {
	w.t.Helper()
	ns := ninep.Server{NewTree: func(net.Conn) (ninep.Tree, error) { return w.s.Session(peer), nil }}
	served := make(chan error, 1)
	go func() { served <- ns.ServeConn(context.Background(), server) }()
	counted := &countedConn{Conn: client}
	c, err := ninep.NewClientDialect(w.ctx, counted, ninep.AttachRequest{User: "tester", UID: 1000, Name: aname}, d)
	if err != nil {
		w.t.Fatal(err)
	}
	u := &guest{Client: c, t: w.t, ctx: w.ctx, asked: &counted.writes}
	once := false
	u.close = func() {
		if once {
			return
		}
		once = true
		c.Close()
		if err := <-served; err != nil {
			w.t.Errorf("the connection ended: %v", err)
		}
	}
	w.t.Cleanup(u.close)
	return u
}

var stranger = ninep.Peer{UID: -1, GID: -1, Addr: "192.0.2.1:1"}

func (w *world) plain() *guest { return w.join(stranger, "plain") }

type countedConn struct {
	net.Conn
	writes atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func (u *guest) cat(name string) string {
	u.t.Helper()
	b, err := u.ReadFile(u.ctx, name, 1<<20)
	if err != nil {
		u.t.Fatal(err)
	}
	return string(b)
}

// tell writes to a file that is there, as `echo text > file` does, and returns
// what can be read from it then.
func (u *guest) tell(name, text string) (string, error) {
	f, err := u.Open(u.ctx, name, ninep.ReadWrite|ninep.Truncate)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, failed := f.WriteAt(u.ctx, []byte(text), 0)
	b := make([]byte, 64<<10)
	n, err := f.ReadAt(u.ctx, b, 0)
	if err != nil && !errors.Is(err, io.EOF) && failed == nil {
		failed = err
	}
	return string(b[:n]), failed
}

func (u *guest) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

func (u *guest) say(name, text string) string {
	u.t.Helper()
	answer, err := u.tell(name, text)
	u.must(err)
	return answer
}

func (u *guest) mkdir(name string) {
	u.t.Helper()
	u.must(u.Mkdir(u.ctx, name, 0o775))
}

func (u *guest) write(name, text string) {
	u.t.Helper()
	u.must(u.WriteFile(u.ctx, name, []byte(text)))
}

func (u *guest) ls(name string) []string {
	u.t.Helper()
	entries, err := u.ReadDir(u.ctx, name)
	u.must(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// rm removes as rm and rmdir do: with Tunlinkat.
func (u *guest) rm(name string, dir bool) error {
	parent, err := u.Root().Walk(u.ctx, elements(path.Dir(name))...)
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Unlink(u.ctx, path.Base(name), dir)
}

func (u *guest) mv(from, to string) error {
	a, err := u.Root().Walk(u.ctx, elements(path.Dir(from))...)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := u.Root().Walk(u.ctx, elements(path.Dir(to))...)
	if err != nil {
		return err
	}
	defer b.Close()
	return a.Rename(u.ctx, path.Base(from), b, path.Base(to))
}

func elements(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
}

func (u *guest) set(name string, set ninep.SetAttr) error {
	f, err := u.Root().Walk(u.ctx, elements(name)...)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.SetAttr(u.ctx, set)
}

// tx is an open transaction of a test.
type tx struct {
	*guest
	dir string
}

func (u *guest) begin(branch, name string) tx {
	u.t.Helper()
	u.mkdir("branch/" + escapeBranch.Replace(branch))
	dir := "branch/" + escapeBranch.Replace(branch) + "/transactions/" + name
	u.mkdir(dir)
	return tx{u, dir}
}

func (x tx) rw(name string) string { return x.dir + "/rw/" + name }

// commit returns the hash.
func (x tx) commit() string {
	x.t.Helper()
	return strings.TrimSpace(x.say(x.dir+"/ctl", "commit\n"))
}

// put commits files to a branch: pairs of path and text. A text of "-" removes.
func (u *guest) put(branch string, pairs ...string) string {
	u.t.Helper()
	x := u.begin(branch, "put")
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			u.must(u.Remove(u.ctx, x.rw(pairs[i])))
			continue
		}
		dir := path.Dir(pairs[i])
		for j := range dir + "/" {
			if dir != "." && (dir + "/")[j] == '/' {
				if err := u.Mkdir(u.ctx, x.rw(dir[:j]), 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
					u.t.Fatal(err)
				}
			}
		}
		u.write(x.rw(pairs[i]), pairs[i+1])
	}
	return x.commit()
}

// stream reads a live file line by line.
type stream struct {
	u      *guest
	f      *ninep.File
	offset int64
}

func (u *guest) follow(name string) *stream {
	u.t.Helper()
	f, err := u.Open(u.ctx, name, ninep.ReadOnly)
	u.must(err)
	return &stream{u: u, f: f}
}

// next is one piece; a test that waits for ever fails with the time of the context.
func (s *stream) next() string {
	s.u.t.Helper()
	ctx, cancel := context.WithTimeout(s.u.ctx, patience)
	defer cancel()
	b := make([]byte, 4096)
	n, err := s.f.ReadAt(ctx, b, s.offset)
	s.u.must(err)
	s.offset += int64(n)
	return string(b[:n])
}

func (s *stream) close() { s.f.Close() }

func wantErrno(t testing.TB, err error, want ninep.Errno) {
	t.Helper()
	if ninep.ErrnoOf(err) != want || err == nil {
		t.Errorf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalList(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
