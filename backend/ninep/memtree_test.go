package ninep

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memTree is a writable tree in memory with some files that block, for tests.
type memTree struct {
	mu     sync.Mutex // of all its nodes
	root   *memNode
	nextID atomic.Uint64
	open   atomic.Int64 // handles
	closed atomic.Int64 // trees closed
}

type memNode struct {
	t        *memTree
	id       uint64
	children map[string]*memNode // nil for a file
	data     []byte
	mtime    time.Time

	// A file with gate blocks reads until it can receive from it.
	gate    chan struct{}
	reading chan struct{} // receives when a read has begun to block
}

func newMemTree() *memTree {
	t := &memTree{}
	t.root = t.node(true)
	return t
}

func (t *memTree) node(dir bool) *memNode {
	n := &memNode{t: t, id: t.nextID.Add(1), mtime: time.Unix(1700000000, 42)}
	if dir {
		n.children = map[string]*memNode{}
	}
	return n
}

func (t *memTree) addFile(name string, data []byte) *memNode {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.node(false)
	n.data = data
	t.root.children[name] = n
	return n
}

// addGate adds a file whose reads block until something is sent to gate.
func (t *memTree) addGate(name string) *memNode {
	n := t.addFile(name, []byte("news\n"))
	n.gate = make(chan struct{})
	n.reading = make(chan struct{}, 1000)
	return n
}

func (t *memTree) Attach(_ context.Context, r AttachRequest) (Node, error) {
	if r.Name != "" && r.Name != "/" {
		return nil, ENOENT
	}
	return t.root, nil
}

func (t *memTree) Close() { t.closed.Add(1) }

func (n *memNode) Qid() Qid {
	q := Qid{Path: n.id}
	if n.children != nil {
		q.Type = QidDir
	}
	return q
}

func (n *memNode) Attr(context.Context) (Attr, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	a := Attr{Mode: ModeRegular | 0o644, Links: 1, Size: uint64(len(n.data)), MTime: n.mtime}
	if n.children != nil {
		a.Mode = ModeDir | 0o755
	}
	return a, nil
}

func (n *memNode) SetAttr(_ context.Context, s SetAttr) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if s.Valid&SetSize != 0 {
		n.resize(int(s.Size))
	}
	return nil
}

func (n *memNode) resize(size int) {
	n.data = append(n.data[:min(size, len(n.data))], make([]byte, max(0, size-len(n.data)))...)
}

func (n *memNode) Xattr(_ context.Context, name string) ([]byte, error) {
	if name != "user.color" {
		return nil, ENODATA
	}
	return []byte("blue"), nil
}

func (n *memNode) Open(_ context.Context, flags OpenFlags) (Handle, error) {
	if flags&Truncate != 0 {
		n.SetAttr(context.Background(), SetAttr{Valid: SetSize})
	}
	n.t.open.Add(1)
	if n.children != nil {
		return &memDirHandle{n}, nil
	}
	return &memHandle{n}, nil
}

func (n *memNode) Lookup(_ context.Context, name string) (Node, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if c := n.children[name]; c != nil {
		if c.children == nil {
			return fileNode{c}, nil
		}
		return c, nil
	}
	return nil, ENOENT
}

// fileNode hides that memNode has the methods of a directory.
type fileNode struct{ n *memNode }

func (f fileNode) Qid() Qid                                   { return f.n.Qid() }
func (f fileNode) Attr(ctx context.Context) (Attr, error)     { return f.n.Attr(ctx) }
func (f fileNode) SetAttr(c context.Context, s SetAttr) error { return f.n.SetAttr(c, s) }
func (f fileNode) Open(ctx context.Context, fl OpenFlags) (Handle, error) {
	return f.n.Open(ctx, fl)
}
func (f fileNode) Xattr(ctx context.Context, name string) ([]byte, error) {
	return f.n.Xattr(ctx, name)
}

