package fusefs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

const modeType = 0o170000

// keep is how long the kernel may believe what it was told about n.
func (b *bridge) keep(n *node) time.Duration {
	if b.opt.Immutable != nil && b.opt.Immutable(n.path) {
		return cacheTime
	}
	return 0
}

func (b *bridge) fill(out *fuse.Attr, qid ninep.Qid, a ninep.Attr) {
	out.Ino = qid.Path
	out.Mode = a.Mode & (modeType | 0o777)
	if out.Mode&modeType == 0 {
		out.Mode |= typeOf(qid.Type)
	}
	out.Size, out.Blocks, out.Blksize = a.Size, a.Blocks, maxTransfer
	out.Nlink = uint32(max(1, a.Links))
	out.Owner = b.owner
	out.SetTimes(nonZero(&a.ATime), nonZero(&a.MTime), nonZero(&a.CTime))
}

// nonZero leaves a time that the server does not know at 1970.
func nonZero(t *time.Time) *time.Time {
	if t.Unix() < 0 {
		return nil
	}
	return t
}

// GetAttr implements fuse.RawFileSystem.
func (b *bridge) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(in.NodeId)
	defer done()
	if n == nil {
		return stale
	}
	if in.Flags()&fuse.FUSE_GETATTR_FH != 0 {
		if h := b.handle(in.Fh()); h != nil {
			f = h.file
		}
	}
	return b.attr(ctx, n, f, out)
}

func (b *bridge) attr(ctx context.Context, n *node, f *ninep.File, out *fuse.AttrOut) fuse.Status {
	a, err := f.Attr(ctx)
	if err != nil {
		return status(err)
	}
	b.fill(&out.Attr, f.Qid(), a)
	out.SetTimeout(b.keep(n))
	return fuse.OK
}

// SetAttr leaves out what changes nothing: the owner that files are shown with.
func (b *bridge) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(in.NodeId)
	defer done()
	if n == nil {
		return stale
	}
	if fh, ok := in.GetFh(); ok {
		if h := b.handle(fh); h != nil {
			f = h.file
		}
	}
	if set := b.changes(in); set.Valid != 0 {
		if err := f.SetAttr(ctx, set); err != nil {
			return status(err)
		}
	}
	return b.attr(ctx, n, f, out)
}

func (b *bridge) changes(in *fuse.SetAttrIn) (set ninep.SetAttr) {
	if mode, ok := in.GetMode(); ok {
		set.Valid, set.Mode = set.Valid|ninep.SetMode, mode
	}
	if uid, ok := in.GetUID(); ok && uid != b.owner.Uid {
		set.Valid, set.UID = set.Valid|ninep.SetUID, uid
	}
	if gid, ok := in.GetGID(); ok && gid != b.owner.Gid {
		set.Valid, set.GID = set.Valid|ninep.SetGID, gid
	}
	if size, ok := in.GetSize(); ok {
		set.Valid, set.Size = set.Valid|ninep.SetSize, size
	}
	if in.Valid&fuse.FATTR_ATIME != 0 {
		set.Valid |= ninep.SetATime
		if in.Valid&fuse.FATTR_ATIME_NOW == 0 {
			set.Valid, set.ATime = set.Valid|ninep.SetATimeTo, time.Unix(int64(in.Atime), int64(in.Atimensec))
		}
	}
	if in.Valid&fuse.FATTR_MTIME != 0 {
		set.Valid |= ninep.SetMTime
		if in.Valid&fuse.FATTR_MTIME_NOW == 0 {
			set.Valid, set.MTime = set.Valid|ninep.SetMTimeTo, time.Unix(int64(in.Mtime), int64(in.Mtimensec))
		}
	}
	return set
}

// Access answers by the owner's bits of the mode. Root is not above them: the server
// would refuse it as well.
func (b *bridge) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	var out fuse.AttrOut
	get := fuse.GetAttrIn{InHeader: in.InHeader}
	if st := b.GetAttr(cancel, &get, &out); st != fuse.OK {
		return st
	}
	if want := in.Mask & 7; out.Mode>>6&want != want {
		return fuse.EACCES
	}
	return fuse.OK
}

// StatFs implements fuse.RawFileSystem.
func (b *bridge) StatFs(cancel <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(in.NodeId)
	defer done()
	if n == nil {
		return stale
	}
	s, err := f.StatFS(ctx)
	if err != nil {
		return status(err)
	}
	*out = fuse.StatfsOut{
		Blocks: s.Blocks, Bfree: s.BlocksFree, Bavail: s.BlocksUser, Files: s.Files, Ffree: s.FilesFree,
		Bsize: s.BlockSize, Frsize: s.BlockSize, NameLen: s.NameLen,
	}
	return fuse.OK
}

// GetXAttr implements fuse.RawFileSystem.
func (b *bridge) GetXAttr(cancel <-chan struct{}, in *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(in.NodeId)
	defer done()
	if n == nil {
		return 0, stale
	}
	if name == ErrorXattr {
		b.mu.Lock()
		reason := n.reason
		b.mu.Unlock()
		if reason != nil {
			return fit(dest, reason)
		}
	}
	value, err := f.Xattr(ctx, name)
	if name == ErrorXattr && errors.Is(err, errors.ErrUnsupported) {
		err = ninep.ENODATA
	}
	if err != nil {
		return 0, status(err)
	}
	return fit(dest, value)
}

// fit copies a value where there is room; without any, its size was asked for.
func fit(dest, value []byte) (uint32, fuse.Status) {
	if len(dest) < len(value) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}

// ListXAttr implements fuse.RawFileSystem.
func (b *bridge) ListXAttr(cancel <-chan struct{}, in *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	ctx, stop := steady(cancel)
	defer stop()
	n, f, done := b.use(in.NodeId)
	defer done()
	if n == nil {
		return 0, stale
	}
	names, err := f.Xattrs(ctx)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return 0, status(err)
	}
	b.mu.Lock()
	refused := n.reason != nil
	b.mu.Unlock()
	var list strings.Builder
	if refused {
		names = append(names, ErrorXattr)
	}
	for _, name := range names {
		list.WriteString(name + "\x00")
	}
	return fit(dest, []byte(list.String()))
}

// SetXAttr implements fuse.RawFileSystem.
func (b *bridge) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, name string, value []byte) fuse.Status {
	return b.change(cancel, in.NodeId, "", nil, func(ctx context.Context, f *ninep.File) error {
		return f.SetXattr(ctx, name, value, in.Flags)
	})
}

// RemoveXAttr implements fuse.RawFileSystem.
func (b *bridge) RemoveXAttr(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return b.change(cancel, in.NodeId, "", nil, func(ctx context.Context, f *ninep.File) error {
		return f.RemoveXattr(ctx, name)
	})
}
