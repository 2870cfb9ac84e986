package ninep

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
)

// sendAll sends several requests in one write and returns their calls. None was
// sent if there are none, because the calls under way are too many or a message
// too long: then the requests can be made one by one.
func (c *Client) sendAll(ctx context.Context, into []byte, requests ...message) ([]*call, error) {
	first, err := c.begin(ctx, requests[0], into)
	if err != nil {
		return nil, err
	}
	calls := []*call{first}
	giveUp := func() {
		for _, cl := range calls {
			c.retire(cl)
		}
	}
	for _, m := range requests[1:] {
		select {
		case c.slots <- struct{}{}: // who waited for more slots while it holds one could wait for ever
			calls = append(calls, c.take(m, into))
		default:
			giveUp()
			return nil, nil
		}
	}
	buffer := getBuffer(smallBuffer)
	defer putBuffer(buffer)
	frames := (*buffer)[:0]
	codec := codec{dialect: c.dialect}
	for i, m := range requests {
		before, ok := len(frames), false
		if frames, ok = codec.appendMessage(frames, calls[i].tag, m); !ok || len(frames)-before > c.msize {
			giveUp()
			return nil, nil
		}
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err = c.extend(); err == nil {
		err = c.write(frames, nil)
	}
	if err != nil {
		return nil, c.broken(err)
	}
	return calls, nil
}

// openAt walks from f and opens what is there, in one exchange where the server
// keeps the order of requests. If into is not empty it is filled as well, from the
// file's beginning on; n is -1 if that was not tried.
func (f *File) openAt(ctx context.Context, names []string, flags OpenFlags, into []byte) (to *File, n int, err error) {
	c := f.c
	into = into[:min(len(into), c.msize-writeHeader)]
	if c.ordered && len(names) <= maxWalk {
		to = c.newFile(path.Join(append([]string{f.path}, names...)...))
		requests := append(make([]message, 0, 3), &tWalk{f.id, to.id, names}, &tLopen{to.id, uint32(flags)})
		if len(into) > 0 {
			requests = append(requests, &tRead{to.id, 0, uint32(len(into))})
		}
		calls, err := c.sendAll(ctx, into, requests...)
		if err != nil {
			return nil, 0, to.fail("open", err)
		}
		if calls != nil {
			return to.opened(ctx, calls, len(names))
		}
		c.forget(to)
	}
	if to, err = f.Walk(ctx, names...); err != nil {
		return nil, 0, err
	}
	if err := to.Open(ctx, flags); err != nil {
		to.release()
		return nil, 0, err
	}
	return to, -1, nil
}

// opened waits for what openAt has sent. All calls are waited for, whatever comes
// of them, for only then their tags are free.
func (f *File) opened(ctx context.Context, calls []*call, names int) (*File, int, error) {
	var answers [3]answer
	var errs [3]error
	for i, cl := range calls {
		answers[i], errs[i] = f.c.wait(ctx, cl)
	}
	walked, err := answers[0], errs[0]
	if err == nil && len(walked.m.(*rWalk).qids) < names {
		err = ENOENT
	}
	if err != nil {
		if err == ENOENT || errors.As(err, new(Errno)) {
			f.c.forget(f)
		}
		return nil, 0, f.fail("walk", err)
	}
	f.qid = f.c.root.qid
	if qids := walked.m.(*rWalk).qids; len(qids) > 0 {
		f.qid = qids[len(qids)-1]
	}
	if errs[1] != nil {
		f.release()
		return nil, 0, f.fail("open", errs[1])
	}
	f.iounit = answers[1].m.(*rLopen).iounit
	if len(calls) == 2 {
		return f, -1, nil
	}
	if errs[2] != nil {
		f.release()
		return nil, 0, f.fail("read", errs[2])
	}
	return f, answers[2].n, nil
}

// release gives up a file that was only read, soon, and without waiting for it.
func (f *File) release() {
	m := &tClunk{f.id}
	cl, err := f.c.begin(context.Background(), m, nil)
	if err != nil {
		return // the connection has ended
	}
	f.c.mu.Lock()
	cl.forget = f
	f.c.mu.Unlock()
	f.c.sendLater(cl.tag, m)
}

// ReadFile returns a whole file; EFBIG if it has more than limit bytes.
func (c *Client) ReadFile(ctx context.Context, name string, limit int) ([]byte, error) {
	// One byte more tells a file that is too large; small files need no more room.
	b := make([]byte, min(limit, 4095)+1)
	f, n, err := c.root.openAt(ctx, elements(name), ReadOnly, b)
	if err != nil {
		return nil, err
	}
	defer f.release()
	if n == 0 {
		return nil, nil
	}
	b, err = readOn(ctx, f, b[:max(n, 0)], limit+1)
	if err == nil && len(b) > limit {
		return nil, f.fail("read", EFBIG)
	}
	return b, err
}

// readOn reads to the end, or until there are limit bytes, after what was read.
func readOn(ctx context.Context, f *File, out []byte, limit int) ([]byte, error) {
	for len(out) < limit {
		if len(out) == cap(out) {
			out = slices.Grow(out, min(max(4096, 4*len(out)), limit-len(out)))
		}
		n, err := f.ReadAt(ctx, out[len(out):min(cap(out), limit)], int64(len(out)))
		out = out[:len(out)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
