package ninep

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// File is a client's reference to a file, open or not. Every File but the root
// must be closed. Errors are *fs.PathError around an Errno, the context's error or
// ErrClosed.
type File struct {
	c      *Client
	id     uint32
	qid    Qid
	path   string
	iounit uint32
}

// Qid identifies the file.
func (f *File) Qid() Qid { return f.qid }

// Path is the way it was reached from the root, for messages.
func (f *File) Path() string { return f.path }

func (f *File) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.path, Err: err}
}

// Walk returns the file that names lead to from f; without names, f once more.
func (f *File) Walk(ctx context.Context, names ...string) (*File, error) {
	to := f.c.newFile(path.Join(append([]string{f.path}, names...)...))
	from := f.id
	for first := true; first || len(names) > 0; first = false {
		part := names[:min(len(names), maxWalk)]
		m, err := f.c.rpc(ctx, &tWalk{from, to.id, part})
		if err == nil && len(m.(*rWalk).qids) < len(part) {
			err = ENOENT
		}
		if err != nil {
			if !first { // the parts before were walked
				to.Close()
			} else if errors.As(err, new(Errno)) {
				f.c.forget(to)
			}
			return nil, to.fail("walk", err)
		}
		to.qid = f.qid
		if qids := m.(*rWalk).qids; len(qids) > 0 {
			to.qid = qids[len(qids)-1]
		}
		from = to.id
		names = names[len(part):]
	}
	return to, nil
}

// Open opens f itself.
func (f *File) Open(ctx context.Context, flags OpenFlags) error {
	var ask message = &tLopen{f.id, uint32(flags)}
	if f.older() {
		ask = &tOpen{f.id, openMode(flags)}
	}
	m, err := f.c.rpc(ctx, ask)
	if err != nil {
		return f.fail("open", err)
	}
	f.iounit = m.(*rLopen).iounit
	return nil
}

// Create makes and opens a file in the directory f; f is that file afterwards.
func (f *File) Create(ctx context.Context, name string, flags OpenFlags, mode uint32) error {
	if f.older() {
		return f.fail("create", f.createOlder(ctx, name, mode&0o777, flags, ""))
	}
	m, err := f.c.rpc(ctx, &tLcreate{f.id, name, uint32(flags), mode, 0})
	if err != nil {
		return f.fail("create", err)
	}
	r := m.(*rLopen)
	f.path, f.qid, f.iounit = path.Join(f.path, name), r.qid, r.iounit
	return nil
}

// chunk is how many bytes one message may carry.
func (f *File) chunk() int {
	n := f.c.msize - writeHeader
	if f.iounit > 0 {
		n = min(n, int(f.iounit))
	}
	return n
}

// ReadAt reads once, at most what fits one message; io.EOF comes alone.
func (f *File) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(len(p), f.chunk())]
	a, err := f.c.exchange(ctx, &tRead{f.id, uint64(offset), uint32(len(p))}, p)
	if err == nil && a.n == 0 {
		return 0, io.EOF
	}
	return a.n, f.fail("read", err)
}

// WriteAt writes all of p, in several messages if need be.
func (f *File) WriteAt(ctx context.Context, p []byte, offset int64) (int, error) {
	done := 0
	for first := true; first || done < len(p); first = false {
		part := p[done:min(len(p), done+f.chunk())]
		m, err := f.c.rpc(ctx, &tWrite{f.id, uint64(offset) + uint64(done), part})
		if err != nil {
			return done, f.fail("write", err)
		}
		n := int(m.(*rWrite).count)
		if n > len(part) || n == 0 && len(part) > 0 {
			return done, f.fail("write", io.ErrShortWrite)
		}
		done += n
	}
	return done, nil
}

// Reader reads from f's beginning on; each Read may last as long as ctx.
func (f *File) Reader(ctx context.Context) io.Reader { return &cursor{f: f, ctx: ctx} }

// Writer writes from f's beginning on.
func (f *File) Writer(ctx context.Context) io.Writer { return &cursor{f: f, ctx: ctx} }

type cursor struct {
	f      *File
	ctx    context.Context // of a Reader or Writer, which have none in their methods
	offset int64
}

func (c *cursor) Read(p []byte) (int, error) {
	n, err := c.f.ReadAt(c.ctx, p, c.offset)
	c.offset += int64(n)
	return n, err
}

func (c *cursor) Write(p []byte) (int, error) {
	n, err := c.f.WriteAt(c.ctx, p, c.offset)
	c.offset += int64(n)
	return n, err
}

// ReadDir returns all entries of an open directory but "." and "..".
func (f *File) ReadDir(ctx context.Context) ([]Dirent, error) {
	if f.older() {
		all, err := f.readDirOlder(ctx)
		return all, f.fail("readdir", err)
	}
	var all []Dirent
	var offset uint64
	for {
		m, err := f.c.rpc(ctx, &tReaddir{f.id, offset, uint32(f.chunk())})
		if err != nil {
			return nil, f.fail("readdir", err)
		}
		c := codec{buf: m.(*rRead).data, reading: true}
		if len(c.buf) == 0 {
			return all, nil
		}
		before := offset
		for len(c.buf) > 0 && !c.bad {
			var e Dirent
			var kind uint8
			c.qid(&e.Qid)
			c.u64(&e.Offset)
			c.u8(&kind)
			c.text(&e.Name)
			offset = e.Offset
			if e.Name != "." && e.Name != ".." {
				all = append(all, e)
			}
		}
		if c.bad || offset == before {
			return nil, f.fail("readdir", EPROTO)
		}
	}
}

