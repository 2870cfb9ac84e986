package capture

import (
	"testing"
	"time"
)

func TestResizeKeepsTheNewestAndTheBound(t *testing.T) {
	c := New(Options{MaxBytes: 4 << 20})
	frame := make([]byte, 1000)
	fill := func(n int) {
		for range n {
			c.Frame(time.Now(), FromGuest, frame)
		}
	}
	fill(10_000)
	before := c.Status()
	c.Resize(1<<20, 100)
	after := c.Status()
	if after.Bytes > 1<<20 || after.MaxBytes != 1<<20 {
		t.Errorf("after Resize to 1 MiB the ring takes %d of %d bytes", after.Bytes, after.MaxBytes)
	}
	if after.Last != before.Last || after.First <= before.First {
		t.Errorf("packets %d to %d became %d to %d; want the newest kept", before.First, before.Last, after.First, after.Last)
	}
	fill(10_000)
	if s := c.Status(); s.Bytes > 1<<20 {
		t.Errorf("the ring grew to %d bytes", s.Bytes)
	}
	detail, err := c.Packet(c.Status().Last)
	if err != nil || len(detail.Bytes) != 100 || !detail.Truncated || detail.Length != 1000 {
		t.Errorf("after Resize a packet keeps %d of %d bytes, truncated %v, %v", len(detail.Bytes), detail.Length, detail.Truncated, err)
	}
	c.Resize(8<<20, 0)
	fill(10_000)
	if s := c.Status(); s.Bytes <= 1<<20 || s.Bytes > 8<<20 {
		t.Errorf("after Resize to 8 MiB the ring takes %d bytes", s.Bytes)
	}
}
