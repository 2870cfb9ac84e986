//go:build linux

package fusefs

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// memTree is a writable tree in memory, whose top also has
//
//	ctl   refuses every write but "ok\n", and says why in ErrorXattr
//	live  a stream: gives what is sent to news, and cannot seek
type memTree struct {
	mu   sync.Mutex
	root *memNode
	ids  atomic.Uint64
	open atomic.Int64 // handles

	news     chan string
	waiting  chan struct{} // receives when a reader of live begins to wait
	released chan struct{} // receives when one gave up waiting
}

func newMemTree() *memTree {
	t := &memTree{news: make(chan string), waiting: make(chan struct{}, 16), released: make(chan struct{}, 16)}
	t.root = t.node(ninep.ModeDir | 0o755)
	t.root.children = map[string]*memNode{"ctl": t.node(ninep.ModeRegular | 0o600), "live": t.node(ninep.ModeRegular | 0o400)}
	return t
}

func (t *memTree) Attach(context.Context, ninep.AttachRequest) (ninep.Node, error) {
	return dirNode{t.root}, nil
}
func (t *memTree) Close() {}

type memNode struct {
	t        *memTree
	id       uint64
	mode     uint32
	data     []byte // content, or the target of a link
	children map[string]*memNode
}

func (t *memTree) node(mode uint32) *memNode {
	return &memNode{t: t, id: t.ids.Add(1), mode: mode, children: map[string]*memNode{}}
}

type (
	fileNode struct{ *memNode }
	dirNode  struct{ *memNode }
	linkNode struct{ *memNode }
)

func (n *memNode) wrap() ninep.Node {
	switch n.mode & modeType {
	case ninep.ModeDir:
		return dirNode{n}
	case ninep.ModeSymlink:
		return linkNode{n}
	}
	return fileNode{n}
}

func (n *memNode) Qid() ninep.Qid {
	q := ninep.Qid{Path: n.id}
	switch n.mode & modeType {
	case ninep.ModeDir:
		q.Type = ninep.QidDir
	case ninep.ModeSymlink:
		q.Type = ninep.QidSymlink
	}
	return q
}

func (n *memNode) Attr(context.Context) (ninep.Attr, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	return ninep.Attr{Mode: n.mode, Links: 1, Size: uint64(len(n.data))}, nil
}

func (n *memNode) SetAttr(_ context.Context, s ninep.SetAttr) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if s.Valid&ninep.SetMode != 0 {
		n.mode = n.mode&modeType | s.Mode&0o777
	}
	if s.Valid&ninep.SetSize != 0 {
		n.data = append(n.data[:min(int(s.Size), len(n.data))], make([]byte, max(0, int(s.Size)-len(n.data)))...)
	}
	return nil
}

func (n *memNode) Open(ctx context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags&ninep.Truncate != 0 {
		_ = n.SetAttr(ctx, ninep.SetAttr{Valid: ninep.SetSize})
	}
	n.t.open.Add(1)
	return &memHandle{n: n}, nil
}

func (n linkNode) Readlink(context.Context) (string, error) { return string(n.data), nil }

func (n dirNode) Lookup(_ context.Context, name string) (ninep.Node, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if c := n.children[name]; c != nil {
		return c.wrap(), nil
	}
	return nil, ninep.ENOENT
}

func (n dirNode) add(name string, mode uint32, data string) (*memNode, error) {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if n.children[name] != nil {
		return nil, ninep.EEXIST
	}
	c := n.t.node(mode)
	c.data = []byte(data)
	n.children[name] = c
	return c, nil
}

func (n dirNode) Create(ctx context.Context, name string, flags ninep.OpenFlags, mode uint32) (ninep.Node, ninep.Handle, error) {
	c, err := n.add(name, ninep.ModeRegular|mode&0o777, "")
	if err != nil {
		return nil, nil, err
	}
	h, err := c.Open(ctx, flags)
	return c.wrap(), h, err
}

func (n dirNode) Mkdir(_ context.Context, name string, mode uint32) (ninep.Node, error) {
	c, err := n.add(name, ninep.ModeDir|mode&0o777, "")
	if err != nil {
		return nil, err
	}
	return c.wrap(), nil
}

func (n dirNode) Symlink(_ context.Context, name, target string) (ninep.Node, error) {
	c, err := n.add(name, ninep.ModeSymlink|0o777, target)
	if err != nil {
		return nil, err
	}
	return c.wrap(), nil
}

func (n dirNode) Unlink(_ context.Context, name string, dir bool) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	c := n.children[name]
	switch {
	case c == nil:
		return ninep.ENOENT
	case len(c.children) > 0:
		return ninep.ENOTEMPTY
	}
	delete(n.children, name)
	return nil
}

func (n dirNode) Rename(_ context.Context, oldName string, to ninep.Node, newName string) error {
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	c := n.children[oldName]
	if c == nil {
		return ninep.ENOENT
	}
	delete(n.children, oldName)
	to.(dirNode).children[newName] = c
	return nil
}

type memHandle struct {
	n *memNode

	mu     sync.Mutex
	reason string
	buffer string // of live
	taken  int64
}

func (h *memHandle) Close() error {
	h.n.t.open.Add(-1)
	return nil
}

func (h *memHandle) is(name string) bool { return h.n.t.root.children[name] == h.n }

func (h *memHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if h.is("live") {
		return h.live(ctx, p, offset)
	}
	h.n.t.mu.Lock()
	defer h.n.t.mu.Unlock()
	if offset >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	return copy(p, h.n.data[offset:]), nil
}

func (h *memHandle) live(ctx context.Context, p []byte, offset int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if offset != h.taken {
		return 0, ninep.ESPIPE
	}
	if h.buffer == "" {
		h.n.t.waiting <- struct{}{}
		select {
		case h.buffer = <-h.n.t.news:
		case <-ctx.Done():
			h.n.t.released <- struct{}{}
			return 0, ctx.Err()
		}
	}
	n := copy(p, h.buffer)
	h.buffer = h.buffer[n:]
	h.taken += int64(n)
	return n, nil
}

func (h *memHandle) WriteAt(_ context.Context, p []byte, offset int64) (int, error) {
	if h.is("ctl") {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.reason = ""; string(p) != "ok\n" {
			h.reason = fmt.Sprintf("unknown command %q", p)
			return 0, ninep.EIO
		}
		return len(p), nil
	}
	h.n.t.mu.Lock()
	defer h.n.t.mu.Unlock()
	if end := int(offset) + len(p); end > len(h.n.data) {
		h.n.data = append(h.n.data, make([]byte, end-len(h.n.data))...)
	}
	return copy(h.n.data[offset:], p), nil
}

func (h *memHandle) Xattr(_ context.Context, name string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name != ErrorXattr || h.reason == "" {
		return nil, ninep.ENODATA
	}
	return []byte(h.reason), nil
}

func (h *memHandle) ReadDir(_ context.Context, offset uint64) iter.Seq2[ninep.Dirent, error] {
	return func(yield func(ninep.Dirent, error) bool) {
		h.n.t.mu.Lock()
		defer h.n.t.mu.Unlock()
		names := slices.Sorted(maps.Keys(h.n.children))
		for i := offset; i < uint64(len(names)); i++ {
			if !yield(ninep.Dirent{Qid: h.n.children[names[i]].Qid(), Offset: i + 1, Name: names[i]}, nil) {
				return
			}
		}
	}
}
