package ninep

import "context"

func (c *conn) symlink(ctx context.Context, dir *place, m *tSymlink) (message, error) {
	d, ok := dir.node.(Symlinker)
	if !ok {
		return nil, EROFS
	}
	if err := c.checkName(m.name); err != nil {
		return nil, err
	}
	n, err := d.Symlink(ctx, m.name, m.target)
	if err != nil {
		return nil, err
	}
	return &rQid{kindTsymlink + 1, n.Qid()}, nil
}

// link makes a second name in m.dir of the file of m.fid.
func (c *conn) link(r *request, m *tLink) (message, error) {
	f, err := c.use(r, m.fid)
	if err != nil {
		return nil, err
	}
	defer c.release(r, f.fid)
	dir, err := c.use(r, m.dir)
	if err != nil {
		return nil, err
	}
	defer c.release(r, dir.fid)
	d, ok := dir.place.node.(Linker)
	if !ok {
		return nil, EROFS
	}
	if err := c.checkName(m.name); err != nil {
		return nil, err
	}
	return &rEmpty{kindTlink + 1}, d.Link(r, f.place.node, m.name)
}

// mknod makes what is not an ordinary file or directory, and an ordinary file in
// a tree that can only create.
func (c *conn) mknod(ctx context.Context, dir *place, m *tMknod) (message, error) {
	if err := c.checkName(m.name); err != nil {
		return nil, err
	}
	if d, ok := dir.node.(Mknoder); ok {
		n, err := d.Mknod(ctx, m.name, m.mode, m.major, m.minor)
		if err != nil {
			return nil, err
		}
		return &rQid{kindTmknod + 1, n.Qid()}, nil
	}
	d, ok := dir.node.(Creator)
	switch {
	case !ok:
		return nil, EROFS
	case m.mode&modeType != ModeRegular && m.mode&modeType != 0:
		return nil, EPERM
	}
	n, h, err := d.Create(ctx, m.name, WriteOnly|Create|Exclusive, m.mode&0o7777)
	if err != nil {
		return nil, err
	}
	if err := h.Close(); err != nil {
		return nil, err
	}
	return &rQid{kindTmknod + 1, n.Qid()}, nil
}