// Attr returns the file's attributes.
func (f *File) Attr(ctx context.Context) (Attr, error) {
	if f.older() {
		a, err := f.attrOlder(ctx)
		return a, f.fail("stat", err)
	}
	const basic = 0x7ff
	m, err := f.c.rpc(ctx, &tGetattr{f.id, basic})
	if err != nil {
		return Attr{}, f.fail("stat", err)
	}
	r := m.(*rGetattr)
	return r.attr, nil
}

// SetAttr changes what set says.
func (f *File) SetAttr(ctx context.Context, set SetAttr) error {
	if f.older() {
		return f.fail("setattr", f.setAttrOlder(ctx, set))
	}
	_, err := f.c.rpc(ctx, &tSetattr{f.id, set})
	return f.fail("setattr", err)
}

// StatFS describes the file system f is in.
func (f *File) StatFS(ctx context.Context) (StatFS, error) {
	m, err := f.c.rpc(ctx, &tStatfs{f.id})
	if err != nil {
		return StatFS{}, f.fail("statfs", err)
	}
	return m.(*rStatfs).StatFS, nil
}

// Sync makes an open file durable, where that means anything.
func (f *File) Sync(ctx context.Context) error {
	if f.older() {
		return f.fail("fsync", f.wstat(ctx, untouched()))
	}
	_, err := f.c.rpc(ctx, &tFsync{fid: f.id})
	return f.fail("fsync", err)
}

// Mkdir makes a directory in the directory f.
func (f *File) Mkdir(ctx context.Context, name string, mode uint32) error {
	if f.older() {
		return f.fail("mkdir "+name, f.makeOlder(ctx, name, dmDir|mode&0o777, ""))
	}
	_, err := f.c.rpc(ctx, &tMkdir{f.id, name, mode, 0})
	return f.fail("mkdir "+name, err)
}

// Unlink removes an entry of the directory f; dir says that it is a directory.
func (f *File) Unlink(ctx context.Context, name string, dir bool) error {
	if f.older() {
		return f.fail("remove "+name, f.unlinkOlder(ctx, name, dir))
	}
	const removeDir = 0x200
	var flags uint32
	if dir {
		flags = removeDir
	}
	_, err := f.c.rpc(ctx, &tUnlinkat{f.id, name, flags})
	return f.fail("remove "+name, err)
}

// Rename moves an entry of the directory f to another directory.
func (f *File) Rename(ctx context.Context, oldName string, newDir *File, newName string) error {
	if f.older() {
		return f.fail("rename "+oldName, f.renameOlder(ctx, oldName, newDir, newName))
	}
	_, err := f.c.rpc(ctx, &tRenameat{f.id, oldName, newDir.id, newName})
	return f.fail("rename "+oldName, err)
}

// Remove removes the file f and closes f, even if it fails.
func (f *File) Remove(ctx context.Context) error {
	_, err := f.c.rpc(ctx, &tRemove{f.id})
	if err == nil || errors.As(err, new(Errno)) {
		f.c.forget(f)
	}
	return f.fail("remove", err)
}

// Close gives the file up. It waits a few seconds at most.
func (f *File) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushPatience)
	defer cancel()
	return f.fail("close", f.close(ctx))
}

func (f *File) close(ctx context.Context) error {
	_, err := f.c.rpc(ctx, &tClunk{f.id})
	if err == nil || errors.As(err, new(Errno)) {
		f.c.forget(f)
	}
	return err
}

// FileInfo is what Stat tells.
type FileInfo struct {
	Name  string
	Qid   Qid
	Mode  fs.FileMode
	Size  uint64
	MTime time.Time
}

// Open opens the file at a slash path below the root.
func (c *Client) Open(ctx context.Context, name string, flags OpenFlags) (*File, error) {
	f, _, err := c.root.openAt(ctx, elements(name), flags, nil)
	return f, err
}

// WriteFile replaces the content of a file, which is made if it does not exist.
func (c *Client) WriteFile(ctx context.Context, name string, data []byte) error {
	f, err := c.Open(ctx, name, WriteOnly|Truncate)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = c.create(ctx, name)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(ctx, data, 0)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (c *Client) create(ctx context.Context, name string) (*File, error) {
	f, base, err := c.parent(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := f.Create(ctx, base, WriteOnly|Truncate, 0o644); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// parent opens nothing: it returns the directory of name and name's last element.
func (c *Client) parent(ctx context.Context, name string) (*File, string, error) {
	names := elements(name)
	if len(names) == 0 {
		return nil, "", c.root.fail("find parent", EINVAL)
	}
	dir, err := c.root.Walk(ctx, names[:len(names)-1]...)
	return dir, names[len(names)-1], err
}

// ReadDir lists a directory.
func (c *Client) ReadDir(ctx context.Context, name string) ([]Dirent, error) {
	f, err := c.Open(ctx, name, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.release()
	return f.ReadDir(ctx)
}

// Stat describes a file.
func (c *Client) Stat(ctx context.Context, name string) (FileInfo, error) {
	f, err := c.root.Walk(ctx, elements(name)...)
	if err != nil {
		return FileInfo{}, err
	}
	defer f.release()
	a, err := f.Attr(ctx)
	if err != nil {
		return FileInfo{}, err
	}
	return FileInfo{path.Base(f.path), f.qid, FileMode(a.Mode), a.Size, a.MTime}, nil
}

// Mkdir makes one directory.
func (c *Client) Mkdir(ctx context.Context, name string, mode uint32) error {
	dir, base, err := c.parent(ctx, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Mkdir(ctx, base, mode)
}

// Remove removes a file or an empty directory.
func (c *Client) Remove(ctx context.Context, name string) error {
	f, err := c.root.Walk(ctx, elements(name)...)
	if err != nil {
		return err
	}
	return f.Remove(ctx)
}
