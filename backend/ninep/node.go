package ninep

import (
	"context"
	"iter"
)

// Tree is what one connection sees. The server makes one for each connection and
// closes it after all of the connection's handlers and handles have ended, so a
// tree can keep what belongs to its client and drop it there.
type Tree interface {
	// Attach returns the root for a user. ENOENT if there is no such aname.
	Attach(ctx context.Context, r AttachRequest) (Node, error)
	Close()
}

// AttachRequest is who a client says it is, which nobody has verified.
type AttachRequest struct {
	User string
	UID  uint32 // NoUID if the client names its user only by text
	Name string // the tree it wants, "" for the default
}

// plainName is the aname of clients that take an empty read for the end of a file.
const plainName = "plain"

// Plain tells whether the client asked for reads that just block. Other clients
// get one empty read from a live file each time there is nothing more for now:
// the Linux kernel gathers reads until one is empty, and would keep the news from
// its programs. Two empty reads in a row are the end.
//
// A tree that knows no aname "plain" need not: the server then asks it for "".
func (r AttachRequest) Plain() bool { return r.Name == plainName }

// AttachOf returns the attach request below which a call into the tree was made.
// It works on the context of every such call, and on what is derived from it; on
// others the result is zero.
func AttachOf(ctx context.Context) AttachRequest {
	r, _ := ctx.Value(attachKey{}).(*AttachRequest)
	if r == nil {
		return AttachRequest{}
	}
	return *r
}

type attachKey struct{}

// Node is a file or directory. Its methods are called concurrently, and with the
// names, offsets and flags as the client sent them; only names have been checked
// to be one path element of at most 255 bytes without NUL.
type Node interface {
	// Qid is cheap and does not change, but for its version.
	Qid() Qid
	Attr(ctx context.Context) (Attr, error)
	// Open returns a new handle, which should implement Reader, Writer or
	// DirReader as the flags ask.
	Open(ctx context.Context, flags OpenFlags) (Handle, error)
}

// Dir is a Node that holds others.
type Dir interface {
	Node
	// Lookup finds an entry: ENOENT if there is none. It is never asked for "."
	// or "..", which the server resolves by itself.
	Lookup(ctx context.Context, name string) (Node, error)
}

// Creator is a Dir in which files can be made; the new file is open as the flags say.
type Creator interface {
	Create(ctx context.Context, name string, flags OpenFlags, mode uint32) (Node, Handle, error)
}

// Mkdirer is a Dir in which directories can be made.
type Mkdirer interface {
	Mkdir(ctx context.Context, name string, mode uint32) (Node, error)
}

// Remover is a Dir whose entries can be removed: ENOTDIR or EISDIR if dir does
// not fit what the name is.
type Remover interface {
	Unlink(ctx context.Context, name string, dir bool) error
}

// Renamer is a Dir whose entries can be moved. Moving into a directory that is
// none of this tree's kind is EXDEV.
type Renamer interface {
	Rename(ctx context.Context, oldName string, newDir Node, newName string) error
}

// Symlinker is a Dir in which symbolic links can be made. Targets are any text.
type Symlinker interface {
	Symlink(ctx context.Context, name, target string) (Node, error)
}

// LinkReader is a Node that is a symbolic link.
type LinkReader interface {
	Readlink(ctx context.Context) (string, error)
}

// Linker is a Dir that can hold a second name of a file. A target of another kind
// of tree is EXDEV.
type Linker interface {
	Link(ctx context.Context, target Node, name string) error
}

// Mknoder is a Dir in which devices, sockets and pipes can be made. mode has the
// type bits. Ordinary files are made with Creator where there is no Mknoder.
type Mknoder interface {
	Mknod(ctx context.Context, name string, mode, major, minor uint32) (Node, error)
}

// AttrSetter is a Node whose attributes can be changed.
type AttrSetter interface {
	SetAttr(ctx context.Context, set SetAttr) error
}

// StatFSer is a Node that knows its file system. For others the server makes
// numbers up that let programs go on.
type StatFSer interface {
	StatFS(ctx context.Context) (StatFS, error)
}

// XattrReader is a Node or a Handle with extended attributes. ENODATA if there is
// none of that name. An open fid asks its handle first.
type XattrReader interface {
	Xattr(ctx context.Context, name string) ([]byte, error)
}

// XattrLister is a Node or a Handle that knows the names of its attributes.
type XattrLister interface {
	Xattrs(ctx context.Context) ([]string, error)
}

// XattrWriter is a Node or a Handle whose attributes can be changed. The value is
// at most 64 KiB long. ENODATA if there is none to remove, or to replace.
type XattrWriter interface {
	SetXattr(ctx context.Context, name string, value []byte, flags uint32) error
	RemoveXattr(ctx context.Context, name string) error
}

// The flags of SetXattr: setxattr(2).
const (
	XattrCreate  uint32 = 1 // EEXIST if there is one
	XattrReplace uint32 = 2 // ENODATA if there is none
)

// Locker is a Handle or a Node that can be locked. A Lock with LockBlock may wait
// while ctx lasts, or answer LockBlocked. What is locked through a handle has to
// be released by its Close: a Locks does all of it.
type Locker interface {
	Lock(ctx context.Context, r LockRequest) (LockStatus, error)
	// GetLock answers with a lock that is in the way of r; else with r, its Type
	// set to Unlock.
	GetLock(ctx context.Context, r LockRequest) (LockRequest, error)
}

// Handle is an open file. Close is called once, after every other call has
// returned, and must not block for long.
type Handle interface {
	Close() error
}

// Reader is a Handle that can be read: as io.ReaderAt, except that fewer bytes
// than asked for need no error. An error is only seen if no byte came with it.
type Reader interface {
	ReadAt(ctx context.Context, p []byte, offset int64) (int, error)
}

// Waiter is a Reader that blocks until there is news. The server calls Wait
// before it sets memory aside for a read, so that many readers can wait at once;
// a Reader that blocks in ReadAt holds up to a message of its connection's memory.
type Waiter interface {
	Wait(ctx context.Context, offset int64) error
}

// Writer is a Handle that can be written. p is only valid during the call.
type Writer interface {
	WriteAt(ctx context.Context, p []byte, offset int64) (int, error)
}

// DirReader is a Handle of a directory. ReadDir yields the entries that come
// after the one whose Offset is given, from the first for 0; "." and ".." are the
// server's business.
type DirReader interface {
	ReadDir(ctx context.Context, offset uint64) iter.Seq2[Dirent, error]
}

// Syncer is a Handle for which fsync does something.
type Syncer interface {
	Sync(ctx context.Context) error
}
