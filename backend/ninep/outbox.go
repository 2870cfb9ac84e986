package ninep

import (
	"net"
	"runtime"
	"sync"
)

// outbox gathers the replies of a connection. Whoever finds nobody writing writes
// all there are, so that replies which are ready together leave in one system
// call. It is guarded by the connection's mutex, which is not held for writing.
type outbox struct {
	nc      net.Conn
	room    *sync.Cond
	chunks  []chunk
	bytes   int // of all chunks
	spare   []chunk
	writing bool
	err     error // of the write that failed
}

// chunk is a run of replies, or one large reply.
type chunk struct {
	buffer *[]byte
	weight int64 // of memory to be given back
	full   bool  // nothing may be appended
}

const (
	// outLimit is how many bytes of replies may wait for a client that does not
	// read; then who has more waits as well.
	outLimit = 256 << 10
	// outChunk is how large the buffers are that small replies are gathered in.
	outChunk = 128 << 10
)

// add queues a small reply, which is copied.
func (o *outbox) add(frame []byte) {
	o.bytes += len(frame)
	if n := len(o.chunks); n > 0 && !o.chunks[n-1].full {
		if b := o.chunks[n-1].buffer; len(*b)+len(frame) <= cap(*b) {
			*b = append(*b, frame...)
			return
		}
	}
	size := smallBuffer
	if len(o.chunks) > 0 || len(frame) > size {
		size = outChunk
	}
	b := getBuffer(max(size, len(frame)))
	*b = append((*b)[:0], frame...)
	o.chunks = append(o.chunks, chunk{buffer: b})
}

// addRaw queues a reply that is written from where it is.
func (o *outbox) addRaw(raw *rawReply) {
	o.bytes += len(*raw.buffer)
	o.chunks = append(o.chunks, chunk{raw.buffer, raw.weight, true})
}

// flush writes what is queued unless somebody does already. c.mu is not held.
func (c *conn) flush() {
	o := &c.out
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.writing {
		return // it takes ours too
	}
	o.writing = true
	for len(o.chunks) > 0 {
		chunks, n := o.chunks, o.bytes
		o.chunks, o.bytes = o.spare[:0], 0
		o.spare = nil
		failed := o.err
		c.mu.Unlock()
		if failed == nil {
			failed = write(c.nc, chunks)
			c.stats.bytesOut.Add(uint64(n))
		}
		for i := range chunks {
			putBuffer(chunks[i].buffer)
			if w := chunks[i].weight; w > 0 {
				c.memory.Release(w)
				c.stats.memory.Add(-w)
			}
			chunks[i] = chunk{}
		}
		if failed != nil {
			c.nc.Close() // ends the reader
		}
		c.mu.Lock()
		o.err = failed
		o.spare = chunks[:0]
		o.room.Broadcast()
	}
	o.writing = false
}

// manyWait is how many reads have to wait for it to be likely that others have
// their news at the same time: their replies then leave together.
const manyWait = 8

// flushSoon is flush, after others that have replies now could queue theirs.
func (c *conn) flushSoon() {
	if c.waiting.Load() > manyWait {
		if !c.soon.CompareAndSwap(false, true) {
			return // who is about to do it has not begun
		}
		runtime.Gosched()
		c.soon.Store(false)
	}
	c.flush()
}

func write(nc net.Conn, chunks []chunk) error {
	if len(chunks) == 1 {
		_, err := nc.Write(*chunks[0].buffer)
		return err
	}
	all := make(net.Buffers, len(chunks))
	for i, k := range chunks {
		all[i] = *k.buffer
	}
	_, err := all.WriteTo(nc)
	return err
}

// rawReply is an Rread or Rreaddir whose frame is complete but for size and tag.
type rawReply struct {
	message
	buffer *[]byte
	weight int64
}

// answer queues the reply to r, and those to what flushed it, and gives up their
// tags. Whoever then finds a tag unused is behind them in the queue.
func (c *conn) answer(r *request, m message, err error) {
	var scratch [512]byte
	frame := scratch[:0]
	raw, isRaw := m.(*rawReply)
	if isRaw {
		finishFrame(*raw.buffer, r.tag)
		if raw.weight == 0 {
			frame = *raw.buffer
		}
	} else {
		ok := false
		if err == nil {
			frame, ok = r.codec.appendMessage(frame, r.tag, m)
			ok = ok && (c.msize == 0 || len(frame) <= c.msize)
		}
		if !ok {
			if err == nil {
				err = EIO
			}
			frame, _ = r.codec.appendMessage(scratch[:0], r.tag, errorReply(r.codec.dialect, err))
		}
	}
	c.stats.served.Add(1)
	c.mu.Lock()
	for c.out.bytes > outLimit && c.out.err == nil {
		if c.out.writing {
			c.out.room.Wait()
			continue
		}
		c.mu.Unlock()
		c.flush()
		c.mu.Lock()
	}
	if isRaw && raw.weight > 0 {
		c.out.addRaw(raw)
	} else {
		c.out.add(frame)
	}
	c.settle(r)
	c.mu.Unlock()
	if isRaw && raw.weight == 0 {
		putBuffer(raw.buffer)
	}
}

// settle ends a request whose reply is queued, and answers its flushes, and theirs.
// c.mu is held.
func (c *conn) settle(r *request) {
	if r.answered {
		return
	}
	r.answered = true
	if c.requests[r.tag] == r {
		delete(c.requests, r.tag)
		c.stats.requests.Add(-1)
	}
	if k := r.claim; k != nil {
		if c.claims[k.fid] == k {
			delete(c.claims, k.fid)
		}
		k.before = nil
		close(k.done)
	}
	for _, f := range r.flushes {
		c.out.add([]byte{headerLen, 0, 0, 0, kindTflush + 1, byte(f.tag), byte(f.tag >> 8)})
		c.settle(f)
	}
}
