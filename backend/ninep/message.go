package ninep

// A message is one T- or R-message of 9P. A type that differs between dialects
// finds the dialect in the codec.
type message interface {
	kind() uint8
	fields(c *codec)
}

// The message types that all dialects have. A reply's number is its request's
// plus one.
const (
	kindTversion = 100
	kindTauth    = 102
	kindTattach  = 104
	kindTflush   = 108
	kindTwalk    = 110
	kindTread    = 116
	kindTwrite   = 118
	kindTclunk   = 120
	kindTremove  = 122
)

// newMessage returns an empty message of the type; nil if the dialect has none.
func newMessage(kind uint8, d Dialect) message {
	switch kind {
	case kindTversion:
		return &tVersion{}
	case kindTversion + 1:
		return &rVersion{}
	case kindTauth:
		return &tAuth{}
	case kindTattach:
		return &tAttach{}
	case kindTflush:
		return &tFlush{}
	case kindTwalk:
		return &tWalk{}
	case kindTwalk + 1:
		return &rWalk{}
	case kindTread:
		return &tRead{}
	case kindTread + 1:
		return &rRead{rtype: rtype(kind)}
	case kindTwrite:
		return &tWrite{}
	case kindTwrite + 1:
		return &rWrite{}
	case kindTclunk:
		return &tClunk{}
	case kindTremove:
		return &tRemove{}
	case kindTattach + 1:
		return &rQid{rtype: rtype(kind)}
	case kindTflush + 1, kindTclunk + 1, kindTremove + 1:
		return &rEmpty{rtype: rtype(kind)}
	}
	if d != Dialect9P2000L {
		return newOlder(kind)
	}
	if m := newRequestL(kind); m != nil {
		return m
	}
	return newReplyL(kind)
}

// rtype is embedded in replies that several requests share the shape of.
type rtype uint8

func (r rtype) kind() uint8 { return uint8(r) }

type (
	tVersion struct {
		msize   uint32
		version string
	}
	rVersion struct {
		msize   uint32
		version string
	}
	tAuth struct {
		afid         uint32
		uname, aname string
		uid          uint32
	}
	tAttach struct {
		fid, afid    uint32
		uname, aname string
		uid          uint32
	}
	tFlush struct{ old uint16 }
	tWalk  struct {
		fid, newFid uint32
		names       []string
	}
	rWalk struct{ qids []Qid }
	tRead struct {
		fid    uint32
		offset uint64
		count  uint32
	}
	rRead struct {
		rtype
		data []byte
	}
	tWrite struct {
		fid    uint32
		offset uint64
		data   []byte
	}
	rWrite  struct{ count uint32 }
	tClunk  struct{ fid uint32 }
	tRemove struct{ fid uint32 }
	rQid    struct {
		rtype
		qid Qid
	}
	rEmpty struct{ rtype }
)

func (*tVersion) kind() uint8       { return kindTversion }
func (*rVersion) kind() uint8       { return kindTversion + 1 }
func (*tAuth) kind() uint8          { return kindTauth }
func (*tAttach) kind() uint8        { return kindTattach }
func (*tFlush) kind() uint8         { return kindTflush }
func (*tWalk) kind() uint8          { return kindTwalk }
func (*rWalk) kind() uint8          { return kindTwalk + 1 }
func (*tRead) kind() uint8          { return kindTread }
func (*tWrite) kind() uint8         { return kindTwrite }
func (*rWrite) kind() uint8         { return kindTwrite + 1 }
func (*tClunk) kind() uint8         { return kindTclunk }
func (*tRemove) kind() uint8        { return kindTremove }
func (m *tVersion) fields(c *codec) { c.u32(&m.msize); c.text(&m.version) }
func (m *rVersion) fields(c *codec) { c.u32(&m.msize); c.text(&m.version) }
func (m *tFlush) fields(c *codec)   { c.u16(&m.old) }
func (m *tWalk) fields(c *codec)    { c.u32(&m.fid); c.u32(&m.newFid); c.names(&m.names) }
func (m *rWalk) fields(c *codec)    { c.qids(&m.qids) }
func (m *tRead) fields(c *codec)    { c.u32(&m.fid); c.u64(&m.offset); c.u32(&m.count) }
func (m *rRead) fields(c *codec)    { c.bytes(&m.data) }
func (m *tWrite) fields(c *codec)   { c.u32(&m.fid); c.u64(&m.offset); c.bytes(&m.data) }
func (m *rWrite) fields(c *codec)   { c.u32(&m.count) }
func (m *tClunk) fields(c *codec)   { c.u32(&m.fid) }
func (m *tRemove) fields(c *codec)  { c.u32(&m.fid) }
func (m *rQid) fields(c *codec)     { c.qid(&m.qid) }
func (m *rEmpty) fields(*codec)     {}

func (m *tAttach) fields(c *codec) {
	c.u32(&m.fid)
	c.u32(&m.afid)
	c.text(&m.uname)
	c.text(&m.aname)
	c.uid(&m.uid)
}

func (m *tAuth) fields(c *codec) {
	c.u32(&m.afid)
	c.text(&m.uname)
	c.text(&m.aname)
	c.uid(&m.uid)
}
