package ninep

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"maps"
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
	target   string // of a symbolic link
	mode     uint32 // of what Mknod made
	version  uint32 // counts writes
	xattrs   map[string][]byte
	locks    Locks

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
	n.xattrs = map[string][]byte{"user.color": []byte("blue")}
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
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	return n.qid()
}

func (n *memNode) qid() Qid {
	q := Qid{Path: n.id, Version: n.version}
	switch {
	case n.children != nil:
		q.Type = QidDir
	case n.target != "":
		q.Type = QidSymlink
	}
	return q
}

func (n *memNode) Attr(context.Context) (Attr, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	a := Attr{Mode: ModeRegular | 0o644, Links: 1, Size: uint64(len(n.data)), MTime: n.mtime}
	switch {
	case n.children != nil:
		a.Mode = ModeDir | 0o755
	case n.target != "":
		a.Mode = ModeSymlink | 0o777
	case n.mode != 0:
		a.Mode = n.mode
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
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if v, ok := n.xattrs[name]; ok {
		return v, nil
	}
	return nil, ENODATA
}

func (n *memNode) Xattrs(context.Context) ([]string, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	return slices.Sorted(maps.Keys(n.xattrs)), nil
}

func (n *memNode) SetXattr(_ context.Context, name string, value []byte, flags uint32) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	_, there := n.xattrs[name]
	switch {
	case there && flags&XattrCreate != 0:
		return EEXIST
	case !there && flags&XattrReplace != 0:
		return ENODATA
	case n.xattrs == nil:
		n.xattrs = map[string][]byte{}
	}
	n.xattrs[name] = slices.Clone(value)
	return nil
}

func (n *memNode) RemoveXattr(_ context.Context, name string) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if _, ok := n.xattrs[name]; !ok {
		return ENODATA
	}
	delete(n.xattrs, name)
	return nil
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
		switch {
		case c.target != "":
			return linkNode{fileNode{c}}, nil
		case c.children == nil:
			return fileNode{c}, nil
		}
		return c, nil
	}
	return nil, ENOENT
}

// linkNode is a symbolic link.
type linkNode struct{ fileNode }

func (l linkNode) Readlink(context.Context) (string, error) { return l.n.target, nil }

func (n *memNode) Symlink(_ context.Context, name, target string) (Node, error) {
	c, err := n.add(name, false)
	if err != nil {
		return nil, err
	}
	c.target = target
	return linkNode{fileNode{c}}, nil
}

func (n *memNode) Mknod(_ context.Context, name string, mode, _, _ uint32) (Node, error) {
	c, err := n.add(name, false)
	if err != nil {
		return nil, err
	}
	c.mode = mode
	return fileNode{c}, nil
}

func (n *memNode) Link(_ context.Context, target Node, name string) error {
	f, ok := target.(fileNode)
	if !ok {
		return EPERM
	}
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if n.children[name] != nil {
		return EEXIST
	}
	n.children[name] = f.n
	return nil
}

func (f fileNode) Xattrs(ctx context.Context) ([]string, error) { return f.n.Xattrs(ctx) }
func (f fileNode) SetXattr(ctx context.Context, name string, value []byte, flags uint32) error {
	return f.n.SetXattr(ctx, name, value, flags)
}
func (f fileNode) RemoveXattr(ctx context.Context, name string) error {
	return f.n.RemoveXattr(ctx, name)
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

func (h *memHandle) Lock(ctx context.Context, r LockRequest) (LockStatus, error) {
	return h.n.locks.Lock(ctx, h, r)
}

func (h *memHandle) GetLock(_ context.Context, r LockRequest) (LockRequest, error) {
	return h.n.locks.GetLock(h, r)
}

func (h *memHandle) Close() error {
	h.n.locks.Release(h)
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
	h.n.version++
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
		all = append(all, Dirent{Qid: c.qid(), Offset: c.id, Name: name})
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
