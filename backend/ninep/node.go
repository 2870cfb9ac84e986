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
	UID  uint32 // 0xffffffff if the client names its user only by text
	Name string // the tree it wants, "" for the default
}

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
