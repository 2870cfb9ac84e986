package ninep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The bits of a mode in 9P2000; from dmSymlink on they are of 9P2000.u.
const (
	dmDir     uint32 = 0x80000000
	dmAppend  uint32 = 0x40000000
	dmSymlink uint32 = 0x02000000
	dmLink    uint32 = 0x01000000
	dmDevice  uint32 = 0x00800000
	dmPipe    uint32 = 0x00200000
	dmSocket  uint32 = 0x00100000
	dmSetuid  uint32 = 0x00080000
	dmSetgid  uint32 = 0x00040000
	dmSticky  uint32 = 0x00010000
	dmSpecial        = dmSymlink | dmLink | dmDevice | dmPipe | dmSocket
)

// The modes of Topen.
const (
	modeExec     = 3
	modeTruncate = 0x10
	modeRemove   = 0x40
	modeAppend   = 0x80 // 9P2000.u
)

func openFlags(mode uint8) OpenFlags {
	f := OpenFlags(mode & 3)
	if f == modeExec {
		f = ReadOnly
	}
	if mode&modeTruncate != 0 {
		f |= Truncate
	}
	if mode&modeAppend != 0 {
		f |= Append
	}
	return f
}

func (c *conn) openOlder(r *request, v view, m *tOpen) (message, error) {
	if m.mode&modeRemove != 0 && v.place.parent == nil {
		return nil, EPERM
	}
	q, err := c.open(r, v, openFlags(m.mode))
	if err == nil && m.mode&modeRemove != 0 {
		c.mu.Lock()
		v.fid.removal = true
		c.mu.Unlock()
	}
	return &rLopen{kindTopen + 1, q.in(r.codec.dialect), 0}, err
}

// createOlder makes whatever the mode says. A directory is open afterwards, as in
// Plan 9; a link, device or pipe is not.
func (c *conn) createOlder(r *request, v view, m *tCreate) (message, error) {
	var q Qid
	var err error
	special := m.perm & dmSpecial
	switch {
	case special != 0 && r.codec.dialect == Dialect9P2000:
		err = EPERM
	case m.perm&dmDir != 0:
		q, err = c.createDir(r, v, m)
	case special != 0:
		q, err = c.createSpecial(r, v, m)
	default:
		q, err = c.create(r, v, m.name, openFlags(m.mode)|Create|Exclusive, linuxPerm(m.perm))
		if err == nil && m.mode&modeRemove != 0 {
			c.mu.Lock()
			v.fid.removal = true
			c.mu.Unlock()
		}
	}
	return &rLopen{kindTcreate + 1, q.in(r.codec.dialect), 0}, err
}

func (c *conn) createDir(r *request, v view, m *tCreate) (Qid, error) {
	if err := c.opening(v.fid); err != nil {
		return Qid{}, err
	}
	p, h, err := func() (*place, Handle, error) {
		d, ok := v.place.node.(Mkdirer)
		if !ok {
			return nil, nil, EROFS
		}
		if err := c.checkName(m.name); err != nil {
			return nil, nil, err
		}
		n, err := d.Mkdir(r, m.name, linuxPerm(m.perm))
		if err != nil {
			return nil, nil, err
		}
		h, err := n.Open(r, ReadOnly)
		return v.place.child(m.name, n), h, err
	}()
	if err != nil {
		c.opened(v.fid, nil, nil, 0)
		return Qid{}, err
	}
	c.opened(v.fid, p, h, ReadOnly)
	return p.node.Qid(), nil
}

func (c *conn) createSpecial(r *request, v view, m *tCreate) (Qid, error) {
	if err := c.opening(v.fid); err != nil {
		return Qid{}, err
	}
	defer c.opened(v.fid, nil, nil, 0)
	var answer message
	var err error
	switch {
	case m.perm&dmSymlink != 0:
		answer, err = c.symlink(r, v.place, &tSymlink{name: m.name, target: m.extension})
	case m.perm&dmLink != 0:
		var fid uint64
		if fid, err = strconv.ParseUint(strings.TrimSpace(m.extension), 10, 32); err != nil {
			return Qid{}, EINVAL
		}
		_, err = c.link(r, &tLink{dir: m.fid, fid: uint32(fid), name: m.name})
	default:
		t := &tMknod{name: m.name, mode: linuxPerm(m.perm)}
		switch {
		case m.perm&dmPipe != 0:
			t.mode |= ModeFIFO
		case m.perm&dmSocket != 0:
			t.mode |= ModeSocket
		default:
			var kind rune
			if _, err := fmt.Sscanf(m.extension, "%c %d %d", &kind, &t.major, &t.minor); err != nil {
				return Qid{}, EINVAL
			}
			t.mode |= map[rune]uint32{'b': ModeBlock, 'c': ModeChar}[kind]
		}
		answer, err = c.mknod(r, v.place, t)
	}
	if err != nil {
		return Qid{}, err
	}
	p, err := c.step(r, v.place, m.name)
	if err != nil {
		return Qid{}, err
	}
	c.mu.Lock()
	v.fid.place = p
	c.mu.Unlock()
	if q, ok := answer.(*rQid); ok {
		return q.qid, nil
	}
	return p.node.Qid(), nil
}

