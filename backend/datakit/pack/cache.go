package pack

import "sync"

// Cache keeps contents that deltas were or may be applied to. Readers may share
// one; it never holds more than its bytes. Safe for concurrent use.
type Cache struct {
	mu    sync.Mutex
	limit int64
	size  int64
	items map[cacheKey]*cacheItem
	ring  cacheItem // ring.next is the newest, ring.prev the oldest
}

// cacheKey names an entry of a pack that is open.
type cacheKey struct {
	owner  *source
	offset int64
}

type cacheItem struct {
	key        cacheKey
	kind       Kind
	data       []byte
	prev, next *cacheItem
}

// NewCache returns a cache for so many bytes of content.
func NewCache(limit int64) *Cache {
	c := &Cache{limit: limit, items: map[cacheKey]*cacheItem{}}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// Size returns how many bytes the cache holds, bookkeeping included.
func (c *Cache) Size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

func (c *Cache) get(owner *source, offset int64) (Kind, []byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	it := c.items[cacheKey{owner, offset}]
	if it == nil {
		return 0, nil, false
	}
	it.unlink()
	c.front(it)
	return it.kind, it.data, true
}

func (c *Cache) put(owner *source, offset int64, kind Kind, data []byte) {
	it := &cacheItem{key: cacheKey{owner, offset}, kind: kind, data: data}
	if it.cost() > c.limit/2 {
		return // one object shall not push out all others
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[it.key] != nil {
		return
	}
	c.items[it.key] = it
	c.front(it)
	c.size += it.cost()
	for c.size > c.limit {
		c.drop(c.ring.prev)
	}
}

// forget drops what belongs to a reader that closes.
func (c *Cache) forget(owner *source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, it := range c.items {
		if key.owner == owner {
			c.drop(it)
		}
	}
}

func (c *Cache) drop(it *cacheItem) {
	it.unlink()
	delete(c.items, it.key)
	c.size -= it.cost()
}

func (c *Cache) front(it *cacheItem) {
	it.prev, it.next = &c.ring, c.ring.next
	it.prev.next, it.next.prev = it, it
}

func (it *cacheItem) unlink() { it.prev.next, it.next.prev = it.next, it.prev }

func (it *cacheItem) cost() int64 { return int64(cap(it.data)) + 128 }
