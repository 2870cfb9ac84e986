package ninep

// The messages of 9P2000.L for links, devices and extended attributes.
type (
	tSymlink struct {
		fid          uint32
		name, target string
		gid          uint32
	}
	tMknod struct {
		fid                     uint32
		name                    string
		mode, major, minor, gid uint32
	}
	tReadlink struct{ fid uint32 }
	rReadlink struct{ target string }
	tLink     struct {
		dir, fid uint32
		name     string
	}
	tXattrcreate struct {
		fid   uint32
		name  string
		size  uint64
		flags uint32
	}
)

func (*tSymlink) kind() uint8     { return kindTsymlink }
func (*tMknod) kind() uint8       { return kindTmknod }
func (*tReadlink) kind() uint8    { return kindTreadlink }
func (*rReadlink) kind() uint8    { return kindTreadlink + 1 }
func (*tLink) kind() uint8        { return kindTlink }
func (*tXattrcreate) kind() uint8 { return kindTxattrcreate }

func (m *tReadlink) fields(c *codec) { c.u32(&m.fid) }
func (m *rReadlink) fields(c *codec) { c.text(&m.target) }
func (m *tLink) fields(c *codec)     { c.u32(&m.dir); c.u32(&m.fid); c.text(&m.name) }

func (m *tSymlink) fields(c *codec) {
	c.u32(&m.fid)
	c.text(&m.name)
	c.text(&m.target)
	c.u32(&m.gid)
}

func (m *tMknod) fields(c *codec) {
	c.u32(&m.fid)
	c.text(&m.name)
	c.u32(&m.mode)
	c.u32(&m.major)
	c.u32(&m.minor)
	c.u32(&m.gid)
}

func (m *tXattrcreate) fields(c *codec) {
	c.u32(&m.fid)
	c.text(&m.name)
	c.u64(&m.size)
	c.u32(&m.flags)
}
