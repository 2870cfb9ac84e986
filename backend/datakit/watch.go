package datakit

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	context.AfterFunc(ctx, func() { s.drop(w) })
	return w.news, nil
}

type watcher struct {
	branch string
	news   chan Hash // holds the latest head that was not read yet
	last   Hash
	told   bool        // last was sent
	moves  *moveReader // gets the moves instead of news
}

// watchSet is the watchers of a store, guarded by Store.mu. While there is one, one
// goroutine polls the watched branches for what git did; it ends with the last.
type watchSet struct {
	all    map[*watcher]bool
	by     map[string]map[*watcher]bool // of heads, by branch
	closed bool
	stop   chan struct{} // closes to end the poller; nil when there is none
}

// join adds a watcher and tells it the present head, in one step, so that no
// change falls between.
func (s *Store) join(w *watcher) error {
	names := []string{w.branch}
	if w.branch == "" {
		var err error
		if names, err = s.names(); err != nil {
			return err
		}
	}
	for _, name := range names { // so that a move is seen against what is there now
		if err := s.learn(name, func(head Hash) error {
			if name != w.branch || w.moves != nil {
				return nil
			}
			err := s.add(w)
			if err == nil {
				w.tell(head)
			}
			return err
		}); err != nil {
			return err
		}
	}
	if w.moves == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.add(w); err != nil {
		return err
	}
	return s.moves.add(w.moves)
}

// learn reads the head of a branch, tells watchers if git moved it, and calls f with
// it under mu: it is the head then.
func (s *Store) learn(branch string, f func(head Hash) error) error {
	for {
		s.mu.Lock()
		st := s.state(branch)
		if st.held || s.refs == nil {
			defer s.mu.Unlock()
			return f(st.acked)
		}
		gen := st.gen
		s.mu.Unlock()
		head, err := s.readRef(branch)
		if err != nil {
			return err
		}
		s.mu.Lock()
		if st := s.state(branch); !st.held && st.gen == gen {
			defer s.mu.Unlock()
			s.observe(branch, st, head, "")
			return f(head)
		}
		s.mu.Unlock()
	}
}

// observe notes a head that is new to us, and tells who watches. Under mu.
func (s *Store) observe(branch string, st *branchState, head Hash, author string) {
	if st.last == head {
		return
	}
	s.moves.put(Move{Branch: branch, Old: st.last, New: head, Time: s.opt.Now(), Author: author})
	st.last = head
	for w := range s.watches.by[branch] {
		w.tell(head)
	}
}

// watched reports whether somebody needs to know the branch's last head. Under mu.
func (s *Store) watched(branch string) bool {
	for w := range s.watches.all {
		if w.branch == "" || w.branch == branch {
			return true
		}
	}
	return false
}

// add is join under mu.
func (s *Store) add(w *watcher) error {
	ws := &s.watches
	if ws.closed {
		return ErrClosed
	}
	if len(ws.all) >= maxWatches {
		return fmt.Errorf("more than %d watches: %w", maxWatches, ErrTooLarge)
	}
	if ws.all == nil {
		ws.all, ws.by = map[*watcher]bool{}, map[string]map[*watcher]bool{}
	}
	ws.all[w] = true
	if w.moves == nil {
		if ws.by[w.branch] == nil {
			ws.by[w.branch] = map[*watcher]bool{}
		}
		ws.by[w.branch][w] = true
	}
	if ws.stop == nil && s.refs != nil {
		stop := make(chan struct{})
		ws.stop = stop
		s.active.Add(1) // we are inside enter, so Close is not waiting yet
		go func() {
			defer s.active.Done()
			s.poll(stop)
		}()
	}
	return nil
}

func (s *Store) drop(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches.remove(w)
}

func (ws *watchSet) remove(w *watcher) {
	if !ws.all[w] {
		return
	}
	delete(ws.all, w)
	if w.moves == nil {
		delete(ws.by[w.branch], w)
		if len(ws.by[w.branch]) == 0 {
			delete(ws.by, w.branch)
		}
		close(w.news)
	}
	if len(ws.all) == 0 && ws.stop != nil {
		close(ws.stop)
		ws.stop = nil
	}
}

func (ws *watchSet) close() {
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
	s.drop(w)
	s.moves.remove(w.moves)
}

// tell replaces what the reader did not take yet. Only holders of Store.mu
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

// watchedBranches are those the poller has to look at.
func (s *Store) watchedBranches() ([]string, error) {
	s.mu.Lock()
	names := map[string]bool{}
	all := false
	for w := range s.watches.all {
		names[w.branch] = true
		all = all || w.branch == ""
	}
	if all {
		for name, st := range s.branches {
			if !st.last.IsZero() {
				names[name] = true // it may have been removed
			}
		}
	}
	s.mu.Unlock()
	if all {
		list, err := s.names()
		if err != nil {
			return nil, err
		}
		for _, name := range list {
			names[name] = true
		}
	}
	delete(names, "")
	return slices.Collect(maps.Keys(names)), nil
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
		names, err := s.watchedBranches()
		if err != nil {
			continue // who reads gets the error; we look again
		}
		for _, name := range names {
			_ = s.learn(name, func(Hash) error { return nil }) // the same
		}
	}
}
