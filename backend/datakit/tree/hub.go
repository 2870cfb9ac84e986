package tree

import (
	"context"
	"sync"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

// hub is what watches branches: one subscription a branch for all its watchers,
// and one lookup a path for each move of the branch.
type hub struct {
	s  *Server
	mu sync.Mutex
	// by branch; an entry lives as long as somebody watches
	branches map[string]*branchWatch
}

// branchWatch follows one branch. Its goroutine ends when the last watcher goes,
// which waits for it.
type branchWatch struct {
	name  string
	users int // guarded by hub.mu
	stop  context.CancelFunc
	done  chan struct{}
	err   error // why it could not begin; set before ready is closed
	ready chan struct{}

	mu     sync.Mutex
	head   datakit.Hash
	ended  bool
	points map[pointKey]*sharedPoint
}

type pointKey struct {
	tree bool   // the node at path, else the head
	path string // "" is the root
}

type sharedPoint struct {
	*point
	users int
}

// watch returns the point of a branch's head, or of a node in its tree. release
// must be called once.
func (h *hub) watch(branch string, key pointKey) (p *point, release func(), err error) {
	b, err := h.join(branch)
	if err != nil {
		return nil, nil, err
	}
	b.mu.Lock()
	sp := b.points[key]
	if sp == nil {
		sp = &sharedPoint{point: newPoint(h.line(b.head, key))}
		if b.ended {
			sp.end()
		}
		b.points[key] = sp
	}
	sp.users++
	b.mu.Unlock()
	return sp.point, func() {
		b.mu.Lock()
		if sp.users--; sp.users == 0 {
			delete(b.points, key)
		}
		b.mu.Unlock()
		h.leave(b)
	}, nil
}

// join begins to follow a branch if nobody does.
func (h *hub) join(branch string) (*branchWatch, error) {
	h.mu.Lock()
	b := h.branches[branch]
	if b != nil {
		b.users++
		h.mu.Unlock()
		<-b.ready
		if b.err != nil {
			h.leave(b)
		}
		return b, b.err
	}
	ctx, cancel := context.WithCancel(context.Background()) // ends with its last watcher
	b = &branchWatch{
		name: branch, users: 1, stop: cancel,
		done: make(chan struct{}), ready: make(chan struct{}),
		points: map[pointKey]*sharedPoint{},
	}
	h.branches[branch] = b
	h.mu.Unlock()
	heads, err := h.s.store.Watch(ctx, branch)
	if err != nil {
		b.err = err
		close(b.done)
		close(b.ready)
		h.leave(b)
		return nil, err
	}
	head, open := <-heads // the present one is there at once
	b.head, b.ended = head, !open
	close(b.ready)
	go func() {
		defer close(b.done)
		h.follow(b, heads)
	}()
	return b, nil
}

func (h *hub) leave(b *branchWatch) {
	h.mu.Lock()
	b.users--
	last := b.users == 0
	if last && h.branches[b.name] == b {
		delete(h.branches, b.name)
	}
	h.mu.Unlock()
	if last {
		b.stop()
		<-b.done
	}
}

// follow tells the points what each move of the branch means to them.
func (h *hub) follow(b *branchWatch, heads <-chan datakit.Hash) {
	for head := range heads {
		b.mu.Lock()
		b.head = head
		for key, p := range b.points {
			p.set(h.line(head, key))
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	for _, p := range b.points {
		p.end()
	}
}

// line is what a live file says when its branch is at head.
func (h *hub) line(head datakit.Hash, key pointKey) string {
	if !key.tree {
		return hashLine(head)
	}
	sn, err := h.s.store.Snapshot(head)
	if err != nil {
		h.s.log.Warn("cannot read the tree of a watched branch", "commit", head, "error", err)
		return ""
	}
	return nodeLine(sn, key.path)
}

// nodeLine is how watches and trees/ name a node: a letter for its kind and its
// hash; nothing for what is not there. A branch without a commit has the empty tree.
func nodeLine(sn datakit.Snapshot, path string) string {
	if path == "" {
		return "D-" + sn.Tree().String()
	}
	e, err := sn.Stat(path)
	if err != nil {
		return ""
	}
	return kindLetter(e.Mode) + "-" + e.Hash.String()
}

func kindLetter(m datakit.Mode) string {
	switch {
	case m.IsDir():
		return "D"
	case m == datakit.ModeExec:
		return "X"
	case m == datakit.ModeSymlink:
		return "L"
	case m == datakit.ModeSubmodule:
		return "S"
	}
	return "F"
}

func hashLine(h datakit.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}
