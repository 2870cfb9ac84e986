package resolver

import (
	"sync"
	"time"
)

const (
	cacheEntries = 1024
	cacheAnswer  = 4096             // longer answers are not kept
	cacheTime    = 60 * time.Second // nor any longer than this, since the host may change networks
)

// cache keeps answers by the exact bytes of their query behind its
// identifier. So two queries share an answer only if they ask for the same
// thing in the same way, down to letter case, flags and EDNS options.
type cache struct {
	mu      sync.Mutex
	entries map[string]cached
}

type cached struct {
	answer        []byte
	since, expiry time.Time
}

func (c *cache) get(query []byte, now time.Time) []byte {
	c.mu.Lock()
	e, ok := c.entries[string(query[2:])]
	c.mu.Unlock()
	if !ok || !now.Before(e.expiry) {
		return nil
	}
	answer := append([]byte(nil), e.answer...)
	copy(answer, query[:2])
	age(answer, now.Sub(e.since))
	return answer
}

func (c *cache) put(query, answer []byte, now time.Time) {
	life := min(lifetime(answer), cacheTime)
	if life <= 0 || len(answer) > cacheAnswer || len(query) > maxUDPPlain {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = map[string]cached{}
	}
	if len(c.entries) >= cacheEntries {
		c.shrink(now)
	}
	c.entries[string(query[2:])] = cached{append([]byte(nil), answer...), now, now.Add(life)}
}

// shrink drops what has expired or, if that leaves it full, a quarter of the
// entries whatever they are: a guest that asks for a thousand names a minute
// gains little from the cache.
func (c *cache) shrink(now time.Time) {
	for k, e := range c.entries {
		if !now.Before(e.expiry) {
			delete(c.entries, k)
		}
	}
	for k := range c.entries {
		if len(c.entries) <= cacheEntries*3/4 {
			break
		}
		delete(c.entries, k)
	}
}

func (c *cache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = nil
}
