package ninep

import "time"

// The message types of 9P2000.L alone.
const (
	kindRlerror      = 7
	kindTstatfs      = 8
	kindTlopen       = 12
	kindTlcreate     = 14
	kindTsymlink     = 16
	kindTmknod       = 18
	kindTrename      = 20
	kindTreadlink    = 22
	kindTgetattr     = 24
	kindTsetattr     = 26
	kindTxattrwalk   = 30
	kindTxattrcreate = 32
	kindTreaddir     = 40
	kindTfsync       = 50
	kindTlock        = 52
	kindTgetlock     = 54
	kindTlink        = 70
	kindTmkdir       = 72
	kindTrenameat    = 74
	kindTunlinkat    = 76
)

func newRequestL(kind uint8) message {
	switch kind {
	case kindTstatfs:
		return &tStatfs{}
	case kindTlopen:
		return &tLopen{}
	case kindTlcreate:
		return &tLcreate{}
	case kindTrename:
		return &tRename{}
	case kindTgetattr:
		return &tGetattr{}
	case kindTsetattr:
		return &tSetattr{}
	case kindTxattrwalk:
		return &tXattrwalk{}
	case kindTreaddir:
		return &tReaddir{}
	case kindTsymlink:
		return &tSymlink{}
	case kindTmknod:
		return &tMknod{}
	case kindTreadlink:
		return &tReadlink{}
	case kindTxattrcreate:
		return &tXattrcreate{}
	case kindTlock:
		return &tLock{}
	case kindTgetlock:
		return &tGetlock{}
	case kindTlink:
		return &tLink{}
	case kindTfsync:
		return &tFsync{}
	case kindTmkdir:
		return &tMkdir{}
	case kindTrenameat:
		return &tRenameat{}
	case kindTunlinkat:
		return &tUnlinkat{}
	}
	return nil
}

func newReplyL(kind uint8) message {
	switch kind {
	case kindRlerror:
		return &rLerror{}
	case kindTstatfs + 1:
		return &rStatfs{}
	case kindTlopen + 1, kindTlcreate + 1:
		return &rLopen{rtype: rtype(kind)}
	case kindTgetattr + 1:
		return &rGetattr{}
	case kindTxattrwalk + 1:
		return &rXattrwalk{}
	case kindTreaddir + 1:
		return &rRead{rtype: rtype(kind)}
	case kindTreadlink + 1:
		return &rReadlink{}
	case kindTlock + 1:
		return &rLock{}
	case kindTgetlock + 1:
		return &rGetlock{}
	case kindTmkdir + 1, kindTsymlink + 1, kindTmknod + 1:
		return &rQid{rtype: rtype(kind)}
	case kindTrename + 1, kindTsetattr + 1, kindTfsync + 1, kindTrenameat + 1,
		kindTunlinkat + 1, kindTxattrcreate + 1, kindTlink + 1:
		return &rEmpty{rtype: rtype(kind)}
	}
	return nil
}

type (
	rLerror struct{ errno uint32 }
	tLopen  struct{ fid, flags uint32 }
	rLopen  struct {
		rtype
		qid    Qid
		iounit uint32
	}
	tLcreate struct {
		fid              uint32
		name             string
		flags, mode, gid uint32
	}
	tReaddir struct {
		fid    uint32
		offset uint64
		count  uint32
	}
	tStatfs  struct{ fid uint32 }
	rStatfs  struct{ StatFS }
	tGetattr struct {
		fid  uint32
		mask uint64
	}
	rGetattr struct {
		valid uint64
		qid   Qid
		attr  Attr
	}
	tSetattr struct {
		fid uint32
		set SetAttr
	}
	tXattrwalk struct {
		fid, newFid uint32
		name        string
	}
	rXattrwalk struct{ size uint64 }
	tFsync     struct{ fid, datasync uint32 }
	tMkdir     struct {
		fid       uint32
		name      string
		mode, gid uint32
	}
	tRename struct {
		fid, dir uint32
		name     string
	}
	tRenameat struct {
		oldDir  uint32
		oldName string
		newDir  uint32
		newName string
	}
	tUnlinkat struct {
		fid   uint32
		name  string
		flags uint32
	}
)