// linuxPerm is the permissions of a mode of 9P2000.
func linuxPerm(mode uint32) uint32 {
	perm := mode & 0o777
	for bit, linux := range map[uint32]uint32{dmSetuid: 0o4000, dmSetgid: 0o2000, dmSticky: 0o1000} {
		if mode&bit != 0 {
			perm |= linux
		}
	}
	return perm
}

// in is the qid as a dialect can have it.
func (q Qid) in(d Dialect) Qid {
	if d == Dialect9P2000 {
		q.Type &^= QidSymlink
	}
	return q
}

// statOf describes a file. Users are called by their numbers.
func statOf(ctx context.Context, p *place, d Dialect) (stat, error) {
	a, err := p.node.Attr(ctx)
	if err != nil {
		return stat{}, err
	}
	s := stat{
		qid: p.node.Qid().in(d), name: p.name, mode: a.Mode & 0o777,
		atime: time32(a.ATime), mtime: time32(a.MTime), length: a.Size,
		uid: strconv.Itoa(int(a.UID)), gid: strconv.Itoa(int(a.GID)), muid: strconv.Itoa(int(a.UID)),
		nuid: a.UID, ngid: a.GID, nmod: a.UID,
	}
	if p.parent == nil {
		s.name = "/"
	}
	if s.qid.Type&QidDir != 0 {
		s.mode |= dmDir
		s.length = 0
	}
	if s.qid.Type&QidAppend != 0 {
		s.mode |= dmAppend
	}
	if d == Dialect9P2000U {
		err = s.special(ctx, a, p.node)
	}
	return s, err
}

// special adds what only 9P2000.u can say.
func (s *stat) special(ctx context.Context, a Attr, n Node) (err error) {
	for bit, linux := range map[uint32]uint32{dmSetuid: 0o4000, dmSetgid: 0o2000, dmSticky: 0o1000} {
		if a.Mode&linux != 0 {
			s.mode |= bit
		}
	}
	device := func(kind string) string {
		major := a.RDev>>8&0xfff | a.RDev>>32&^0xfff
		minor := a.RDev&0xff | a.RDev>>12&^0xff
		return fmt.Sprintf("%s %d %d", kind, major, uint32(minor))
	}
	switch a.Mode & modeType {
	case ModeSymlink:
		s.mode |= dmSymlink
		if l, ok := n.(LinkReader); ok {
			s.extension, err = l.Readlink(ctx)
		}
	case ModeFIFO:
		s.mode |= dmPipe
	case ModeSocket:
		s.mode |= dmSocket
	case ModeBlock:
		s.mode |= dmDevice
		s.extension = device("b")
	case ModeChar:
		s.mode |= dmDevice
		s.extension = device("c")
	}
	return err
}

// list is how far the content of a directory was read: 9P2000 lets clients only
// go on, or begin again.
type list struct {
	offset uint64 // in the content
	next   uint64 // in the tree's own count
}

// errSeekDir is what a client gets that jumps in a directory.
var errSeekDir = &textError{ESPIPE, "Can't seek in a directory"}

// textError is an errno with a text that clients of DataKit know.
type textError struct {
	Errno
	text string
}

func (e *textError) Error() string   { return e.text }
func (e *textError) Explain() []byte { return []byte(e.text) }
func (e *textError) Unwrap() error   { return e.Errno }

