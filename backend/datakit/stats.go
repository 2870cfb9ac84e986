package datakit

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
