package capture

import (
	"fmt"
	"slices"
)

// maxExamined bounds the packets one Query looks at, so that a call takes tens
// of milliseconds at most.
const maxExamined = 100_000

// NoPacketError is a number that is not in the ring.
type NoPacketError struct {
	N, First, Last uint64 // First is 0 if the ring is empty
}

func (e *NoPacketError) Error() string {
	switch {
	case e.First == 0:
		return fmt.Sprintf("packet %d is not there: nothing has been recorded", e.N)
	case e.N < e.First:
		return fmt.Sprintf("packet %d is no longer kept: the oldest is %d", e.N, e.First)
	}
	return fmt.Sprintf("packet %d is not there: the newest is %d", e.N, e.Last)
}

// Packets returns a page of the packets that q asks for. The error is a
// *FilterError.
func (c *Capture) Packets(q Query) (Page, error) {
	filter, err := Compile(q.Filter)
	if err != nil {
		return Page{}, err
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	c.mu.Lock()
	first, last := c.ring.bounds()
	c.mu.Unlock()
	page := Page{Rows: []Row{}, First: first, Last: last}
	if first == 0 {
		return page, nil
	}
	if q.After > 0 && q.After+1 < first {
		page.Dropped = first - q.After - 1
	}
	w := walk{c: c, view: c.newView(), filter: filter, flow: q.Flow, limit: q.Limit, page: &page}
	defer w.release()
	lo, hi := max(first, q.After+1), last
	if q.Before > 0 {
		hi = min(hi, q.Before-1)
	}
	if q.Tail || q.Before > 0 {
		for n := hi; n >= lo && w.visit(n); n-- {
		}
		slices.Reverse(page.Rows)
		page.More = page.Next > lo
		return page, nil
	}
	for n := lo; n <= hi && w.visit(n); n++ {
	}
	page.More = page.Next != 0 && page.Next < hi
	return page, nil
}

// walk visits packets one after another, in either direction, holding one
// segment at a time.
type walk struct {
	c      *Capture
	view   *view
	filter *Filter
	flow   uint64
	limit  int
	page   *Page
	held   *chunk
}

// visit looks at packet n and reports whether the walk goes on. A packet that
// was pushed out meanwhile is passed over.
func (w *walk) visit(n uint64) bool {
	if w.held == nil || n < w.held.first || n > w.held.last() {
		w.release()
		if w.held = w.c.hold(n); w.held == nil {
			// Walking back, all before it are gone too; walking on, the
			// ring's new beginning is near. Either way the budget counts.
			w.page.Examined++
			return w.page.Examined < w.c.examine
		}
	}
	w.page.Next = n
	w.page.Examined++
	s := w.held.get(n)
	if w.flow == 0 || s.flow == w.flow {
		w.view.show(s)
		if w.filter.match(w.view) {
			w.page.Rows = append(w.page.Rows, w.view.row())
		}
	}
	return len(w.page.Rows) < w.limit && w.page.Examined < w.c.examine
}

func (w *walk) release() {
	if w.held != nil {
		w.c.release(w.held)
		w.held = nil
	}
}

// Packet returns packet n in full. The error is a *NoPacketError.
func (c *Capture) Packet(n uint64) (Detail, error) {
	k := c.hold(n)
	if k == nil {
		c.mu.Lock()
		first, last := c.ring.bounds()
		c.mu.Unlock()
		return Detail{}, &NoPacketError{n, first, last}
	}
	defer c.release(k)
	s := k.get(n)
	s.frame = slices.Clone(s.frame)
	v := c.newView()
	v.show(s)
	return Detail{
		Row: v.row(), Layers: v.parsed.Layers(), Bytes: s.frame, Truncated: len(s.frame) < s.wire,
	}, nil
}
