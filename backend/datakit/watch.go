package datakit

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxWatches bounds the watchers of one store.
const maxWatches = 4096

// Watch reports the head of a branch: the present one first, then each later
// one, made here (at once) or by git (within a quarter of a second). A slow
// reader misses what lies between and gets the latest. The zero Hash means that
// the branch does not exist. The channel is closed when ctx ends or the store
// is closed; nothing is left behind then.
func (s *Store) Watch(ctx context.Context, branch string) (<-chan Hash, error) {
	if err := checkBranch(branch); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	w := &watcher{branch: branch, news: make(chan Hash, 1)}
	if err := s.join(w); err != nil {
		return nil, err
	}
	// When ctx is over already this runs at once.
	context.AfterFunc(ctx, func() { s.watches.drop(w) })
	return w.news, nil
}

type watcher struct {
	branch string
	news   chan Hash // holds the latest head that was not read yet
	last   Hash
	told   bool        // last was sent
	moves  *moveReader // gets the moves instead of news
}

// watchSet is the watchers of a store. While there is one, one goroutine polls
// the watched branches for what git did; it ends with the last of them.
type watchSet struct {
	mu     sync.Mutex
	all    map[*watcher]bool
	closed bool
	known  map[string]Hash // heads, for readers of moves
	stop   chan struct{}   // closes to end the poller; nil when there is none
}

// join adds a watcher and tells it the present head, in one step, so that no
// change falls between.
func (s *Store) join(w *watcher) error {
	ws := &s.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return ErrClosed
	}
	if len(ws.all) >= maxWatches {
		return fmt.Errorf("more than %d watches: %w", maxWatches, ErrTooLarge)
	}
	var head Hash
	if w.moves == nil {
		var err error
		if head, err = s.headOrZero(w.branch); err != nil {
			return err
		}
	}
	if w.moves == nil {
		w.tell(head)
	} else if err := s.learn(w); err != nil {
		return err
	}
	if ws.all == nil {
		ws.all = map[*watcher]bool{}
	}
	ws.all[w] = true
	if ws.stop == nil {
		stop := make(chan struct{})
		ws.stop = stop
		s.active.Add(1) // Watch is inside enter, so Close is not waiting yet
		go func() {
			defer s.active.Done()
			s.poll(stop)
		}()
	}
	return nil
}

func (ws *watchSet) drop(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.remove(w)
}

func (ws *watchSet) remove(w *watcher) {
	if !ws.all[w] {
		return
	}
	delete(ws.all, w)
	if w.moves == nil {
		close(w.news)
	}
	if len(ws.all) == 0 {
		ws.known = nil
	}
	if len(ws.all) == 0 && ws.stop != nil {
		close(ws.stop)
		ws.stop = nil
	}
}

func (ws *watchSet) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for w := range ws.all {
		ws.remove(w)
	}
}

// follow subscribes to the moves of a branch, "" for all.
func (s *Store) follow(branch string) (*watcher, error) {
	if branch != "" {
		if err := checkBranch(branch); err != nil {
			return nil, err
		}
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	w := &watcher{branch: branch, moves: &moveReader{branch: branch}}
	return w, s.join(w)
}

func (s *Store) unfollow(w *watcher) {
	s.watches.drop(w)
	s.moves.remove(w.moves)
}

// learn notes the heads that the first move is to be seen against.
func (s *Store) learn(w *watcher) error {
	names := []string{w.branch}
	if w.branch == "" {
		var err error
		if names, err = s.refs.list(); err != nil {
			return err
		}
	}
	if s.watches.known == nil {
		s.watches.known = map[string]Hash{}
	}
	for _, name := range names {
		if _, known := s.watches.known[name]; known {
			continue
		}
		head, err := s.headOrZero(name)
		if err != nil {
			return err
		}
		s.watches.known[name] = head
	}
	return s.moves.add(w.moves)
}

// publish tells the watchers of a branch its head. It reads the head inside
// the lock, so that watchers see heads in the order in which they were set.
func (s *Store) publish(branch, author string) {
	ws := &s.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.all) == 0 {
		return
	}
	head, err := s.headOrZero(branch)
	if err != nil {
		return // who reads the branch gets the error; the poller looks again
	}
	for w := range ws.all {
		switch {
		case w.moves != nil && (w.branch == "" || w.branch == branch) && ws.known[branch] != head:
			s.moves.put(Move{Branch: branch, Old: ws.known[branch], New: head, Time: s.opt.Now(), Author: author})
			ws.known[branch] = head
		case w.moves == nil && w.branch == branch:
			w.tell(head)
		}
	}
}

// tell replaces what the reader did not take yet. Only holders of watchSet.mu
// send, so the channel has room after the receive.
func (w *watcher) tell(head Hash) {
	if w.told && w.last == head {
		return
	}
	select {
	case <-w.news:
	default:
	}
	w.news <- head
	w.last, w.told = head, true
}

func (ws *watchSet) branches() map[string]bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	names := map[string]bool{}
	for w := range ws.all {
		names[w.branch] = true
	}
	for branch := range ws.known {
		names[branch] = true
	}
	return names
}

func (s *Store) poll(stop <-chan struct{}) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		names := s.watches.branches()
		if names[""] {
			if all, err := s.refs.list(); err == nil {
				for _, name := range all {
					names[name] = true
				}
			}
		}
		delete(names, "")
		for branch := range names {
			s.publish(branch, "")
		}
	}
}
