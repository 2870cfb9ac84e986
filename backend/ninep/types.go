package ninep

import (
	"io/fs"
	"time"
)

// Limits of the protocol and of what this package accepts.
const (
	// MaxMessage is the largest message, header included, that either side offers
	// unless it is told otherwise.
	MaxMessage = 1 << 20
	// LargestMessage is what either side can be told to offer.
	LargestMessage = 16 << 20

	// NoUID is the number of a user who has only a name.
	NoUID uint32 = 0xffffffff

	maxWalk     = 16   // names in one Twalk, by the protocol
	maxName     = 255  // bytes of a name, as in Linux
	maxDepth    = 512  // names between the root and a fid
	minMessage  = 4096 // smallest message size a session may agree on
	readHeader  = headerLen + 4
	writeHeader = headerLen + 4 + 8 + 4

	noFid uint32 = 0xffffffff
	noTag uint16 = 0xffff
)

// QidType is the kind of file a Qid names.
type QidType uint8

// The kinds of files.
const (
	QidDir     QidType = 0x80
	QidAppend  QidType = 0x40
	QidSymlink QidType = 0x02
	QidFile    QidType = 0
)

// Qid identifies a file: two files of a server are the same if their paths are.
type Qid struct {
	Type    QidType
	Version uint32
	Path    uint64
}

// The type bits of Attr.Mode, as in Linux.
const (
	ModeDir     uint32 = 0o040000
	ModeRegular uint32 = 0o100000
	ModeSymlink uint32 = 0o120000
	ModeFIFO    uint32 = 0o010000
	ModeSocket  uint32 = 0o140000
	ModeChar    uint32 = 0o020000
	ModeBlock   uint32 = 0o060000
	modeType    uint32 = 0o170000
)

// Attr is what Tgetattr answers. Times that are zero are sent as 1970.
type Attr struct {
	Mode   uint32 // permissions and a type bit of the list above
	UID    uint32
	GID    uint32
	Links  uint64
	RDev   uint64 // of a device
	Size   uint64
	Blocks uint64 // of 512 bytes
	ATime  time.Time
	MTime  time.Time
	CTime  time.Time
}

// FileMode converts a mode of the wire to one of io/fs.
func FileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	switch mode & modeType {
	case ModeDir:
		m |= fs.ModeDir
	case ModeSymlink:
		m |= fs.ModeSymlink
	case ModeFIFO:
		m |= fs.ModeNamedPipe
	case ModeSocket:
		m |= fs.ModeSocket
	case ModeChar:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case ModeBlock:
		m |= fs.ModeDevice
	case ModeRegular:
	default:
		m |= fs.ModeIrregular
	}
	return m
}

// SetAttr says what Tsetattr changes: the fields whose bit is set in Valid.
type SetAttr struct {
	Valid uint32
	Mode  uint32
	UID   uint32
	GID   uint32
	Size  uint64
	ATime time.Time
	MTime time.Time
}

// The bits of SetAttr.Valid. SetATime and SetMTime alone mean "now"; with
// SetATimeTo and SetMTimeTo the time is given.
const (
	SetMode    uint32 = 0x1
	SetUID     uint32 = 0x2
	SetGID     uint32 = 0x4
	SetSize    uint32 = 0x8
	SetATime   uint32 = 0x10
	SetMTime   uint32 = 0x20
	SetCTime   uint32 = 0x40
	SetATimeTo uint32 = 0x80
	SetMTimeTo uint32 = 0x100
)

// StatFS is what Tstatfs answers.
type StatFS struct {
	Type       uint32
	BlockSize  uint32
	Blocks     uint64
	BlocksFree uint64
	BlocksUser uint64 // free for an ordinary user
	Files      uint64
	FilesFree  uint64
	ID         uint64
	NameLen    uint32
}

// OpenFlags are the flags of Tlopen and Tlcreate, numbered as in Linux.
type OpenFlags uint32

// The flags that trees need to know.
const (
	ReadOnly  OpenFlags = 0
	WriteOnly OpenFlags = 1
	ReadWrite OpenFlags = 2
	Create    OpenFlags = 0o100
	Exclusive OpenFlags = 0o200
	Truncate  OpenFlags = 0o1000
	Append    OpenFlags = 0o2000

	accessMode OpenFlags = 3
)

// CanRead tells whether the flags ask for reading.
func (f OpenFlags) CanRead() bool { return f&accessMode != WriteOnly }

// CanWrite tells whether the flags ask for writing.
func (f OpenFlags) CanWrite() bool { return f&accessMode != ReadOnly }

// Dirent is one entry of a directory. Offset is where a later read goes on after
// this entry; it is opaque to the client and never 0.
type Dirent struct {
	Qid    Qid
	Offset uint64
	Name   string
}

// The file types of a directory entry on the wire, as in Linux's dirent.
func (q QidType) direntType() uint8 {
	switch {
	case q&QidDir != 0:
		return 4
	case q&QidSymlink != 0:
		return 10
	}
	return 8
}
