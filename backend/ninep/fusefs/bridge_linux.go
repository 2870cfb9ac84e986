package fusefs

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// patience is how long an interrupted request may go on that would end by itself.
const patience = time.Second

// cacheTime is how long what never changes is kept by the kernel.
const cacheTime = time.Hour

// stale answers for a node that was forgotten.
const stale = fuse.Status(unix.ESTALE)

// bridge answers the kernel's requests with 9P calls.
//
// A node stands for a name in a directory, not for a qid: a directory that a server
// shows in two places must be two directories to the kernel, which moves a directory
// that it meets a second time. Its fid is the one that was walked last.
type bridge struct {
	fuse.RawFileSystem // what is not implemented here is ENOSYS
	client             *ninep.Client
	opt                Options
	owner              fuse.Owner
	closer             *closer

	mu       sync.Mutex
	nodes    map[uint64]*node // by the number the kernel knows
	names    map[key]*node
	lastNode uint64
	handles  map[uint64]*handle
	lastFh   uint64
}

type key struct {
	parent uint64
	name   string
	qid    uint64
	kind   ninep.QidType
}

type node struct {
	id      uint64
	key     key
	qid     ninep.Qid
	path    string // from the root, when it was last looked up
	lookups uint64 // that the kernel has not forgotten
	file    *shared
	reason  []byte // why the last read or write was refused
}

// shared is a fid that is closed when nobody uses it any more.
type shared struct {
	*ninep.File
	users int // bridge.mu
}

func newBridge(client *ninep.Client, opt Options) *bridge {
	b := &bridge{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		client:        client,
		opt:           opt,
		owner:         fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())},
		closer:        startCloser(),
		names:         map[key]*node{},
		handles:       map[uint64]*handle{},
		lastNode:      fuse.FUSE_ROOT_ID,
	}
	root := &node{id: fuse.FUSE_ROOT_ID, qid: client.Root().Qid(), lookups: 1, file: &shared{File: client.Root(), users: 2}}
	b.nodes = map[uint64]*node{root.id: root} // the second user of its fid is the client
	return b
}

// String implements fuse.RawFileSystem.
func (b *bridge) String() string { return "slipway" }

// close gives all fids up. No request is under way.
func (b *bridge) close() {
	b.mu.Lock()
	for id, n := range b.nodes {
		delete(b.nodes, id)
		b.drop(n.file)
	}
	for id, h := range b.handles {
		delete(b.handles, id)
		b.closer.add(h.file)
	}
	b.mu.Unlock()
	b.closer.end()
}

// drop ends one use of a fid. b.mu is held.
func (b *bridge) drop(f *shared) {
	if f.users--; f.users == 0 {
		b.closer.add(f.File)
	}
}

// use returns a node with its fid, which is the caller's until done is called.
func (b *bridge) use(id uint64) (n *node, f *ninep.File, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = b.nodes[id]
	if n == nil {
		return nil, nil, func() {}
	}
	file := n.file
	file.users++
	return n, file.File, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(file)
	}
}

// meet makes f known as an entry of a directory, and counts a lookup by the kernel.
func (b *bridge) meet(parent *node, name string, f *ninep.File) *node {
	k := key{parent.id, name, f.Qid().Path, f.Qid().Type}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.names[k]
	if n == nil {
		b.lastNode++
		n = &node{id: b.lastNode, key: k, file: &shared{users: 1}}
		b.names[k], b.nodes[n.id] = n, n
	} else {
		b.drop(n.file)
		n.file = &shared{users: 1}
	}
	n.file.File = f
	n.qid = f.Qid()
	n.path = path.Join(parent.path, name)
	n.lookups++
	return n
}

// Forget implements fuse.RawFileSystem.
func (b *bridge) Forget(id, lookups uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.nodes[id]
	if n == nil || id == fuse.FUSE_ROOT_ID {
		return
	}
	if n.lookups -= min(lookups, n.lookups); n.lookups > 0 {
		return
	}
	delete(b.nodes, id)
	if b.names[n.key] == n {
		delete(b.names, n.key)
	}
	b.drop(n.file)
}

// steady makes a context that outlasts an interruption by patience.
func steady(cancel <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-cancel:
		}
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
			stop()
		}
	}()
	return ctx, stop
}

// interruptible is the context of a request that may wait for ever: it ends when the
// kernel says so.
type interruptible <-chan struct{}

func (interruptible) Deadline() (t time.Time, ok bool) { return }
func (i interruptible) Done() <-chan struct{}          { return i }
func (interruptible) Value(any) any                    { return nil }
func (i interruptible) Err() error {
	select {
	case <-i:
		return context.Canceled
	default:
		return nil
	}
}

// status is the error number the kernel gets to know: the wire has Linux's numbers.
func status(err error) fuse.Status {
	switch {
	case err == nil:
		return fuse.OK
	case errors.Is(err, ninep.ErrClosed):
		return fuse.Status(ninep.ENOTCONN)
	case errors.Is(err, io.ErrShortWrite):
		return fuse.EIO
	}
	return fuse.Status(ninep.ErrnoOf(err))
}

// closer closes fids in the background: the kernel must not wait while it forgets.
type closer struct {
	mu    sync.Mutex
	some  sync.Cond
	files []*ninep.File
	ended bool
	done  chan struct{}
}

func startCloser() *closer {
	c := &closer{done: make(chan struct{})}
	c.some.L = &c.mu
	go c.run()
	return c
}

func (c *closer) add(f *ninep.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, f)
	c.some.Signal()
}

// end returns when all files are closed.
func (c *closer) end() {
	c.mu.Lock()
	c.ended = true
	c.some.Signal()
	c.mu.Unlock()
	<-c.done
}

func (c *closer) run() {
	defer close(c.done)
	for {
		c.mu.Lock()
		for len(c.files) == 0 && !c.ended {
			c.some.Wait()
		}
		files := c.files
		c.files = nil
		c.mu.Unlock()
		if len(files) == 0 {
			return
		}
		for _, f := range files {
			_ = f.Close() // a file that cannot be closed is gone with its connection
		}
	}
}