func (n *memNode) add(name string, dir bool) (*memNode, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if n.children[name] != nil {
		return nil, EEXIST
	}
	c := n.t.node(dir)
	n.children[name] = c
	return c, nil
}

func (n *memNode) Create(ctx context.Context, name string, flags OpenFlags, _ uint32) (Node, Handle, error) {
	c, err := n.add(name, false)
	if err != nil {
		return nil, nil, err
	}
	h, err := c.Open(ctx, flags)
	return fileNode{c}, h, err
}

func (n *memNode) Mkdir(_ context.Context, name string, _ uint32) (Node, error) {
	return n.add(name, true)
}

func (n *memNode) Unlink(_ context.Context, name string, dir bool) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	c := n.children[name]
	switch {
	case c == nil:
		return ENOENT
	case dir && c.children == nil:
		return ENOTDIR
	case !dir && c.children != nil:
		return EISDIR
	case len(c.children) > 0:
		return ENOTEMPTY
	}
	delete(n.children, name)
	return nil
}

func (n *memNode) Rename(_ context.Context, oldName string, newDir Node, newName string) error {
	to, ok := newDir.(*memNode)
	if !ok {
		return EXDEV
	}
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	c := n.children[oldName]
	if c == nil {
		return ENOENT
	}
	delete(n.children, oldName)
	to.children[newName] = c
	return nil
}

type memHandle struct{ n *memNode }

func (h *memHandle) Close() error {
	h.n.t.open.Add(-1)
	return nil
}

func (h *memHandle) Wait(ctx context.Context, _ int64) error {
	if h.n.gate == nil {
		return nil
	}
	h.n.reading <- struct{}{}
	select {
	case <-h.n.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *memHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	h.n.t.mu.Lock()
	defer h.n.t.mu.Unlock()
	if offset >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	return copy(p, h.n.data[offset:]), nil
}

func (h *memHandle) WriteAt(_ context.Context, p []byte, offset int64) (int, error) {
	const limit = 16 << 20
	if offset > limit-int64(len(p)) {
		return 0, EFBIG
	}
	h.n.t.mu.Lock()
	defer h.n.t.mu.Unlock()
	if end := int(offset) + len(p); end > len(h.n.data) {
		h.n.resize(end)
	}
	return copy(h.n.data[offset:], p), nil
}

type memDirHandle struct{ n *memNode }

func (h *memDirHandle) Close() error {
	h.n.t.open.Add(-1)
	return nil
}

func (h *memDirHandle) ReadDir(_ context.Context, offset uint64) iter.Seq2[Dirent, error] {
	h.n.t.mu.Lock()
	var all []Dirent
	for name, c := range h.n.children {
		all = append(all, Dirent{Qid: c.Qid(), Offset: c.id, Name: name})
	}
	h.n.t.mu.Unlock()
	slices.SortFunc(all, func(a, b Dirent) int { return int(a.Offset) - int(b.Offset) })
	return func(yield func(Dirent, error) bool) {
		for _, e := range all {
			if e.Offset > offset && !yield(e, nil) {
				return
			}
		}
	}
}

// serveMem serves t on a Unix socket until the test ends, and checks that
// nothing is left then.
func serveMem(t testing.TB, tree *memTree, limits Limits) string {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	return serveMemOn(t, tree, l, limits)
}

func serveMemOn(t testing.TB, tree *memTree, l net.Listener, limits Limits) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{NewTree: func(net.Conn) (Tree, error) { return tree, nil }, Limits: limits}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Error("Serve:", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Serve did not return")
		}
		if n := tree.open.Load(); n != 0 {
			t.Errorf("%d handles left open", n)
		}
	})
	return l.Addr().String()
}

func dialMem(t testing.TB, address string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), "unix", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// panicLogger fails the test when the server reports a panic of a handler.
func panicLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(failWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
}

type failWriter struct{ t testing.TB }

func (w failWriter) Write(p []byte) (int, error) {
	w.t.Errorf("logged: %s", p)
	return len(p), nil
}
