package ninep

import (
	"context"
	"errors"
	"io"
	"math"
)

// serve answers one request. It runs concurrently with others.
func (c *conn) serve(r *request, m message) (message, error) {
	switch m := m.(type) {
	case *tAuth:
		// Error 0 is how diod's tools learn that no authentication is needed.
		return authReply(r.codec.dialect), nil
	case *tAttach:
		return c.attach(r, m)
	case *tWalk:
		return c.walk(r, m)
	case *tClunk:
		return c.clunkFid(r, m)
	case *tRemove:
		return c.remove(r, m)
	case *tXattrwalk:
		return c.xattrWalk(r, m)
	case *tRenameat:
		return c.renameAt(r, m)
	case *tRename:
		return c.rename(r, m)
	case *tLink:
		return c.link(r, m)
	}
	// The others work on one fid that is there already.
	v, err := c.use(r, fidOf(m))
	if err != nil {
		return nil, err
	}
	defer c.release(r, v.fid)
	switch m := m.(type) {
	case *tLopen:
		q, err := c.open(r, v, OpenFlags(m.flags))
		return &rLopen{kindTlopen + 1, q, 0}, err
	case *tLcreate:
		q, err := c.create(r, v, m.name, OpenFlags(m.flags), m.mode)
		return &rLopen{kindTlcreate + 1, q, 0}, err
	case *tRead:
		return c.read(r, v, m)
	case *tWrite:
		return c.write(r, v, m)
	case *tReaddir:
		return c.readDir(r, v, m)
	case *tGetattr:
		a, err := v.place.node.Attr(r)
		return &rGetattr{valid: 0x7ff, qid: v.place.node.Qid(), attr: a}, err
	case *tSetattr:
		s, ok := v.place.node.(AttrSetter)
		if !ok {
			return nil, ENOTSUP
		}
		return &rEmpty{kindTsetattr + 1}, s.SetAttr(r, m.set)
	case *tMkdir:
		return c.mkdir(r, v, m)
	case *tUnlinkat:
		const removeDir = 0x200
		return &rEmpty{kindTunlinkat + 1}, c.unlink(r, v.place, m.name, m.flags&removeDir != 0)
	case *tStatfs:
		return statFS(r, v)
	case *tOpen:
		return c.openOlder(r, v, m)
	case *tCreate:
		return c.createOlder(r, v, m)
	case *tStat:
		st, err := statOf(r, v.place, r.codec.dialect)
		return &rStat{st}, err
	case *tWstat:
		return c.wstat(r, v, m)
	}
	return c.serveUnix(r, v, m)
}

// serveUnix answers what only files of Unix have: links, attributes, locks, fsync.
func (c *conn) serveUnix(r *request, v view, m message) (message, error) {
	switch m := m.(type) {
	case *tSymlink:
		return c.symlink(r, v.place, m)
	case *tMknod:
		return c.mknod(r, v.place, m)
	case *tReadlink:
		l, ok := v.place.node.(LinkReader)
		if !ok {
			return nil, EINVAL
		}
		target, err := l.Readlink(r)
		return &rReadlink{target}, err
	case *tXattrcreate:
		return c.xattrCreate(v, m)
	case *tLock:
		l, ok := either[Locker](v)
		if !ok {
			return nil, ENOTSUP
		}
		status, err := l.Lock(r, m.LockRequest)
		return &rLock{status}, err
	case *tGetlock:
		l, ok := either[Locker](v)
		if !ok {
			return nil, ENOTSUP
		}
		found, err := l.GetLock(r, m.LockRequest)
		return &rGetlock{found}, err
	case *tFsync:
		if s, ok := v.handle.(Syncer); ok {
			return &rEmpty{kindTfsync + 1}, s.Sync(r)
		}
		return &rEmpty{kindTfsync + 1}, nil
	}
	return nil, ENOTSUP
}

func fidOf(m message) uint32 {
	switch m := m.(type) {
	case *tLopen:
		return m.fid
	case *tLcreate:
		return m.fid
	case *tRead:
		return m.fid
	case *tWrite:
		return m.fid
	case *tReaddir:
		return m.fid
	case *tGetattr:
		return m.fid
	case *tSetattr:
		return m.fid
	case *tMkdir:
		return m.fid
	case *tUnlinkat:
		return m.fid
	case *tStatfs:
		return m.fid
	case *tFsync:
		return m.fid
	case *tOpen:
		return m.fid
	case *tCreate:
		return m.fid
	case *tStat:
		return m.fid
	case *tWstat:
		return m.fid
	case *tSymlink:
		return m.fid
	case *tMknod:
		return m.fid
	case *tReadlink:
		return m.fid
	case *tXattrcreate:
		return m.fid
	case *tLock:
		return m.fid
	case *tGetlock:
		return m.fid
	}
	return noFid
}