func (*rLerror) kind() uint8          { return kindRlerror }
func (*tLopen) kind() uint8           { return kindTlopen }
func (*tLcreate) kind() uint8         { return kindTlcreate }
func (*tReaddir) kind() uint8         { return kindTreaddir }
func (*tStatfs) kind() uint8          { return kindTstatfs }
func (*rStatfs) kind() uint8          { return kindTstatfs + 1 }
func (*tGetattr) kind() uint8         { return kindTgetattr }
func (*rGetattr) kind() uint8         { return kindTgetattr + 1 }
func (*tSetattr) kind() uint8         { return kindTsetattr }
func (*tXattrwalk) kind() uint8       { return kindTxattrwalk }
func (*rXattrwalk) kind() uint8       { return kindTxattrwalk + 1 }
func (*tFsync) kind() uint8           { return kindTfsync }
func (*tMkdir) kind() uint8           { return kindTmkdir }
func (*tRename) kind() uint8          { return kindTrename }
func (*tRenameat) kind() uint8        { return kindTrenameat }
func (*tUnlinkat) kind() uint8        { return kindTunlinkat }
func (m *rLerror) fields(c *codec)    { c.u32(&m.errno) }
func (m *tLopen) fields(c *codec)     { c.u32(&m.fid); c.u32(&m.flags) }
func (m *rLopen) fields(c *codec)     { c.qid(&m.qid); c.u32(&m.iounit) }
func (m *tReaddir) fields(c *codec)   { c.u32(&m.fid); c.u64(&m.offset); c.u32(&m.count) }
func (m *tStatfs) fields(c *codec)    { c.u32(&m.fid) }
func (m *tGetattr) fields(c *codec)   { c.u32(&m.fid); c.u64(&m.mask) }
func (m *tXattrwalk) fields(c *codec) { c.u32(&m.fid); c.u32(&m.newFid); c.text(&m.name) }
func (m *rXattrwalk) fields(c *codec) { c.u64(&m.size) }
func (m *tMkdir) fields(c *codec)     { c.u32(&m.fid); c.text(&m.name); c.u32(&m.mode); c.u32(&m.gid) }
func (m *tRename) fields(c *codec)    { c.u32(&m.fid); c.u32(&m.dir); c.text(&m.name) }
func (m *tUnlinkat) fields(c *codec)  { c.u32(&m.fid); c.text(&m.name); c.u32(&m.flags) }

// fields of Tfsync: datasync came later, and some clients do not send it.
func (m *tFsync) fields(c *codec) {
	c.u32(&m.fid)
	if !c.reading || len(c.buf) > 0 {
		c.u32(&m.datasync)
	}
}

func (m *tLcreate) fields(c *codec) {
	c.u32(&m.fid)
	c.text(&m.name)
	c.u32(&m.flags)
	c.u32(&m.mode)
	c.u32(&m.gid)
}

func (m *tRenameat) fields(c *codec) {
	c.u32(&m.oldDir)
	c.text(&m.oldName)
	c.u32(&m.newDir)
	c.text(&m.newName)
}

func (m *rStatfs) fields(c *codec) {
	c.u32(&m.Type)
	c.u32(&m.BlockSize)
	c.u64(&m.Blocks)
	c.u64(&m.BlocksFree)
	c.u64(&m.BlocksUser)
	c.u64(&m.Files)
	c.u64(&m.FilesFree)
	c.u64(&m.ID)
	c.u32(&m.NameLen)
}

// fields of Rgetattr: birth time, generation and data version are reserved by
// the protocol and sent as zero; the block size is ours.
func (m *rGetattr) fields(c *codec) {
	var gen, dataVersion uint64
	blockSize := uint64(4096)
	var birth time.Time
	c.u64(&m.valid)
	c.qid(&m.qid)
	c.u32(&m.attr.Mode)
	c.u32(&m.attr.UID)
	c.u32(&m.attr.GID)
	c.u64(&m.attr.Links)
	c.u64(&m.attr.RDev)
	c.u64(&m.attr.Size)
	c.u64(&blockSize)
	c.u64(&m.attr.Blocks)
	c.time(&m.attr.ATime)
	c.time(&m.attr.MTime)
	c.time(&m.attr.CTime)
	c.time(&birth)
	c.u64(&gen)
	c.u64(&dataVersion)
}

func (m *tSetattr) fields(c *codec) {
	c.u32(&m.fid)
	c.u32(&m.set.Valid)
	c.u32(&m.set.Mode)
	c.u32(&m.set.UID)
	c.u32(&m.set.GID)
	c.u64(&m.set.Size)
	c.time(&m.set.ATime)
	c.time(&m.set.MTime)
}
