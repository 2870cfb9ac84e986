package tree

import (
	"strconv"
	"sync"
	"sync/atomic"
	"weak"
)

// inode is the identity of a file or directory in a transaction. It follows the
// file when it is moved, as the fids that a kernel keeps have to. It lives while a
// fid refers to it; what it is called, and its Qid, come out the same when it is
// made again.
type inode struct {
	t       *transaction
	id      uint64
	version atomic.Uint32

	// Changed while t.mu is locked.
	parent *inode // nil for rw itself
	name   string
	gone   bool // removed, or replaced

	mu       sync.Mutex
	children map[string]weak.Pointer[inode]
	sweepAt  int
}

// path is the file's path in the transaction, false if it was removed. t.mu is held.
func (n *inode) path() (string, bool) {
	if n.gone {
		return "", false
	}
	if n.parent == nil {
		return "", true
	}
	dir, ok := n.parent.path()
	return join(dir, n.name), ok
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// child is the identity of an entry. t.mu is held, at least for reading.
func (n *inode) child(name string) *inode {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.children[name].Value(); c != nil {
		return c
	}
	c := &inode{t: n.t, parent: n, name: name, id: n.t.ids.of(n, name)}
	n.hold(name, c)
	return c
}

// hold remembers a child as long as it lives. n.mu is held.
func (n *inode) hold(name string, c *inode) {
	if len(n.children) >= n.sweepAt {
		for name, p := range n.children {
			if p.Value() == nil {
				delete(n.children, name)
			}
		}
		n.sweepAt = max(64, 2*len(n.children))
	}
	if n.children == nil {
		n.children = map[string]weak.Pointer[inode]{}
	}
	n.children[name] = weak.Make(c)
}

// drop takes away the identity of an entry that was removed or moved, and gives
// the next file of that name another. It returns the inode if it lives. t.mu is
// locked.
func (n *inode) drop(name string) *inode {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.children[name].Value()
	delete(n.children, name)
	n.t.ids.renew(n, name)
	return c
}

// removed tells the tree of inodes that an entry is gone. t.mu is locked.
func (n *inode) removed(name string) {
	if c := n.drop(name); c != nil {
		c.gone = true
	}
}

// moved tells the tree of inodes that an entry of n is now one of to. t.mu is locked.
func (n *inode) moved(name string, to *inode, newName string) {
	id := n.t.ids.of(n, name)
	c := n.drop(name)
	to.removed(newName)
	n.t.ids.set(to, newName, id)
	if c != nil {
		c.parent, c.name = to, newName
		to.mu.Lock()
		to.hold(newName, c)
		to.mu.Unlock()
	}
}

// idTable says which number a file has: one made of its directory's number and its
// name, unless it was moved there or another file had that name before.
type idTable struct {
	mu     sync.Mutex
	next   uint64
	others map[idKey]uint64
}

type idKey struct {
	dir  uint64
	name string
}

// maxIDs bounds the table; further files keep the number of their name.
const maxIDs = 100_000

func (t *idTable) fresh() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	return uint64(familyEdited)<<56 | t.next&(1<<56-1)
}

func (t *idTable) of(dir *inode, name string) uint64 {
	t.mu.Lock()
	id, ok := t.others[idKey{dir.id, name}]
	t.mu.Unlock()
	if ok {
		return id
	}
	return dir.t.s.qids.path(familyEdited, strconv.FormatUint(dir.id, 36), name)
}

func (t *idTable) renew(dir *inode, name string) { t.set(dir, name, t.fresh()) }

func (t *idTable) set(dir *inode, name string, id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.others == nil {
		t.others = map[idKey]uint64{}
	}
	if len(t.others) < maxIDs {
		t.others[idKey{dir.id, name}] = id
	}
}
