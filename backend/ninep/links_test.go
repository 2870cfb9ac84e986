package ninep

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"testing"
)

func TestLinks(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", []byte("hello"))
	c := dialMem(t, serveMem(t, tree, Limits{}))
	ctx := t.Context()
	root := c.Root()
	walk := func(name string) *File {
		t.Helper()
		f, err := root.Walk(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	if err := root.Symlink(ctx, "s", "../any/where"); err != nil {
		t.Fatal(err)
	}
	s := walk("s")
	if to, err := s.Readlink(ctx); to != "../any/where" || err != nil || s.Qid().Type != QidSymlink {
		t.Errorf("readlink: %q, %v, %+v", to, err, s.Qid())
	}
	f := walk("f")
	if _, err := f.Readlink(ctx); !errors.Is(err, EINVAL) {
		t.Errorf("readlink of a file: %v", err)
	}
	if err := root.Link(ctx, f, "g"); err != nil {
		t.Fatal(err)
	}
	if g := walk("g"); g.Qid() != f.Qid() {
		t.Errorf("%+v and %+v are not one file", g.Qid(), f.Qid())
	}
	if err := root.Link(ctx, f, "g"); !errors.Is(err, EEXIST) {
		t.Errorf("second link: %v", err)
	}
	if err := root.Link(ctx, f, ".."); !errors.Is(err, EINVAL) {
		t.Errorf("link called ..: %v", err)
	}
	if err := root.Mknod(ctx, "p", ModeFIFO|0o600, 0, 0); err != nil {
		t.Fatal(err)
	}
	if a, err := walk("p").Attr(ctx); a.Mode != ModeFIFO|0o600 || err != nil {
		t.Errorf("mknod: mode %o, %v", a.Mode, err)
	}
}

func TestXattrs(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", nil)
	c := dialMem(t, serveMem(t, tree, Limits{}))
	ctx := t.Context()
	f, err := c.Root().Walk(ctx, "f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	long := make([]byte, 50000)
	for _, step := range []struct {
		do   func() error
		want error
	}{
		{func() error { return f.SetXattr(ctx, "user.a", []byte("1"), 0) }, nil},
		{func() error { return f.SetXattr(ctx, "user.a", []byte("2"), XattrCreate) }, EEXIST},
		{func() error { return f.SetXattr(ctx, "user.b", []byte("2"), XattrReplace) }, ENODATA},
		{func() error { return f.SetXattr(ctx, "user.empty", nil, 0) }, nil},
		{func() error { return f.SetXattr(ctx, "user.long", long, 0) }, nil},
		{func() error { return f.SetXattr(ctx, "user.longer", make([]byte, maxXattr+1), 0) }, ERANGE},
		{func() error { return f.RemoveXattr(ctx, "user.none") }, ENODATA},
		{func() error { return f.RemoveXattr(ctx, "user.color") }, nil},
	} {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Errorf("%v, want %v", err, step.want)
		}
	}
	names, err := f.Xattrs(ctx)
	if want := []string{"user.a", "user.empty", "user.long"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
	if b, err := f.Xattr(ctx, "user.long"); err != nil || len(b) != len(long) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// TestXattrHalfWritten: what was not written whole has no effect, and says so.
func TestXattrHalfWritten(t *testing.T) {
	tree := newMemTree()
	n := tree.addFile("f", nil)
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	for i, step := range []struct {
		m    message
		want Errno
	}{
		{&tWalk{0, 1, []string{"f"}}, 0},
		{&tXattrcreate{1, "user.x", 10, 0}, 0},
		{&tWrite{1, 0, []byte("1234")}, 0},
		{&tWrite{1, 9, []byte("1")}, ESPIPE},
		{&tWrite{1, 4, []byte("1234567")}, ENOSPC},
		{&tClunk{1}, EINVAL},
		{&tClunk{1}, EBADF},
	} {
		if _, e := w.call(step.m); e != step.want {
			t.Errorf("step %d: %v, want %v", i, e, step.want)
		}
	}
	if _, err := n.Xattr(t.Context(), "user.x"); err != ENODATA {
		t.Errorf("half a value took effect: %v", err)
	}
}

func TestLocks(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", nil)
	address := serveMem(t, tree, Limits{})
	ctx := t.Context()
	open := func() *File {
		t.Helper()
		f, err := dialMem(t, address).Open(ctx, "f", ReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a, b := open(), open()
	lock := func(f *File, r LockRequest, want LockStatus) {
		t.Helper()
		if s, err := f.Lock(ctx, r); s != want || err != nil {
			t.Errorf("lock %+v: %v, %v, want %v", r, s, err, want)
		}
	}
	lock(a, LockRequest{Type: LockWrite, Start: 10, Length: 10}, LockSuccess)
	lock(b, LockRequest{Type: LockRead, Start: 19, Length: 1}, LockBlocked)
	lock(b, LockRequest{Type: LockRead, Start: 20, Length: 1}, LockSuccess)
	lock(a, LockRequest{Type: LockRead, Start: 0}, LockSuccess)
	lock(b, LockRequest{Type: LockRead, Start: 19, Length: 1}, LockSuccess) // a's lock is a shared one now
	lock(b, LockRequest{Type: LockWrite, Start: 19, Length: 1}, LockBlocked)
	lock(a, LockRequest{Type: Unlock, Start: 15, Length: 10}, LockSuccess)
	lock(b, LockRequest{Type: LockWrite, Start: 19, Length: 1}, LockSuccess)
	if r, err := b.GetLock(ctx, LockRequest{Type: LockWrite}); err != nil || r.Type != LockRead || r.Start != 0 || r.Length != 15 {
		t.Errorf("getlock: %+v, %v", r, err)
	}
	if r, err := b.GetLock(ctx, LockRequest{Type: LockWrite, Start: 16, Length: 5}); err != nil || r.Type != Unlock {
		t.Errorf("getlock of what is free: %+v, %v", r, err)
	}
	if _, err := a.Lock(ctx, LockRequest{Type: LockRead, Start: 1, Length: 1<<64 - 1}); !errors.Is(err, EINVAL) {
		t.Errorf("lock beyond everything: %v", err)
	}
	// One that waits gets it when the other goes away without a word.
	got := make(chan error, 1)
	go func() {
		_, err := b.Lock(ctx, LockRequest{Type: LockWrite, Flags: LockBlock})
		got <- err
	}()
	a.c.Close()
	if err := waitFor(t, "lock", got); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// attachTree tells the attach request below which each call came.
type attachTree struct {
	*memTree
	seen chan AttachRequest
}

func (t attachTree) Attach(ctx context.Context, r AttachRequest) (Node, error) {
	t.seen <- AttachOf(ctx)
	n, err := t.memTree.Attach(ctx, r)
	return attachNode{n, t.seen}, err
}

type attachNode struct {
	Node
	seen chan AttachRequest
}

func (n attachNode) Lookup(ctx context.Context, name string) (Node, error) {
	n.seen <- AttachOf(ctx)
	return n.Node.(Dir).Lookup(ctx, name)
}

func TestAttachOf(t *testing.T) {
	mem := newMemTree()
	mem.addFile("f", nil)
	tree := attachTree{mem, make(chan AttachRequest, 100)}
	near, far := net.Pipe()
	served := make(chan error, 1)
	s := &Server{NewTree: func(net.Conn) (Tree, error) { return tree, nil }}
	go func() { served <- s.ServeConn(context.Background(), far) }()
	who := AttachRequest{User: "glenda", UID: 7, Name: "plain"}
	c, err := NewClient(t.Context(), near, who)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stat(t.Context(), "f"); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := waitFor(t, "end", served); err != nil {
		t.Error(err)
	}
	close(tree.seen)
	n := 0
	for got := range tree.seen {
		if n++; got != who || !got.Plain() {
			t.Errorf("call %d: %+v", n, got)
		}
	}
	if n < 2 {
		t.Errorf("%d calls", n)
	}
	if AttachOf(context.Background()) != (AttachRequest{}) {
		t.Error("an attach request out of nowhere")
	}
}

func TestPeerOf(t *testing.T) {
	peers := make(chan Peer, 1)
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		peers <- PeerOf(nc)
		nc.Close()
	}()
	nc, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	p := waitFor(t, "accept", peers)
	if known := p.UID != -1; known && (p.UID != os.Getuid() || p.GID != os.Getgid() || p.PID != os.Getpid()) {
		t.Errorf("%+v", p)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if p := PeerOf(near); p.UID != -1 || p.PID != 0 {
		t.Errorf("a pipe: %+v", p)
	}
}