// readList packs the stats of entries, as many as fit.
func (c *conn) readList(ctx *request, v view, m *tRead) (message, error) {
	h, ok := v.handle.(DirReader)
	if !ok {
		return nil, ENOTSUP
	}
	dir, ok := v.place.node.(Dir)
	if !ok {
		return nil, ENOTDIR
	}
	c.mu.Lock()
	at := list{}
	if v.fid.list != nil && m.offset > 0 {
		at = *v.fid.list
	}
	c.mu.Unlock()
	if m.offset != at.offset {
		return nil, errSeekDir
	}
	raw, err := c.rawReply(ctx, kindTread+1, m.count)
	if err != nil {
		return nil, err
	}
	out := codec{buf: (*raw.buffer)[readHeader:readHeader], dialect: ctx.codec.dialect}
	room := len(*raw.buffer) - readHeader
	for e, err := range h.ReadDir(ctx, at.next) {
		var s stat
		if err == nil {
			s, err = c.entry(ctx, dir, v.place, e)
		}
		if errors.Is(err, ENOENT) { // removed meanwhile
			at.next = e.Offset
			continue
		}
		before := len(out.buf)
		if err == nil {
			out.stat(&s)
			// Linux asks for the rest of a message after each answer: an empty one to
			// that is not the end, and an error would be. Others ask for a whole message.
			none := len(out.buf) > room && before == 0 && room >= c.msize-readHeader
			if none || out.bad {
				err = EINVAL // not even one fits: an empty answer would mean the end
			}
		}
		if err != nil && before == 0 {
			c.discard(raw)
			return nil, err
		}
		if err != nil || len(out.buf) > room {
			out.buf = out.buf[:before]
			break
		}
		at.next = e.Offset
	}
	at.offset += uint64(len(out.buf))
	raw.truncate(len(out.buf))
	c.mu.Lock()
	v.fid.list = &at
	c.mu.Unlock()
	return raw, nil
}

func (c *conn) entry(ctx *request, dir Dir, p *place, e Dirent) (stat, error) {
	n, err := dir.Lookup(ctx, e.Name)
	if err != nil {
		return stat{}, err
	}
	return statOf(ctx, p.child(e.Name, n), ctx.codec.dialect)
}

// errAtOnce is DataKit's answer to a Twstat of several things, of which one could
// fail when another was done.
var errAtOnce = &textError{EINVAL, "Can't rename/truncate/chmod at the same time"}

// wstat does what differs from "do not touch", which is all ones or no text. If
// nothing does, it asks for the file to be made durable: stat(5).
func (c *conn) wstat(r *request, v view, m *tWstat) (message, error) {
	const none = math.MaxUint32
	var set SetAttr
	things := 0
	if m.mode != none {
		isDir := v.place.node.Qid().Type&QidDir != 0
		if isDir != (m.mode&dmDir != 0) {
			return nil, EPERM
		}
		set.Valid |= SetMode
		set.Mode = linuxPerm(m.mode)
		things++
	}
	if m.length != math.MaxUint64 {
		set.Valid |= SetSize
		set.Size = m.length
		things++
	}
	rename := m.name != "" && m.name != v.place.name
	if rename {
		things++
	}
	if things > 1 {
		return nil, errAtOnce
	}
	if m.atime != none {
		set.Valid |= SetATime | SetATimeTo
		set.ATime = time.Unix(int64(m.atime), 0)
	}
	if m.mtime != none {
		set.Valid |= SetMTime | SetMTimeTo
		set.MTime = time.Unix(int64(m.mtime), 0)
	}
	if r.codec.dialect == Dialect9P2000U && m.nuid != none {
		set.Valid |= SetUID
		set.UID = m.nuid
	}
	if r.codec.dialect == Dialect9P2000U && m.ngid != none {
		set.Valid |= SetGID
		set.GID = m.ngid
	}
	return &rEmpty{kindTwstat + 1}, c.applyStat(r, v, set, rename, m.name)
}

func (c *conn) applyStat(r *request, v view, set SetAttr, rename bool, name string) error {
	if s, ok := v.handle.(Syncer); ok && set.Valid == 0 && !rename {
		return s.Sync(r)
	}
	if set.Valid != 0 {
		s, ok := v.place.node.(AttrSetter)
		const times = SetATime | SetATimeTo | SetMTime | SetMTimeTo
		if !ok && set.Valid&^times != 0 {
			return EPERM
		}
		if ok {
			if err := s.SetAttr(r, set); err != nil {
				return err
			}
		}
	}
	if !rename {
		return nil
	}
	parent := v.place.parent
	if parent == nil {
		return EBUSY
	}
	if err := c.move(r, parent, v.place.name, parent, name); err != nil {
		return err
	}
	c.mu.Lock()
	v.fid.place = parent.child(name, v.place.node)
	c.mu.Unlock()
	return nil
}
