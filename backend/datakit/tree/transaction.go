package tree

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// transaction is an open transaction of a client, which all clients see.
type transaction struct {
	s            *Server
	session      *Session
	branch, name string
	began        time.Time
	tx           *datakit.Tx
	used         atomic.Int64  // when its owner touched it last, in nanoseconds of Unix time
	version      atomic.Uint32 // counts changes of its files

	// mu is read-locked by what works on paths, and locked by what moves them or
	// ends the transaction.
	mu    sync.RWMutex
	ended bool
	root  *inode
	ids   idTable

	notes       sync.Mutex
	msg         []byte
	parents     []byte // the text as it was edited
	parentsEdit bool
}

// begin starts a transaction for v's session.
func (s *Server) begin(ctx context.Context, v *view, branch, name string) (*transaction, error) {
	if err := v.need(branch, Write); err != nil {
		return nil, err
	}
	if err := s.room(v.x, branch, name); err != nil {
		return nil, err
	}
	tx, err := s.store.Begin(ctx, branch)
	if err != nil {
		return nil, err
	}
	t := &transaction{s: s, session: v.x, branch: branch, name: name, began: time.Now(), tx: tx}
	t.used.Store(t.began.UnixNano())
	t.ids.next = s.qids.path(familyEdited, branch, name, t.began.String())
	t.root = &inode{t: t, id: t.ids.fresh()}
	if err := s.register(t); err != nil {
		// Nobody saw it; closing a transaction that did nothing cannot fail usefully.
		_ = tx.Close()
		return nil, err
	}
	return t, nil
}

// room tells whether a session may begin a transaction of this name.
func (s *Server) room(x *Session, branch, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked(x, branch, name)
}

func (s *Server) roomLocked(x *Session, branch, name string) error {
	if s.transactions[branch][name] != nil {
		return errThere
	}
	if x.open >= s.opt.MaxTransactions {
		return faultf(ninep.ENFILE, "At most %d transactions can be open at a time: commit or close one", s.opt.MaxTransactions)
	}
	return nil
}

func (s *Server) register(t *transaction) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.roomLocked(t.session, t.branch, t.name); err != nil {
		return err
	}
	byName := s.transactions[t.branch]
	if byName == nil {
		byName = map[string]*transaction{}
		s.transactions[t.branch] = byName
	}
	byName[t.name] = t
	t.session.open++
	s.changed()
	return nil
}

func (s *Server) forget(t *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.session.open--
	delete(s.transactions[t.branch], t.name)
	if len(s.transactions[t.branch]) == 0 {
		delete(s.transactions, t.branch)
	}
	s.changed()
}

func (s *Server) transaction(branch, name string) *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transactions[branch][name]
}

// open returns the transactions of a branch ("": of all), the oldest first.
func (s *Server) open(branch string) []*transaction {
	s.mu.Lock()
	var all []*transaction
	for name, byName := range s.transactions {
		if branch != "" && name != branch {
			continue
		}
		for _, t := range byName {
			all = append(all, t)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *transaction) int {
		return cmp.Or(a.began.Compare(b.began), strings.Compare(a.branch, b.branch), strings.Compare(a.name, b.name))
	})
	return all
}

// owns tells whether a client may write to a transaction: over the connection that
// began it, or another one of the same user, as the system tells.
func (v *view) owns(t *transaction) bool {
	return v.x == t.session || v.x.peer.UID >= 0 && v.x.peer.UID == t.session.peer.UID
}

// mayEdit refuses whoever may not change the transaction, and counts as a touch.
func (v *view) mayEdit(t *transaction) error {
	if err := v.need(t.branch, Write); err != nil {
		return err
	}
	if !v.owns(t) {
		return errNotYours
	}
	t.touch()
	return nil
}

func (t *transaction) touch() { t.used.Store(time.Now().UnixNano()) }

// expires is when it will be closed if its owner does not touch it.
func (t *transaction) expires() time.Time {
	return time.Unix(0, t.used.Load()).Add(t.s.opt.Idle)
}

// close gives the transaction up, and tells whether it was still open.
func (t *transaction) close() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.ended = true
	if err := t.tx.Close(); err != nil {
		t.s.log.Warn("cannot clean up after a transaction", "branch", t.branch, "transaction", t.name, "error", err)
	}
	t.s.forget(t)
	return true
}

// commit makes the transaction a commit; after success it is gone.
func (t *transaction) commit(ctx context.Context, v *view) (datakit.Commit, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return datakit.Commit{}, errNotThere
	}
	c, err := t.land(ctx, v)
	if err != nil {
		t.s.counter.refused.Add(1)
		return datakit.Commit{}, err
	}
	t.ended = true
	t.s.counter.commits.Add(1)
	t.s.forget(t)
	return c, nil
}

func (t *transaction) land(ctx context.Context, v *view) (datakit.Commit, error) {
	if err := t.applyParents(); err != nil {
		return datakit.Commit{}, err
	}
	t.notes.Lock()
	message := datakit.Message{Text: string(t.msg), Author: v.author(), AllowEmpty: true}
	t.notes.Unlock()
	return t.tx.Commit(ctx, message)
}

// merge merges a commit into the transaction's files.
func (t *transaction) merge(ctx context.Context, commit datakit.Hash) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return errNotThere
	}
	if err := t.applyParents(); err != nil {
		return err
	}
	err := t.tx.Merge(ctx, commit)
	t.version.Add(1)
	return err
}

// applyParents gives an edited parents file to the transaction.
func (t *transaction) applyParents() error {
	t.notes.Lock()
	defer t.notes.Unlock()
	if !t.parentsEdit {
		return nil
	}
	var parents []datakit.Hash
	for line := range strings.Lines(string(t.parents)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		h, err := parseHash(line)
		if err != nil {
			return err
		}
		parents = append(parents, h)
	}
	if err := t.tx.SetParents(parents); err != nil {
		return err
	}
	t.parents, t.parentsEdit = nil, false
	return nil
}

func (t *transaction) parentsText() []byte {
	t.notes.Lock()
	defer t.notes.Unlock()
	return t.parentsTextLocked()
}

func (t *transaction) parentsTextLocked() []byte {
	if t.parentsEdit {
		return bytes.Clone(t.parents)
	}
	var out []byte
	for _, h := range t.tx.Parents() {
		out = append(append(out, h.String()...), '\n')
	}
	return out
}

// ongoing runs f while the transaction is open.
func (t *transaction) ongoing(f func() error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.ended {
		return errNotThere
	}
	return f()
}

// describe is the transaction as query files show it.
func (t *transaction) describe() (query.Transaction, error) {
	q := query.Transaction{Branch: t.branch, Name: t.name, Owner: t.session.owner(), Began: t.began}
	if t.s.opt.Idle > 0 {
		q.Expires = t.expires()
	}
	err := t.ongoing(func() error {
		t.notes.Lock()
		q.Message = strings.TrimSpace(string(t.msg))
		t.notes.Unlock()
		q.Base = t.tx.Base().Commit()
		q.Changes = t.tx.ChangeCount()
		q.Conflicts = t.conflicts()
		return nil
	})
	return q, err
}

// conflicts lists the paths of open conflicts, sorted.
func (t *transaction) conflicts() []string {
	paths := []string{}
	for _, c := range t.tx.Conflicts() {
		paths = append(paths, c.Path)
	}
	return paths
}