func (c *conn) attach(r *request, m *tAttach) (message, error) {
	if m.afid != noFid {
		return nil, EINVAL // there is no authentication that could have made one
	}
	who := &AttachRequest{User: m.uname, UID: m.uid, Name: m.aname}
	r.attach = who
	n, err := c.tree.Attach(r, *who)
	if err != nil && who.Plain() && ErrnoOf(err) == ENOENT {
		n, err = c.tree.Attach(r, AttachRequest{User: m.uname, UID: m.uid})
	}
	if err != nil {
		return nil, err
	}
	if err := c.insert(m.fid, newFid(&place{node: n, attach: who})); err != nil {
		return nil, err
	}
	return &rQid{kindTattach + 1, n.Qid()}, nil
}

// walk answers with the part of the way that there is; only the whole way makes
// the new fid.
func (c *conn) walk(r *request, m *tWalk) (message, error) {
	v, err := c.use(r, m.fid)
	if err != nil {
		return nil, err
	}
	defer c.release(r, v.fid)
	p := v.place
	qids := make([]Qid, 0, len(m.names))
	for i, name := range m.names {
		next, err := c.step(r, p, name)
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			return &rWalk{qids}, nil
		}
		p = next
		qids = append(qids, p.node.Qid())
	}
	if m.newFid != m.fid {
		return &rWalk{qids}, c.insert(m.newFid, newFid(p))
	}
	if err := c.replace(m.fid, v.fid, newFid(p)); err != nil {
		return nil, err
	}
	return &rWalk{qids}, nil
}

// replace moves a fid that is not open to another place.
func (c *conn) replace(id uint32, old, f *fid) error {
	c.mu.Lock()
	if c.fids[id] != old || old.busy {
		c.mu.Unlock()
		return EBUSY
	}
	c.fids[id] = f
	c.mu.Unlock()
	c.drop(old)
	return nil
}

func (c *conn) open(ctx context.Context, v view, flags OpenFlags) (Qid, error) {
	if err := c.opening(v.fid); err != nil {
		return Qid{}, err
	}
	h, err := v.place.node.Open(ctx, flags)
	if err != nil {
		h = nil
	}
	c.opened(v.fid, v.place, h, flags)
	return v.place.node.Qid(), err
}

func (c *conn) create(ctx context.Context, v view, name string, flags OpenFlags, mode uint32) (Qid, error) {
	d, ok := v.place.node.(Creator)
	if !ok {
		return Qid{}, EROFS
	}
	if err := c.checkName(name); err != nil {
		return Qid{}, err
	}
	if err := c.opening(v.fid); err != nil {
		return Qid{}, err
	}
	n, h, err := d.Create(ctx, name, flags, mode&0o7777)
	if err != nil {
		c.opened(v.fid, nil, nil, 0)
		return Qid{}, err
	}
	c.opened(v.fid, v.place.child(name, n), h, flags)
	return n.Qid(), nil
}

// read reads into the frame of the reply.
func (c *conn) read(ctx *request, v view, m *tRead) (message, error) {
	h, ok := v.handle.(Reader)
	switch {
	case v.handle == nil || !v.flags.CanRead():
		return nil, EBADF
	case !ok && v.place.node.Qid().Type&QidDir != 0:
		if ctx.codec.dialect != Dialect9P2000L {
			return c.readList(ctx, v, m)
		}
		return nil, EISDIR
	case !ok:
		return nil, ENOTSUP
	case m.offset > math.MaxInt64:
		return nil, EINVAL
	}
	if w, ok := v.handle.(Waiter); ok {
		c.handOver(ctx)
		c.waiting.Add(1)
		defer c.waiting.Add(-1)
		if err := w.Wait(ctx, int64(m.offset)); err != nil {
			return nil, err
		}
	}
	raw, err := c.rawReply(ctx, kindTread+1, m.count)
	if err != nil {
		return nil, err
	}
	n, err := h.ReadAt(ctx, (*raw.buffer)[readHeader:], int64(m.offset))
	if n == 0 && err != nil && !errors.Is(err, io.EOF) {
		c.discard(raw)
		return nil, err
	}
	raw.truncate(n)
	return raw, nil
}

// rawReply sets memory aside for a reply that holds up to count bytes.
func (c *conn) rawReply(ctx context.Context, kind uint8, count uint32) (*rawReply, error) {
	n := int(min(count, uint32(c.msize-readHeader))) + readHeader
	raw := &rawReply{}
	if n > smallBuffer {
		raw.weight = int64(n)
		if !c.memory.TryAcquire(raw.weight) {
			c.flush() // it may be what holds the memory
			if err := c.memory.Acquire(ctx, raw.weight); err != nil {
				return nil, err
			}
		}
		c.stats.memory.Add(raw.weight)
	}
	raw.buffer = getBuffer(n)
	(*raw.buffer)[4] = kind
	return raw, nil
}

func (c *conn) discard(raw *rawReply) {
	putBuffer(raw.buffer)
	if raw.weight > 0 {
		c.memory.Release(raw.weight)
		c.stats.memory.Add(-raw.weight)
	}
}

// truncate sets how many bytes of data the reply holds.
func (raw *rawReply) truncate(n int) {
	*raw.buffer = (*raw.buffer)[:readHeader+n]
	count := codec{buf: (*raw.buffer)[headerLen:headerLen]}
	n32 := uint32(n)
	count.u32(&n32)
}

