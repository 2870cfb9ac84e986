package datakit

import (
	"github.com/go-git/go-git/v5/plumbing"
)

// Stats are counters of a store since it was opened.
type Stats struct {
	Commits     uint64 `json:"commits"`     // acknowledged
	Syncs       uint64 `json:"syncs"`       // of the journal; fewer than commits when several share one
	Journal     int64  `json:"journal"`     // bytes not yet in packs that are durable
	Pending     int    `json:"pending"`     // branches that git does not see at their head yet
	Flushes     uint64 `json:"flushes"`     // of pending commits to git's view
	Checkpoints uint64 `json:"checkpoints"` // after which the journal starts over
	Packs       int    `json:"packs"`       // in the repository, ours and git's
	Packings    uint64 `json:"packings"`    // merges of small packs into larger ones
	CacheBytes  int64  `json:"cacheBytes"`  // held by the object cache
	CacheHits   uint64 `json:"cacheHits"`   // objects found there
	CacheMisses uint64 `json:"cacheMisses"` // objects read from disk
	LastProblem string `json:"lastProblem"` // of flushing or packing; "" when the last one worked
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	st := s.stats
	if s.refs != nil {
		st.Pending = s.heldCount()
	}
	s.mu.Unlock()
	if s.journal != nil {
		st.Journal, st.Syncs = s.journal.Used(), s.journal.Syncs()
	}
	st.Packs = s.objects.packs.count()
	c := s.objects.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	st.CacheBytes, st.CacheHits, st.CacheMisses = c.bytes, c.hits, c.misses
	return st
}

// ObjectReader reads objects of a repository.
type ObjectReader interface {
	// Object returns the kind and content of an object; the error wraps
	// ErrNotExist when there is none.
	Object(h Hash) (kind plumbing.ObjectType, data []byte, err error)
}

// Objects gives access to objects by their hash.
func (s *Store) Objects() ObjectReader { return objectsOf{s} }

type objectsOf struct{ s *Store }

func (o objectsOf) Object(h Hash) (plumbing.ObjectType, []byte, error) {
	if err := o.s.enter(); err != nil {
		return 0, nil, err
	}
	defer o.s.leave()
	return o.s.objects.any(h)
}
