package ninep

import (
	"context"
	"slices"
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
	closed   chan struct{} // made by who waits; closed when the handle is closed
	closeErr error
	removal  bool  // 9P2000: remove the file with the fid
	list     *list // 9P2000: of an open directory
}

func newFid(p *place) *fid {
	return &fid{place: p, refs: 1}
}

// view is what a request sees of a fid it uses.
type view struct {
	*fid
	place  *place
	handle Handle
	flags  OpenFlags
}

// use looks a fid up for r, until release. A fid that an earlier request is about
// to make or change is waited for.
func (c *conn) use(r *request, id uint32) (view, error) {
	c.mu.Lock()
	if err := c.await(r, id, false); err != nil {
		c.mu.Unlock()
		return view{}, err
	}
	defer c.mu.Unlock()
	f := c.fids[id]
	if f == nil {
		return view{}, EBADF
	}
	f.refs++
	f.users = append(f.users, r)
	r.attach = f.place.attach
	return view{f, f.place, f.handle, f.flags}, nil
}

// await waits for the claim that an earlier request has on a fid; if missing, only
// for a fid that is not there yet. Once r has a claim on it of its own, later ones may
// have taken that one's place, so the earlier one is found through it. c.mu is held,
// but not while it waits.
func (c *conn) await(r *request, id uint32, missing bool) error {
	for {
		k := c.claims[id]
		if r.claim != nil && r.claim.fid == id {
			k = r.claim.before
		}
		if k == nil || missing && c.fids[id] != nil {
			return nil
		}
		c.mu.Unlock()
		c.handOver(r)
		var err error
		select {
		case <-k.done:
		case <-r.Done():
			err = r.Err()
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
		if r.claim != nil && r.claim.before == k {
			r.claim.before = nil
		}
	}
}

// release ends what use began. The last one closes the handle.
func (c *conn) release(r *request, f *fid) {
	c.mu.Lock()
	if i := slices.Index(f.users, r); i >= 0 {
		last := len(f.users) - 1
		f.users[i], f.users[last] = f.users[last], nil
		f.users = f.users[:last]
	}
	last := f.unref()
	c.mu.Unlock()
	if last {
		c.closeFid(f)
	}
}

// drop gives up one reference.
func (c *conn) drop(f *fid) {
	c.mu.Lock()
	last := f.unref()
	c.mu.Unlock()
	if last {
		c.closeFid(f)
	}
}

// unref reports whether nobody has f any more. c.mu is held.
func (f *fid) unref() bool {
	f.refs--
	return f.refs == 0
}

func (c *conn) closeFid(f *fid) {
	var err error
	if f.handle != nil {
		err = f.handle.Close()
	}
	c.mu.Lock()
	f.closeErr = err
	if f.closed != nil {
		close(f.closed)
	}
	c.mu.Unlock()
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
		c.stats.noFid.Add(1)
		return ENFILE
	}
	c.fids[id] = f
	c.stats.fids.Add(1)
	return nil
}

// clunk forgets a fid, cancels what uses it, and waits for its handle to close.
func (c *conn) clunk(r *request, id uint32) error {
	c.mu.Lock()
	if err := c.await(r, id, true); err != nil {
		c.mu.Unlock()
		return err
	}
	f := c.fids[id]
	if f == nil {
		c.mu.Unlock()
		return EBADF
	}
	delete(c.fids, id)
	c.stats.fids.Add(-1)
	for _, u := range f.users {
		u.cancel()
	}
	last := f.unref()
	if !last {
		f.closed = make(chan struct{})
	}
	c.mu.Unlock()
	if last {
		c.closeFid(f)
		return f.closeErr
	}
	c.handOver(r)
	select {
	case <-f.closed:
		return f.closeErr
	case <-r.Done():
		return r.Err() // the last user closes it
	}
}

// opening marks a fid as being opened: nobody else may open it.
func (c *conn) opening(f *fid) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.busy {
		return EBUSY
	}
	f.busy = true
	return nil
}

// opened ends opening: with the handle, or with none after a failure.
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
func (c *conn) step(ctx context.Context, p *place, name string) (*place, error) {
	switch name {
	case ".":
		return p, nil
	case "..":
		if p.parent == nil {
			return p, nil
		}
		return p.parent, nil
	}
	if err := c.checkName(name); err != nil {
		return nil, err
	}
	if p.depth >= maxDepth {
		c.stats.badNames.Add(1)
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

// checkName refuses, and counts, what cannot name a file.
func (c *conn) checkName(name string) error {
	err := checkName(name)
	if err != nil {
		c.stats.badNames.Add(1)
	}
	return err
}

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