func (c *conn) write(ctx context.Context, v view, m *tWrite) (message, error) {
	if v.handle == nil || !v.flags.CanWrite() {
		return nil, EBADF
	}
	h, ok := v.handle.(Writer)
	if !ok {
		return nil, ENOTSUP
	}
	if m.offset > math.MaxInt64 {
		return nil, EINVAL
	}
	n, err := h.WriteAt(ctx, m.data, int64(m.offset))
	if n > 0 {
		err = nil // a short write; the next one meets the error again
	}
	return &rWrite{uint32(n)}, err
}

// readDir packs entries as qid[13] offset[8] type[1] name[s].
func (c *conn) readDir(ctx context.Context, v view, m *tReaddir) (message, error) {
	h, ok := v.handle.(DirReader)
	switch {
	case v.handle == nil:
		return nil, EBADF
	case !ok:
		return nil, ENOTDIR
	}
	raw, err := c.rawReply(ctx, kindTreaddir+1, m.count)
	if err != nil {
		return nil, err
	}
	room := len(*raw.buffer) - readHeader
	out := codec{buf: (*raw.buffer)[readHeader:readHeader]}
	for e, err := range h.ReadDir(ctx, m.offset) {
		if err == nil && len(out.buf)+13+8+1+2+len(e.Name) > room && len(out.buf) == 0 {
			err = EINVAL // not even one fits: an empty answer would mean the end
		}
		if err != nil && len(out.buf) == 0 {
			c.discard(raw)
			return nil, err
		}
		if err != nil || len(out.buf)+13+8+1+2+len(e.Name) > room {
			break
		}
		kind := e.Qid.Type.direntType()
		out.qid(&e.Qid)
		out.u64(&e.Offset)
		out.u8(&kind)
		out.text(&e.Name)
	}
	raw.truncate(len(out.buf))
	return raw, nil
}

func (c *conn) mkdir(ctx context.Context, v view, m *tMkdir) (message, error) {
	d, ok := v.place.node.(Mkdirer)
	if !ok {
		return nil, EROFS
	}
	if err := c.checkName(m.name); err != nil {
		return nil, err
	}
	n, err := d.Mkdir(ctx, m.name, m.mode&0o7777)
	if err != nil {
		return nil, err
	}
	return &rQid{kindTmkdir + 1, n.Qid()}, nil
}

func (c *conn) unlink(ctx context.Context, dir *place, name string, isDir bool) error {
	d, ok := dir.node.(Remover)
	if !ok {
		return EROFS
	}
	if err := c.checkName(name); err != nil {
		return err
	}
	return d.Unlink(ctx, name, isDir)
}

// remove unlinks a fid's file, and clunks the fid whether or not that works.
func (c *conn) remove(r *request, m *tRemove) (message, error) {
	v, err := c.use(r, m.fid)
	if err != nil {
		return nil, err
	}
	if v.place.parent == nil {
		err = EBUSY
	} else {
		isDir := v.place.node.Qid().Type&QidDir != 0
		err = c.unlink(r, v.place.parent, v.place.name, isDir)
	}
	c.release(r, v.fid)
	if cerr := c.clunk(r, m.fid); err == nil && cerr != EBADF {
		err = cerr
	}
	return &rEmpty{kindTremove + 1}, err
}

func (c *conn) renameAt(r *request, m *tRenameat) (message, error) {
	from, err := c.use(r, m.oldDir)
	if err != nil {
		return nil, err
	}
	defer c.release(r, from.fid)
	to, err := c.use(r, m.newDir)
	if err != nil {
		return nil, err
	}
	defer c.release(r, to.fid)
	return &rEmpty{kindTrenameat + 1}, c.move(r, from.place, m.oldName, to.place, m.newName)
}

func (c *conn) rename(r *request, m *tRename) (message, error) {
	f, err := c.use(r, m.fid)
	if err != nil {
		return nil, err
	}
	defer c.release(r, f.fid)
	to, err := c.use(r, m.dir)
	if err != nil {
		return nil, err
	}
	defer c.release(r, to.fid)
	if f.place.parent == nil {
		return nil, EBUSY
	}
	if err := c.move(r, f.place.parent, f.place.name, to.place, m.name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	f.fid.place = to.place.child(m.name, f.place.node)
	c.mu.Unlock()
	return &rEmpty{kindTrename + 1}, nil
}

func (c *conn) move(ctx context.Context, from *place, oldName string, to *place, newName string) error {
	d, ok := from.node.(Renamer)
	if !ok {
		return EROFS
	}
	if err := errors.Join(c.checkName(oldName), c.checkName(newName)); err != nil {
		return err
	}
	return d.Rename(ctx, oldName, to.node, newName)
}

// statFS makes numbers up for a tree that has none, so that df and programs that
// look for space first go on.
func statFS(ctx context.Context, v view) (message, error) {
	if s, ok := v.place.node.(StatFSer); ok {
		st, err := s.StatFS(ctx)
		return &rStatfs{st}, err
	}
	const v9fsMagic = 0x01021997
	return &rStatfs{StatFS{Type: v9fsMagic, BlockSize: 4096, NameLen: maxName}}, nil
}
