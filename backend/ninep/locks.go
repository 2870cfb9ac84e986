package ninep

import (
	"context"
	"math"
	"slices"
	"sync"
)

// LockType says what a lock is for.
type LockType uint8

// The types of locks.
const (
	LockRead  LockType = 0
	LockWrite LockType = 1
	Unlock    LockType = 2
)

// LockStatus is how a lock request ended.
type LockStatus uint8

// The ends of a lock request.
const (
	LockSuccess LockStatus = 0
	LockBlocked LockStatus = 1 // another lock is in the way
	LockError   LockStatus = 2
	LockGrace   LockStatus = 3 // the server waits for clients to claim their locks again
)

// The bits of LockRequest.Flags.
const (
	LockBlock   uint32 = 1 // the client waits for the lock
	LockReclaim uint32 = 2
)

// LockRequest is a POSIX record lock, or one to find. Flags is 0 in GetLock.
type LockRequest struct {
	Type   LockType
	Flags  uint32
	Start  uint64
	Length uint64 // 0: to the end, however far the file grows
	Proc   uint32 // of the client's process
	Client string // name of the client's machine
}

// The messages of locks: Tlock, Tgetlock and their replies.
type (
	tLock struct {
		fid uint32
		LockRequest
	}
	rLock    struct{ status LockStatus }
	tGetlock struct {
		fid uint32
		LockRequest
	}
	rGetlock struct{ LockRequest }
)

func (*tLock) kind() uint8    { return kindTlock }
func (*rLock) kind() uint8    { return kindTlock + 1 }
func (*tGetlock) kind() uint8 { return kindTgetlock }
func (*rGetlock) kind() uint8 { return kindTgetlock + 1 }

func (m *tLock) fields(c *codec) {
	c.u32(&m.fid)
	c.u8((*uint8)(&m.Type))
	c.u32(&m.Flags)
	m.extent(c)
}

func (m *tGetlock) fields(c *codec) { c.u32(&m.fid); c.u8((*uint8)(&m.Type)); m.extent(c) }
func (m *rGetlock) fields(c *codec) { c.u8((*uint8)(&m.Type)); m.extent(c) }
func (m *rLock) fields(c *codec)    { c.u8((*uint8)(&m.status)) }

func (r *LockRequest) extent(c *codec) {
	c.u64(&r.Start)
	c.u64(&r.Length)
	c.u32(&r.Proc)
	c.text(&r.Client)
}

// Locks holds the record locks of one file, for trees that have no locks of their
// own. The zero value is ready. An owner is what a lock belongs to together with
// the process that asked, such as the handle; its Close calls Release.
type Locks struct {
	mu      sync.Mutex
	held    []heldLock
	changed chan struct{} // closed when a lock is given up; nil while nobody waits
}

type heldLock struct {
	owner any
	LockRequest
	end uint64 // the first byte after it
}

// maxLocks bounds what clients can make one file hold.
const maxLocks = 4096

// end is the first byte after the extent of r; ok is false if there is none such.
func (r LockRequest) end() (end uint64, ok bool) {
	if r.Length == 0 {
		return math.MaxUint64, r.Start < math.MaxUint64
	}
	end = r.Start + r.Length
	return end, end > r.Start
}

// Lock implements Locker for an owner. It waits for a lock with LockBlock.
func (l *Locks) Lock(ctx context.Context, owner any, r LockRequest) (LockStatus, error) {
	end, ok := r.end()
	if !ok || r.Type > Unlock {
		return LockError, EINVAL
	}
	for {
		l.mu.Lock()
		if r.Type == Unlock || l.conflict(owner, r, end) < 0 {
			err := l.set(owner, r, end)
			l.mu.Unlock()
			if err != nil {
				return LockError, err
			}
			return LockSuccess, nil
		}
		if r.Flags&LockBlock == 0 {
			l.mu.Unlock()
			return LockBlocked, nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return LockError, ctx.Err()
		}
	}
}

// GetLock implements Locker for an owner.
func (l *Locks) GetLock(owner any, r LockRequest) (LockRequest, error) {
	end, ok := r.end()
	if !ok || r.Type > Unlock {
		return r, EINVAL
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.conflict(owner, r, end); i >= 0 {
		return l.held[i].LockRequest, nil
	}
	r.Type = Unlock
	return r, nil
}

// Release gives up all that an owner has locked.
func (l *Locks) Release(owner any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = slices.DeleteFunc(l.held, func(h heldLock) bool { return h.owner == owner })
	l.wake()
}

// conflict finds a lock that r would have to wait for; -1 if there is none.
func (l *Locks) conflict(owner any, r LockRequest, end uint64) int {
	return slices.IndexFunc(l.held, func(h heldLock) bool {
		return !h.sameAs(owner, r) && h.Start < end && r.Start < h.end &&
			(h.Type == LockWrite || r.Type == LockWrite)
	})
}

// sameAs tells whether h belongs to who asks r.
func (h heldLock) sameAs(owner any, r LockRequest) bool {
	return h.owner == owner && h.Proc == r.Proc && h.Client == r.Client
}

// set replaces what the owner holds in the extent of r: fcntl(2) splits and joins.
func (l *Locks) set(owner any, r LockRequest, end uint64) error {
	if len(l.held)+2 > maxLocks && r.Type != Unlock {
		return ENOLCK
	}
	kept := make([]heldLock, 0, len(l.held)+2)
	for _, h := range l.held {
		if !h.sameAs(owner, r) || h.Start >= end || r.Start >= h.end {
			kept = append(kept, h)
			continue
		}
		if h.Start < r.Start {
			kept = append(kept, h.cut(h.Start, r.Start))
		}
		if end < h.end {
			kept = append(kept, h.cut(end, h.end))
		}
	}
	if r.Type != Unlock {
		r.Flags = 0
		kept = append(kept, heldLock{owner, r, end})
	}
	l.held = kept
	l.wake()
	return nil
}

// cut is the part of a lock from start to end.
func (h heldLock) cut(start, end uint64) heldLock {
	h.Start, h.Length, h.end = start, end-start, end
	if end == math.MaxUint64 {
		h.Length = 0
	}
	return h
}

// wake makes those who wait look again. l.mu is held.
func (l *Locks) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
