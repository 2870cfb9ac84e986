package ninep

import "sync"

// Frames come from pools of four sizes, so that a small request of a session
// with large messages does not cost a large buffer.
var pools = [...]struct {
	size int
	pool sync.Pool
}{{size: smallBuffer}, {size: 128 << 10}, {size: MaxMessage}, {size: LargestMessage}}

// smallBuffer is what does not count against a connection's memory.
const smallBuffer = 4 << 10

// getBuffer returns a buffer of n bytes, n at most LargestMessage, with any content.
func getBuffer(n int) *[]byte {
	for i := range pools {
		p := &pools[i]
		if n > p.size {
			continue
		}
		b, _ := p.pool.Get().(*[]byte)
		if b == nil {
			s := make([]byte, p.size)
			b = &s
		}
		*b = (*b)[:n]
		return b
	}
	panic("ninep: buffer larger than a message")
}

// putBuffer gives back what getBuffer returned. Nil is ignored.
func putBuffer(b *[]byte) {
	if b == nil {
		return
	}
	for i := range pools {
		if p := &pools[i]; cap(*b) == p.size {
			p.pool.Put(b)
			return
		}
	}
}
