package ninep

import (
	"context"
	"fmt"
	"math"
	"path"
	"strings"
	"time"
)

// This file is how the client does in 9P2000 and 9P2000.u what has a message of
// its own in 9P2000.L.

func (f *File) older() bool { return f.c.dialect != Dialect9P2000L }

// createOlder makes a file of any kind in the directory f; f is that file afterwards.
func (f *File) createOlder(ctx context.Context, name string, perm uint32, flags OpenFlags, extension string) error {
	m, err := f.c.rpc(ctx, &tCreate{f.id, name, perm, openMode(flags), extension})
	if err != nil {
		return err
	}
	r := m.(*rLopen)
	f.path, f.qid, f.iounit = path.Join(f.path, name), r.qid, r.iounit
	return nil
}

// makeOlder is createOlder on another fid, which it gives up.
func (f *File) makeOlder(ctx context.Context, name string, perm uint32, extension string) error {
	d, err := f.Walk(ctx)
	if err != nil {
		return err
	}
	err = d.createOlder(ctx, name, perm, ReadOnly, extension)
	if cerr := d.close(ctx); err == nil {
		err = cerr
	}
	return err
}

func (f *File) linkOlder(ctx context.Context, target *File, name string) error {
	return f.makeOlder(ctx, name, dmLink, fmt.Sprint(target.id))
}

func (f *File) stat(ctx context.Context) (stat, error) {
	m, err := f.c.rpc(ctx, &tStat{f.id})
	if err != nil {
		return stat{}, err
	}
	return m.(*rStat).stat, nil
}

func (f *File) wstat(ctx context.Context, s stat) error {
	_, err := f.c.rpc(ctx, &tWstat{f.id, s})
	return err
}

func (f *File) attrOlder(ctx context.Context) (Attr, error) {
	s, err := f.stat(ctx)
	if err != nil {
		return Attr{}, err
	}
	a := Attr{
		Mode: s.linuxMode(), Links: 1, Size: s.length,
		ATime: time.Unix(int64(s.atime), 0), MTime: time.Unix(int64(s.mtime), 0),
	}
	if f.c.dialect == Dialect9P2000U {
		a.UID, a.GID = s.nuid, s.ngid
	}
	return a, nil
}

func (f *File) readlinkOlder(ctx context.Context) (string, error) {
	s, err := f.stat(ctx)
	if err == nil && s.mode&dmSymlink == 0 {
		err = EINVAL
	}
	return s.extension, err
}

func (f *File) setAttrOlder(ctx context.Context, set SetAttr) error {
	s := untouched()
	if set.Valid&SetMode != 0 {
		s.mode = set.Mode & 0o777
		if f.qid.Type&QidDir != 0 {
			s.mode |= dmDir
		}
	}
	if set.Valid&SetSize != 0 {
		s.length = set.Size
	}
	now := time.Now()
	for _, t := range []struct {
		to         *uint32
		now, given uint32
		time       time.Time
	}{{&s.atime, SetATime, SetATimeTo, set.ATime}, {&s.mtime, SetMTime, SetMTimeTo, set.MTime}} {
		switch {
		case set.Valid&t.given != 0:
			*t.to = time32(t.time)
		case set.Valid&t.now != 0:
			*t.to = time32(now)
		}
	}
	if set.Valid&SetUID != 0 {
		s.nuid = set.UID
	}
	if set.Valid&SetGID != 0 {
		s.ngid = set.GID
	}
	return f.wstat(ctx, s)
}

// unlinkOlder walks to the entry first, since only fids can be removed.
func (f *File) unlinkOlder(ctx context.Context, name string, dir bool) error {
	e, err := f.Walk(ctx, name)
	if err != nil {
		return err
	}
	isDir := e.qid.Type&QidDir != 0
	switch {
	case dir && !isDir:
		err = ENOTDIR
	case !dir && isDir:
		err = EISDIR
	default:
		return e.Remove(ctx)
	}
	e.Close()
	return err
}

// renameOlder works within one directory only.
func (f *File) renameOlder(ctx context.Context, oldName string, newDir *File, newName string) error {
	if newDir.qid.Path != f.qid.Path {
		return EXDEV
	}
	e, err := f.Walk(ctx, oldName)
	if err != nil {
		return err
	}
	defer e.Close()
	s := untouched()
	s.name = newName
	return e.wstat(ctx, s)
}

func (f *File) readDirOlder(ctx context.Context) ([]Dirent, error) {
	var all []Dirent
	buf := make([]byte, f.chunk())
	var offset uint64
	for {
		a, err := f.c.exchange(ctx, &tRead{f.id, offset, uint32(len(buf))}, buf)
		if err != nil {
			return nil, err
		}
		if a.n == 0 {
			return all, nil
		}
		c := codec{buf: buf[:a.n], reading: true, dialect: f.c.dialect}
		for len(c.buf) > 0 && !c.bad {
			var s stat
			c.stat(&s)
			all = append(all, Dirent{Qid: s.qid, Offset: uint64(len(all) + 1), Name: s.name})
		}
		if c.bad {
			return nil, EPROTO
		}
		offset += uint64(a.n)
	}
}

// untouched is the stat of a Twstat that changes nothing: stat(5).
func untouched() stat {
	const none = math.MaxUint32
	return stat{
		kind: math.MaxUint16, dev: none, qid: Qid{math.MaxUint8, none, math.MaxUint64},
		mode: none, atime: none, mtime: none, length: math.MaxUint64, nuid: none, ngid: none, nmod: none,
	}
}

// linuxMode is the mode of a stat in the numbers of Linux.
func (s *stat) linuxMode() uint32 {
	mode := linuxPerm(s.mode)
	switch {
	case s.mode&dmDir != 0:
		return mode | ModeDir
	case s.mode&dmSymlink != 0:
		return mode | ModeSymlink
	case s.mode&dmPipe != 0:
		return mode | ModeFIFO
	case s.mode&dmSocket != 0:
		return mode | ModeSocket
	case s.mode&dmDevice != 0 && strings.HasPrefix(s.extension, "b"):
		return mode | ModeBlock
	case s.mode&dmDevice != 0:
		return mode | ModeChar
	}
	return mode | ModeRegular
}

// openMode is the opposite of openFlags.
func openMode(flags OpenFlags) uint8 {
	mode := uint8(flags & accessMode)
	if flags&Truncate != 0 {
		mode |= modeTruncate
	}
	if flags&Append != 0 {
		mode |= modeAppend
	}
	return mode
}
