package ninep

import (
	"encoding/binary"
	"time"
)

// A codec writes or reads the body of one message. The same description of a
// message's fields serves both ways, so that they cannot disagree. A read past
// the end, or of a value out of bounds, sets bad and yields zeros from then on.
type codec struct {
	buf     []byte
	reading bool
	bad     bool
	dialect Dialect
}

// take returns the next n bytes of a message that is read.
func (c *codec) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.buf) {
		c.bad = true
		return nil
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b
}

func (c *codec) u8(v *uint8) {
	if !c.reading {
		c.buf = append(c.buf, *v)
	} else if b := c.take(1); b != nil {
		*v = b[0]
	}
}

func (c *codec) u16(v *uint16) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint16(c.buf, *v)
	} else if b := c.take(2); b != nil {
		*v = binary.LittleEndian.Uint16(b)
	}
}

func (c *codec) u32(v *uint32) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint32(c.buf, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.LittleEndian.Uint32(b)
	}
}

func (c *codec) u64(v *uint64) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, *v)
	} else if b := c.take(8); b != nil {
		*v = binary.LittleEndian.Uint64(b)
	}
}

// text is a string of at most 65535 bytes.
func (c *codec) text(v *string) {
	if !c.reading && len(*v) > 0xffff {
		c.bad = true
		return
	}
	n := uint16(len(*v))
	c.u16(&n)
	if !c.reading {
		c.buf = append(c.buf, *v...)
	} else if b := c.take(int(n)); b != nil {
		*v = string(b)
	}
}

// bytes is a counted run of bytes. What is read shares the message's memory.
func (c *codec) bytes(v *[]byte) {
	n := uint32(len(*v))
	c.u32(&n)
	if !c.reading {
		c.buf = append(c.buf, *v...)
	} else if uint64(n) <= uint64(len(c.buf)) {
		*v = c.take(int(n))
	} else {
		c.bad = true
	}
}

// uid is a user's number, which 9P2000 has not.
func (c *codec) uid(v *uint32) {
	if c.dialect != Dialect9P2000 {
		c.u32(v)
	} else if c.reading {
		*v = NoUID
	}
}

func (c *codec) qid(v *Qid) {
	c.u8((*uint8)(&v.Type))
	c.u32(&v.Version)
	c.u64(&v.Path)
}

// names is the list of a walk.
func (c *codec) names(v *[]string) {
	n := uint16(len(*v))
	if c.u16(&n); n > maxWalk {
		c.bad = true
	}
	if c.bad {
		return
	}
	if c.reading {
		*v = make([]string, n)
	}
	for i := range *v {
		c.text(&(*v)[i])
	}
}

// qids is the list that answers a walk.
func (c *codec) qids(v *[]Qid) {
	n := uint16(len(*v))
	if c.u16(&n); n > maxWalk {
		c.bad = true
	}
	if c.bad {
		return
	}
	if c.reading {
		*v = make([]Qid, n)
	}
	for i := range *v {
		c.qid(&(*v)[i])
	}
}

// time is seconds and nanoseconds since 1970. Clients leave garbage in times they
// do not set, so what is no time reads as none.
func (c *codec) time(v *time.Time) {
	var sec, nsec uint64
	if !c.reading && !v.IsZero() {
		sec, nsec = uint64(v.Unix()), uint64(v.Nanosecond())
	}
	c.u64(&sec)
	c.u64(&nsec)
	if c.reading && (sec|nsec) != 0 && sec < 1<<40 && nsec < 1e9 {
		*v = time.Unix(int64(sec), int64(nsec))
	}
}

// headerLen is size[4] type[1] tag[2].
const headerLen = 7

// appendMessage appends the frame of m to buf. It reports false, and leaves buf as
// it was, if m holds something the protocol has no room for.
func (c *codec) appendMessage(buf []byte, tag uint16, m message) ([]byte, bool) {
	start := len(buf)
	c.buf = append(buf, 0, 0, 0, 0, m.kind(), 0, 0)
	c.reading, c.bad = false, false
	m.fields(c)
	if c.bad {
		return buf, false
	}
	finishFrame(c.buf[start:], tag)
	return c.buf, true
}

// finishFrame sets the size and tag of a frame that is otherwise complete.
func finishFrame(frame []byte, tag uint16) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)))
	binary.LittleEndian.PutUint16(frame[5:], tag)
}

// parseMessage reads body, which must be one whole message of the type; bytes in
// it may stay referenced. It reports false for a type the dialect has not, a body
// that is too short or too long, and values out of bounds.
func (c *codec) parseMessage(kind uint8, body []byte) (message, bool) {
	m := newMessage(kind, c.dialect)
	if m == nil {
		return nil, false
	}
	c.buf, c.reading, c.bad = body, true, false
	m.fields(c)
	ok := !c.bad && len(c.buf) == 0
	c.buf = nil
	return m, ok
}
