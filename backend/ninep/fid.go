package ninep

import (
	"context"
	"strings"
)

// place is a node and the way to it from the root, which ".." and the removal of
// a file need. Places are immutable and share their parents.
type place struct {
	node   Node
	name   string
	parent *place // nil at the root
	depth  int
	attach *AttachRequest
}

// fid is a client's name for a place, and for an open file there. All fields but
// closed are guarded by conn.mu.
type fid struct {
	place  *place
	handle Handle // nil until open
	flags  OpenFlags
	busy   bool // open or about to be

	refs     int // of the table and of each user
	users    []*request
	closed   chan struct{} // closed when refs is 0 and the handle is closed
	closeErr error         // set before closed is closed
}

func newFid(p *place) *fid {
	return &fid{place: p, refs: 1, closed: make(chan struct{})}
}

// view is what a request sees of a fid it uses.
type view struct {
	*fid
	place  *place
	handle Handle
	flags  OpenFlags
}

// use looks a fid up for r, until release.
func (c *conn) use(r *request, id uint32) (view, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fids[id]
	if f == nil {
		return view{}, EBADF
	}
	f.refs++
	f.users = append(f.users, r)
	r.ctx = context.WithValue(r.ctx, attachKey{}, f.place.attach)
	return view{f, f.place, f.handle, f.flags}, nil
}

// release ends what use began. The last one closes the handle.
func (c *conn) release(r *request, f *fid) {
	c.mu.Lock()
	for i, u := range f.users {
		if u == r {
			last := len(f.users) - 1
			f.users[i], f.users[last] = f.users[last], nil
			f.users = f.users[:last]
			break
		}
	}
	c.mu.Unlock()
	c.drop(f)
}

// drop gives up one reference.
func (c *conn) drop(f *fid) {
	c.mu.Lock()
	f.refs--
	last := f.refs == 0
	c.mu.Unlock()
	if !last {
		return
	}
	if f.handle != nil {
		f.closeErr = f.handle.Close()
	}
	close(f.closed)
}

// insert gives f the number id.
func (c *conn) insert(id uint32, f *fid) error {
	if id == noFid {
		return EBADF
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fids[id] != nil {
		return EBADF
	}
	if len(c.fids) >= c.limits.Fids {
		return ENFILE
	}
	c.fids[id] = f
	return nil
}

// clunk forgets a fid, cancels what uses it, and waits for its handle to close.
func (c *conn) clunk(ctx context.Context, id uint32) error {
	c.mu.Lock()
	f := c.fids[id]
	if f == nil {
		c.mu.Unlock()
		return EBADF
	}
	delete(c.fids, id)
	for _, u := range f.users {
		u.cancel()
	}
	c.mu.Unlock()
	c.drop(f)
	select {
	case <-f.closed:
		return f.closeErr
	case <-ctx.Done():
		return ctx.Err() // the last user closes it
	}
}

// begin marks a fid as being opened: nobody else may open it.
func (c *conn) begin(f *fid) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.busy {
		return EBUSY
	}
	f.busy = true
	return nil
}

// opened ends begin: with the handle, or with none after a failure.
func (c *conn) opened(f *fid, p *place, h Handle, flags OpenFlags) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h == nil {
		f.busy = false
		return
	}
	f.place, f.handle, f.flags = p, h, flags
}

// child is the place of an entry of p.
func (p *place) child(name string, n Node) *place {
	return &place{node: n, name: name, parent: p, depth: p.depth + 1, attach: p.attach}
}

// step follows one name of a walk.
func (p *place) step(ctx context.Context, name string) (*place, error) {
	switch name {
	case ".":
		return p, nil
	case "..":
		if p.parent == nil {
			return p, nil
		}
		return p.parent, nil
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if p.depth >= maxDepth {
		return nil, ENAMETOOLONG
	}
	d, ok := p.node.(Dir)
	if !ok {
		return nil, ENOTDIR
	}
	n, err := d.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	return p.child(name, n), nil
}

// checkName refuses what cannot name a file.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return EINVAL
	case len(name) > maxName:
		return ENAMETOOLONG
	case strings.ContainsAny(name, "/\x00"):
		return EINVAL
	}
	return nil
}
