package ninep

import "time"

// The message types of 9P2000 and 9P2000.u alone.
const (
	kindRerror  = 107
	kindTopen   = 112
	kindTcreate = 114
	kindTstat   = 124
	kindTwstat  = 126
)

// newOlder returns an empty message of those types; nil if there is none.
func newOlder(kind uint8) message {
	switch kind {
	case kindRerror:
		return &rError{}
	case kindTopen:
		return &tOpen{}
	case kindTcreate:
		return &tCreate{}
	case kindTopen + 1, kindTcreate + 1:
		return &rLopen{rtype: rtype(kind)}
	case kindTstat:
		return &tStat{}
	case kindTstat + 1:
		return &rStat{}
	case kindTwstat:
		return &tWstat{}
	case kindTwstat + 1:
		return &rEmpty{rtype: rtype(kind)}
	}
	return nil
}

type (
	rError struct {
		text  string
		errno uint32 // 9P2000.u
	}
	tOpen struct {
		fid  uint32
		mode uint8
	}
	tCreate struct {
		fid       uint32
		name      string
		perm      uint32
		mode      uint8
		extension string // 9P2000.u
	}
	tStat  struct{ fid uint32 }
	rStat  struct{ stat }
	tWstat struct {
		fid uint32
		stat
	}

	// stat is a file's description, and an entry of a directory's content. The
	// fields below muid are of 9P2000.u.
	stat struct {
		kind             uint16
		dev              uint32
		qid              Qid
		mode             uint32
		atime, mtime     uint32
		length           uint64
		name             string
		uid, gid, muid   string
		extension        string
		nuid, ngid, nmod uint32
	}
)

func (*rError) kind() uint8  { return kindRerror }
func (*tOpen) kind() uint8   { return kindTopen }
func (*tCreate) kind() uint8 { return kindTcreate }
func (*tStat) kind() uint8   { return kindTstat }
func (*rStat) kind() uint8   { return kindTstat + 1 }
func (*tWstat) kind() uint8  { return kindTwstat }

func (m *tOpen) fields(c *codec) { c.u32(&m.fid); c.u8(&m.mode) }
func (m *tStat) fields(c *codec) { c.u32(&m.fid) }
func (m *rStat) fields(c *codec) { c.nested(&m.stat) }

func (m *tWstat) fields(c *codec) { c.u32(&m.fid); c.nested(&m.stat) }

func (m *rError) fields(c *codec) {
	c.text(&m.text)
	if c.dialect == Dialect9P2000U {
		c.u32(&m.errno)
	}
}

func (m *tCreate) fields(c *codec) {
	c.u32(&m.fid)
	c.text(&m.name)
	c.u32(&m.perm)
	c.u8(&m.mode)
	if c.dialect == Dialect9P2000U {
		c.text(&m.extension)
	}
}

// nested is a stat in a message: it has a second size before its own, see the
// section BUGS of stat(5).
func (c *codec) nested(s *stat) {
	start := len(c.buf)
	var n uint16
	c.u16(&n)
	if c.reading && (c.bad || int(n) != len(c.buf)) {
		c.bad = true
		return
	}
	c.stat(s)
	if !c.reading && !c.bad {
		c.patch(start, len(c.buf)-start-2)
	}
}

// patch writes a size of two bytes where there was room for it.
func (c *codec) patch(at, n int) {
	if n > 0xffff {
		c.bad = true
		return
	}
	c.buf[at], c.buf[at+1] = byte(n), byte(n>>8)
}

// stat is size[2] and then the fields.
func (c *codec) stat(s *stat) {
	start := len(c.buf)
	var n uint16
	c.u16(&n)
	before := len(c.buf)
	if c.reading && int(n) > before {
		c.bad = true
	}
	c.u16(&s.kind)
	c.u32(&s.dev)
	c.qid(&s.qid)
	c.u32(&s.mode)
	c.u32(&s.atime)
	c.u32(&s.mtime)
	c.u64(&s.length)
	c.text(&s.name)
	c.text(&s.uid)
	c.text(&s.gid)
	c.text(&s.muid)
	if c.dialect == Dialect9P2000U {
		c.text(&s.extension)
		c.u32(&s.nuid)
		c.u32(&s.ngid)
		c.u32(&s.nmod)
	}
	if c.reading {
		c.bad = c.bad || before-len(c.buf) != int(n)
	} else if !c.bad {
		c.patch(start, len(c.buf)-start-2)
	}
}

// time32 is a time in seconds since 1970, 0 for none.
func time32(t time.Time) uint32 {
	if t.IsZero() || t.Unix() < 0 || t.Unix() > 0xfffffffe {
		return 0
	}
	return uint32(t.Unix())
}
