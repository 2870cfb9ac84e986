package tree

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Options of a Server. The zero value works.
type Options struct {
	Log *slog.Logger // nil discards
	// Idle is how long a transaction may stay untouched by its owner before it is
	// closed. 0: 1 hour; less than 0: for ever.
	Idle time.Duration
	// MaxTransactions bounds the open transactions of one session. 0: 64.
	MaxTransactions int
	// Access tells what a client may do with a branch. nil: everything. user is the
	// account of the peer's UID, or else the name that the client gave itself. It is
	// called with no lock held, for each step of a client: it must be quick.
	Access func(peer ninep.Peer, user, branch string) Access
	// Author of a client's commits. nil: its user at localhost.
	Author func(peer ninep.Peer, user string) datakit.Author
	// Sources are further sources of log lines whose level debug/src can change.
	// The tree's own is always there.
	Sources []Source
	// Remotes are the repositories that remotes/ shows. nil: none, and none can be made.
	Remotes Remotes
}

const (
	defaultIdle         = time.Hour
	defaultTransactions = 64
	maxWatchers         = 4096 // live files of one session
	maxReflogs          = 64   // of them, which cost the store more
	maxEmptyBranches    = 256  // of one session
)

// Server is what all connections to one store share: the open transactions, the
// watchers and the remotes. Its methods may be called concurrently.
type Server struct {
	store     *datakit.Store
	opt       Options
	log       *slog.Logger
	sources   []Source
	qids      qids
	started   time.Time
	hub       hub
	summaries summaries
	counter   counters

	mu           sync.Mutex
	sessions     map[*Session]bool
	transactions map[string]map[string]*transaction // by branch and name
	watchers     map[*watcher]bool
	listeners    map[chan struct{}]bool // of Changed
	remotes      map[string]*remote     // what was done with remotes since the start
}

type counters struct{ commits, refused, expired atomic.Uint64 }

// New makes a server. It starts nothing: transactions time out while Run runs.
func New(store *datakit.Store, opt Options) *Server {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Idle == 0 {
		opt.Idle = defaultIdle
	}
	if opt.MaxTransactions <= 0 {
		opt.MaxTransactions = defaultTransactions
	}
	s := &Server{
		store: store, opt: opt, started: time.Now(), qids: qids{maphash.MakeSeed()},
		sessions: map[*Session]bool{}, transactions: map[string]map[string]*transaction{},
		watchers: map[*watcher]bool{}, listeners: map[chan struct{}]bool{}, remotes: map[string]*remote{},
	}
	s.summaries = summaries{store: store}
	s.hub = hub{s: s, branches: map[string]*branchWatch{}}
	own := Source{Name: "tree", Doc: "the file tree: sessions, transactions, watches", Level: new(slog.LevelVar)}
	s.sources = append([]Source{own}, opt.Sources...)
	s.log = slog.New(Leveled(opt.Log.Handler(), own.Level))
	return s
}

// Run closes transactions that nobody touches any more, until ctx ends. It returns
// when all it started has ended.
func (s *Server) Run(ctx context.Context) error {
	if s.opt.Idle < 0 {
		<-ctx.Done()
		return nil
	}
	for {
		timer := time.NewTimer(s.expire(time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// expire closes what is due, and returns when to look again.
func (s *Server) expire(now time.Time) time.Duration {
	wait := min(s.opt.Idle, time.Minute)
	for _, t := range s.open("") {
		left := t.expires().Sub(now)
		if left > 0 {
			wait = min(wait, left)
			continue
		}
		if t.close() {
			s.counter.expired.Add(1)
			s.log.Info("closed a transaction that nobody touched",
				"branch", t.branch, "transaction", t.name, "owner", t.session.owner().User)
		}
	}
	return max(wait, 10*time.Millisecond)
}

// Changed tells, coalesced, that something changed: a head, a transaction, the
// watchers. The channel is closed some time after ctx ended or the store was closed.
func (s *Server) Changed(ctx context.Context) <-chan struct{} {
	news := make(chan struct{}, 1)
	s.mu.Lock()
	s.listeners[news] = true
	s.mu.Unlock()
	moves := s.store.Moves(ctx, "")
	go func() { // ends with ctx
		for _, err := range moves {
			if err != nil && !errors.Is(err, datakit.ErrTooSlow) {
				break
			}
			signal(news)
		}
		s.mu.Lock()
		delete(s.listeners, news)
		s.mu.Unlock()
		close(news)
	}()
	return news
}

func signal(news chan struct{}) {
	select {
	case news <- struct{}{}:
	default:
	}
}

// changed tells the listeners. s.mu is held.
func (s *Server) changed() {
	for news := range s.listeners {
		signal(news)
	}
}

// Serve serves the tree to whoever connects to l, until ctx ends; it closes l and
// returns when every connection has ended. Run is the caller's to run beside it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := ninep.Server{
		Log: s.log,
		NewTree: func(c net.Conn) (ninep.Tree, error) {
			return s.Session(ninep.PeerOf(c)), nil
		},
	}
	return server.Serve(ctx, l)
}

// watcher is an open live file.
type watcher struct {
	branch, path, kind string
	session            *Session
	began              time.Time
	events             atomic.Uint64
}

// watching counts a watcher in; the function it returns counts it out.
func (s *Server) watching(w *watcher) (leave func(), err error) {
	w.began = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.session.watchers >= maxWatchers {
		return nil, faultf(ninep.ENFILE, "at most %d live files can be open at a time", maxWatchers)
	}
	reflogs := 0
	if w.kind == "reflog" {
		reflogs = 1
	}
	if w.session.reflogs+reflogs > maxReflogs {
		return nil, faultf(ninep.ENFILE, "at most %d reflogs can be open at a time", maxReflogs)
	}
	w.session.watchers++
	w.session.reflogs += reflogs
	s.watchers[w] = true
	s.changed()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.session.watchers--
		w.session.reflogs -= reflogs
		delete(s.watchers, w)
		s.changed()
	}, nil
}

func (s *Server) stats() query.Stats {
	store := s.store.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	open := 0
	for _, byName := range s.transactions {
		open += len(byName)
	}
	return query.Stats{
		Store: store, Transactions: open, Watchers: len(s.watchers), Sessions: len(s.sessions),
		Commits: s.counter.commits.Load(), Refused: s.counter.refused.Load(), Expired: s.counter.expired.Load(),
	}
}

// allWatchers returns who watches, the oldest first.
func (s *Server) allWatchers() []*watcher {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.watchers))
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *watcher) int { return a.began.Compare(b.began) })
	return all
}
