package fusefs

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// enter makes a walked file an entry and answers with it. It owns f.
func (b *bridge) enter(ctx context.Context, parent *node, name string, f *ninep.File, out *fuse.EntryOut) fuse.Status {
	attr, err := f.Attr(ctx)
	if err != nil {
		b.closer.add(f)
		return status(err)
	}
	n := b.meet(parent, name, f)
	out.NodeId = n.id
	b.fill(&out.Attr, n.qid, attr)
	if d := b.keep(n); d > 0 {
		out.SetEntryTimeout(d)
		out.SetAttrTimeout(d)
	}
	return fuse.OK
}

// Lookup implements fuse.RawFileSystem.
func (b *bridge) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	ctx, stop := steady(cancel)
	defer stop()
	return b.lookup(ctx, in.NodeId, name, out)
}

func (b *bridge) lookup(ctx context.Context, id uint64, name string, out *fuse.EntryOut) fuse.Status {
	parent, dir, done := b.use(id)
	defer done()
	if parent == nil {
		return stale
	}
	f, err := dir.Walk(ctx, name)
	if err != nil {
		return status(err)
	}
	return b.enter(ctx, parent, name, f, out)
}

// change runs an operation on a directory and, with out, answers with the entry it
// made.
func (b *bridge) change(cancel <-chan struct{}, id uint64, name string, out *fuse.EntryOut, do func(context.Context, *ninep.File) error) fuse.Status {
	ctx, stop := steady(cancel)
	defer stop()
	parent, dir, done := b.use(id)
	defer done()
	if parent == nil {
		return stale
	}
	if err := do(ctx, dir); err != nil {
		return status(err)
	}
	if out == nil {
		return fuse.OK
	}
	return b.lookup(ctx, id, name, out)
}

// Mkdir implements fuse.RawFileSystem.
func (b *bridge) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return b.change(cancel, in.NodeId, name, out, func(ctx context.Context, dir *ninep.File) error {
		return dir.Mkdir(ctx, name, in.Mode&0o7777)
	})
}

// Mknod makes regular files only.
func (b *bridge) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if in.Mode&modeType != ninep.ModeRegular {
		return fuse.EPERM
	}
	return b.change(cancel, in.NodeId, name, out, func(ctx context.Context, dir *ninep.File) error {
		f, err := dir.Walk(ctx)
		if err != nil {
			return err
		}
		defer b.closer.add(f)
		return f.Create(ctx, name, ninep.WriteOnly|ninep.Create|ninep.Exclusive, in.Mode&0o7777)
	})
}

// Symlink implements fuse.RawFileSystem.
func (b *bridge) Symlink(cancel <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return b.change(cancel, in.NodeId, name, out, func(ctx context.Context, dir *ninep.File) error {
		return dir.Symlink(ctx, name, target)
	})
}

// Link implements fuse.RawFileSystem.
func (b *bridge) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	target, f, done := b.use(in.Oldnodeid)
	defer done()
	if target == nil {
		return stale
	}
	return b.change(cancel, in.NodeId, name, out, func(ctx context.Context, dir *ninep.File) error {
		return dir.Link(ctx, f, name)
	})
}

// Unlink implements fuse.RawFileSystem.
func (b *bridge) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return b.change(cancel, in.NodeId, name, nil, func(ctx context.Context, dir *ninep.File) error {
		return dir.Unlink(ctx, name, false)
	})
}

// Rmdir implements fuse.RawFileSystem.
func (b *bridge) Rmdir(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return b.change(cancel, in.NodeId, name, nil, func(ctx context.Context, dir *ninep.File) error {
		return dir.Unlink(ctx, name, true)
	})
}

// Rename moves the node as well, so that what is open or a working directory below
// it stays what it was. Exchanging two names, or refusing to replace, is not in 9P:
// EINVAL makes programs fall back.
func (b *bridge) Rename(cancel <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	if in.Flags != 0 {
		return fuse.EINVAL
	}
	to, newDir, done := b.use(in.Newdir)
	defer done()
	if to == nil {
		return stale
	}
	st := b.change(cancel, in.NodeId, oldName, nil, func(ctx context.Context, dir *ninep.File) error {
		return dir.Rename(ctx, oldName, newDir, newName)
	})
	if st == fuse.OK {
		b.moved(in.NodeId, oldName, to, newName)
	}
	return st
}

func (b *bridge) moved(from uint64, oldName string, to *node, newName string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, n := range b.names {
		if k.parent == from && k.name == oldName {
			delete(b.names, k)
			n.key.parent, n.key.name = to.id, newName
			n.path = path.Join(to.path, newName)
			b.names[n.key] = n
			return
		}
	}
}

// Readlink implements fuse.RawFileSystem.
func (b *bridge) Readlink(cancel <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(in.NodeId)
	defer done()
	if n == nil {
		return nil, stale
	}
	target, err := f.Readlink(ctx)
	return []byte(target), status(err)
}

// OpenDir implements fuse.RawFileSystem.
func (b *bridge) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return b.open(cancel, in.NodeId, ninep.ReadOnly, out)
}

// ReadDir lists the directory when it is read from its start, and keeps the list for
// this reader: entries that come and go cannot make it miss others.
func (b *bridge) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h := b.handle(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.Offset == 0 {
		ctx, stop := steady(cancel)
		defer stop()
		entries, err := h.file.ReadDir(ctx)
		if err != nil {
			return status(err)
		}
		h.entries = slices.DeleteFunc(entries, func(e ninep.Dirent) bool { return e.Name == "" || strings.ContainsAny(e.Name, "/\x00") })
		h.entries = append([]ninep.Dirent{{Name: ".", Qid: h.file.Qid()}, {Name: "..", Qid: ninep.Qid{Type: ninep.QidDir}}}, h.entries...)
	}
	for i := in.Offset; i < uint64(len(h.entries)); i++ {
		e := h.entries[i]
		if !out.AddDirEntry(fuse.DirEntry{Name: e.Name, Mode: typeOf(e.Qid.Type), Ino: e.Qid.Path, Off: i + 1}) {
			break
		}
	}
	return fuse.OK
}

// ReleaseDir implements fuse.RawFileSystem.
func (b *bridge) ReleaseDir(in *fuse.ReleaseIn) { b.release(in.Fh) }

// FsyncDir has nothing to do: what a directory was asked for has been answered.
func (b *bridge) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

func typeOf(t ninep.QidType) uint32 {
	switch {
	case t&ninep.QidDir != 0:
		return ninep.ModeDir
	case t&ninep.QidSymlink != 0:
		return ninep.ModeSymlink
	}
	return ninep.ModeRegular
}
