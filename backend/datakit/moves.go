package datakit

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"
)

// maxMoves bounds what is kept for readers of moves that lag behind.
const maxMoves = 1_000_000

// Move is one change of a branch's head.
type Move struct {
	Branch string    `json:"branch"`
	Old    Hash      `json:"old"` // zero: the branch was made
	New    Hash      `json:"new"` // zero: the branch was removed
	Time   time.Time `json:"time"`
	Author string    `json:"author"` // of a commit made here; "" for what git did
}

// Moves yields every move of a branch ("": of all branches) from the call on,
// in order, and skips none, however slow the reader is: what it did not take
// yet is kept. A reader for which more than 1,000,000 moves would have to be
// kept gets ErrTooSlow. It ends with ctx, without an error, and with ErrClosed
// when the store is closed. What git does is seen within a quarter of a second;
// several moves by git in that time count as one.
//
// The subscription begins with the call, not with the first iteration; the
// result can be ranged over once, and has to be unless ctx ends.
func (s *Store) Moves(ctx context.Context, branch string) iter.Seq2[Move, error] {
	r, err := s.follow(branch)
	if err != nil {
		return func(yield func(Move, error) bool) { yield(Move{}, err) }
	}
	stop := context.AfterFunc(ctx, func() { s.unfollow(r) })
	return func(yield func(Move, error) bool) {
		defer stop()
		defer s.unfollow(r)
		for {
			m, err := s.moves.next(ctx, r.moves)
			if err != nil {
				if ctx.Err() == nil {
					yield(Move{}, err)
				}
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// moveLog is the moves that some reader did not take yet, shared by all readers.
type moveLog struct {
	mu      sync.Mutex
	log     []Move
	first   uint64        // number of log[0]
	limit   int           // 0: maxMoves; tests set it
	news    chan struct{} // closed when something changes; nil when nobody waits
	readers map[*moveReader]bool
	closed  bool
}

type moveReader struct {
	branch string
	next   uint64 // number of the move to read next
}

func (l *moveLog) add(r *moveReader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if len(l.readers) >= maxWatches {
		return fmt.Errorf("more than %d readers of moves: %w", maxWatches, ErrTooLarge)
	}
	if l.readers == nil {
		l.readers = map[*moveReader]bool{}
	}
	r.next = l.first + uint64(len(l.log))
	l.readers[r] = true
	return nil
}

func (l *moveLog) remove(r *moveReader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers[r] {
		delete(l.readers, r)
		l.trim()
		l.wake()
	}
}

func (l *moveLog) put(m Move) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.readers) == 0 {
		return
	}
	limit := l.limit
	if limit == 0 {
		limit = maxMoves
	}
	if len(l.log) >= limit {
		l.trim()
	}
	if len(l.log) >= limit {
		l.drop(1) // readers that needed it notice by its number
	}
	l.log = append(l.log, m)
	l.wake()
}

// trim forgets what all readers have read.
func (l *moveLog) trim() {
	oldest := l.first + uint64(len(l.log))
	for r := range l.readers {
		oldest = min(oldest, r.next)
	}
	if oldest > l.first {
		l.drop(int(oldest - l.first))
	}
}

func (l *moveLog) drop(n int) {
	l.first += uint64(n)
	clear(l.log[:n])
	l.log = l.log[n:]
	if len(l.log) == 0 {
		l.log = nil
	}
}

func (l *moveLog) wake() {
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

func (l *moveLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wake()
}

// next waits for the reader's next move.
func (l *moveLog) next(ctx context.Context, r *moveReader) (Move, error) {
	for {
		m, ok, news, err := l.look(r)
		if err != nil || ok {
			return m, err
		}
		select {
		case <-ctx.Done():
			return Move{}, ctx.Err()
		case <-news:
		}
	}
}

func (l *moveLog) look(r *moveReader) (m Move, ok bool, news chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.readers[r] {
		return Move{}, false, nil, ErrClosed
	}
	if r.next < l.first {
		return Move{}, false, nil, fmt.Errorf("%w: %d moves are lost", ErrTooSlow, l.first-r.next)
	}
	for r.next < l.first+uint64(len(l.log)) {
		m := l.log[r.next-l.first]
		r.next++
		if r.branch == "" || r.branch == m.Branch {
			if len(l.log) > 4096 && r.next-l.first > uint64(len(l.log)/2) {
				l.trim()
			}
			return m, true, nil, nil
		}
	}
	if len(l.log) > 1024 {
		l.trim()
	}
	if l.closed {
		return Move{}, false, nil, ErrClosed
	}
	if l.news == nil {
		l.news = make(chan struct{})
	}
	return Move{}, false, l.news, nil
}
