package datakit

import (
	"container/list"
	"sync"
	"unsafe"

	"github.com/go-git/go-git/v5/plumbing"
)

// defaultCache is Options.CacheBytes.
const defaultCache = 64 << 20

// objectCache holds the objects used last, with trees decoded, up to a number of
// bytes. What it gives out is shared: nobody may change it.
type objectCache struct {
	limit int64

	mu           sync.Mutex
	items        map[Hash]*list.Element // of *cached
	order        list.List              // used last first
	bytes        int64
	hits, misses uint64
}

type cached struct {
	hash    Hash
	kind    plumbing.ObjectType
	data    []byte
	entries []treeEntry // of a tree that was decoded
	decoded bool
}

// cost is about what an object takes; the names of entries share one string as
// long as the data.
func (c *cached) cost() int64 {
	const overhead = 250
	n := int64(overhead + cap(c.data))
	if c.decoded {
		n += int64(len(c.data)) + int64(cap(c.entries))*int64(unsafe.Sizeof(treeEntry{}))
	}
	return n
}

func newObjectCache(limit int64) *objectCache {
	return &objectCache{limit: limit, items: map[Hash]*list.Element{}}
}

func (c *objectCache) get(h Hash) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.items[h]
	if !ok {
		c.misses++
		return cached{}, false
	}
	c.hits++
	c.order.MoveToFront(el)
	return *el.Value.(*cached), true
}

// put adds an object, or its decoded form. One larger than a quarter of the cache
// is not worth the others.
func (c *objectCache) put(o cached) {
	if o.cost() > c.limit/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.items[o.hash]; ok {
		old := el.Value.(*cached)
		if old.decoded && !o.decoded {
			return
		}
		c.bytes += o.cost() - old.cost()
		*old = o
		c.order.MoveToFront(el)
	} else {
		c.items[o.hash] = c.order.PushFront(&o)
		c.bytes += o.cost()
	}
	for c.bytes > c.limit {
		el := c.order.Back()
		old := c.order.Remove(el).(*cached)
		delete(c.items, old.hash)
		c.bytes -= old.cost()
	}
}

// treeSource is an objectReader that keeps decoded trees.
type treeSource interface {
	tree(h Hash) ([]treeEntry, error)
}
