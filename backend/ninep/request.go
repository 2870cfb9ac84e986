package ninep

import (
	"context"
	"slices"
	"sync"
	"time"
)

// request is a T-message that has not been answered. It is the context of its
// call into the tree itself, so that a request which never looks at its context
// pays nothing for having one.
type request struct {
	c      *conn
	m      message
	tag    uint16
	frame  *[]byte // the memory that m refers to; nil if there is none
	weight int64   // of frame, in conn.memory
	attach *AttachRequest
	codec  codec // writes the reply

	// Guarded by conn.mu.
	flushes  []*request // are answered right after this one
	answered bool
	claim    *claim

	ctxMu sync.Mutex // of what follows
	done  chan struct{}
	err   error
	after []*afterFunc
}

// afterFunc is a function that is called when a request is cancelled.
type afterFunc struct{ f func() }

// claim says that a fid is about to be made or changed by a request that has not
// been answered: later ones that use the fid wait for it.
type claim struct {
	fid    uint32
	done   chan struct{}
	before *claim // the one whose place it took, until that is done
}

// Deadline implements context.Context.
func (r *request) Deadline() (time.Time, bool) { return r.c.base.Deadline() }

// Done implements context.Context.
func (r *request) Done() <-chan struct{} {
	r.ctxMu.Lock()
	defer r.ctxMu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.err != nil {
			close(r.done)
		}
	}
	return r.done
}

// Err implements context.Context.
func (r *request) Err() error {
	r.ctxMu.Lock()
	defer r.ctxMu.Unlock()
	return r.err
}

// Value implements context.Context.
func (r *request) Value(key any) any {
	if key == (attachKey{}) {
		return r.attach
	}
	return r.c.base.Value(key)
}

// AfterFunc makes contexts that are derived from a request cheap: context.AfterFunc
// looks for it.
func (r *request) AfterFunc(f func()) (stop func() bool) {
	r.ctxMu.Lock()
	defer r.ctxMu.Unlock()
	if r.err != nil {
		go f()
		return func() bool { return false }
	}
	a := &afterFunc{f}
	r.after = append(r.after, a)
	return func() bool {
		r.ctxMu.Lock()
		defer r.ctxMu.Unlock()
		i := slices.Index(r.after, a)
		if i >= 0 {
			r.after = slices.Delete(r.after, i, i+1)
		}
		return i >= 0
	}
}

// cancel ends the context. Further calls do nothing.
func (r *request) cancel() {
	r.ctxMu.Lock()
	defer r.ctxMu.Unlock()
	if r.err != nil {
		return
	}
	r.err = context.Canceled
	if r.done != nil {
		close(r.done)
	}
	for _, a := range r.after {
		go a.f() // short: it cancels a derived context
	}
	r.after = nil
}

// claimed is the fid that a message makes or changes.
func claimed(m message) (uint32, bool) {
	switch m := m.(type) {
	case *tWalk:
		return m.newFid, true
	case *tAttach:
		return m.fid, true
	case *tXattrwalk:
		return m.newFid, true
	case *tXattrcreate:
		return m.fid, true
	case *tLopen:
		return m.fid, true
	case *tLcreate:
		return m.fid, true
	case *tOpen:
		return m.fid, true
	case *tCreate:
		return m.fid, true
	}
	return 0, false
}
