// Package resolver is the DNS forwarder that a guest sees as its name server.
//
// It answers built-in names itself and passes every other question on, as the
// bytes it got, to the servers that the host uses, so every record type, flag
// and extension works as it does on the host. It promises an answer within a
// bounded time: SERVFAIL if no server gave one. "No such name" and "no such
// record" stay what they were. An answer too long for the guest's UDP is cut
// and marked, and the whole of it is there over TCP.
//
// What the guest sends is hostile: questions in progress, connections and kept
// answers are bounded, and only a message with one question is passed on. What
// a server sends is accepted only from that server's address, to the port and
// with the random identifier of one question, and for the same question.
package resolver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes a Resolver.
type Config struct {
	Names    map[string]netip.Addr // built-in names, lower case, without a final dot
	Upstream Upstream
	Pending  int              // questions being forwarded at once: 256
	Now      func() time.Time // time.Now
}

// Stats counts questions by how they were answered, since the start.
type Stats struct {
	Local     uint64 `json:"local"`     // built-in names
	Cached    uint64 `json:"cached"`    // from a kept answer
	Forwarded uint64 `json:"forwarded"` // by a server
	Failed    uint64 `json:"failed"`    // no server answered in time
	Refused   uint64 `json:"refused"`   // too many at once, or malformed
}

// Resolver answers DNS messages. Its methods may be called from any goroutine.
type Resolver struct {
	names   map[string]netip.Addr
	reverse map[string]string
	up      *upstream
	cache   cache
	pending chan struct{}
	now     func() time.Time
	timeout time.Duration

	locals, cached, forwarded, failed, refused atomic.Uint64
}

// New returns a resolver. It opens and starts nothing. Built-in names that DNS
// cannot carry are an error.
func New(cfg Config) (*Resolver, error) {
	if cfg.Pending == 0 {
		cfg.Pending = 256
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Upstream.File == "" {
		cfg.Upstream.File = defaultFile
	}
	if cfg.Upstream.Timeout == 0 {
		cfg.Upstream.Timeout = 2 * time.Second
	}
	r := &Resolver{
		names:   maps.Clone(cfg.Names),
		reverse: map[string]string{},
		pending: make(chan struct{}, cfg.Pending),
		now:     cfg.Now,
		timeout: cfg.Upstream.Timeout,
	}
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		if !validName(name) {
			return nil, errors.New("host name " + name + ": give labels of 1 to 63 characters, separated by dots")
		}
		addr := r.names[name]
		if !addr.IsValid() {
			return nil, errors.New("host name " + name + ": give its IP address")
		}
		if addr.Is4() {
			if back := reverseName(addr); r.reverse[back] == "" {
				r.reverse[back] = name
			}
		}
	}
	r.up = &upstream{cfg: cfg.Upstream, changed: r.cache.flush}
	return r, nil
}

// Stats returns the counters as they are now.
func (r *Resolver) Stats() Stats {
	return Stats{
		Local: r.locals.Load(), Cached: r.cached.Load(), Forwarded: r.forwarded.Load(),
		Failed: r.failed.Load(), Refused: r.refused.Load(),
	}
}

// Answer returns the answer to one message, or nil if the message is none
// that can be answered. stream says that it came over TCP, where an answer may
// have any length. The query is not modified.
func (r *Resolver) Answer(ctx context.Context, query []byte, stream bool) []byte {
	if len(query) < headerLen || query[2]&flagResponse != 0 {
		r.refused.Add(1)
		return nil
	}
	if query[2]&opcodeMask != 0 {
		r.refused.Add(1)
		return failure(query, rcodeNotImp)
	}
	q, err := parseQuestion(query)
	if err != nil {
		r.refused.Add(1)
		return failure(query, rcodeFormErr)
	}
	if answer, ok := r.local(query, q); ok {
		r.locals.Add(1)
		return answer
	}
	answer := r.cache.get(query, r.now())
	if answer != nil {
		r.cached.Add(1)
	} else {
		answer = r.forward(ctx, query, q)
	}
	if !stream && len(answer) > udpLimit(query) {
		answer = truncate(answer)
	}
	return answer
}

// forward asks the servers, within the bound on questions in progress.
func (r *Resolver) forward(ctx context.Context, query []byte, q question) []byte {
	select {
	case r.pending <- struct{}{}:
		defer func() { <-r.pending }()
	default:
		r.refused.Add(1)
		return failure(query, rcodeServFail)
	}
	servers := r.up.current(r.now()) // before the cache is written, as a new list empties it
	answer := r.ask(ctx, servers, query, q)
	if answer == nil {
		r.failed.Add(1)
		return failure(query, rcodeServFail)
	}
	r.forwarded.Add(1)
	copy(answer, query[:2])
	r.cache.put(query, answer, r.now())
	return answer
}

// ask gives every server two turns. A server that says it cannot answer is
// passed over, but its word counts if no other knows better.
func (r *Resolver) ask(ctx context.Context, servers []netip.AddrPort, query []byte, q question) []byte {
	ctx, cancel := context.WithTimeout(ctx, 5*r.timeout)
	defer cancel()
	msg := slices.Clone(query)
	var lame []byte
	for range 2 {
		for _, server := range servers {
			if ctx.Err() != nil {
				return lame
			}
			_, _ = rand.Read(msg[:2]) // never fails, see crypto/rand
			answer := r.askUDP(ctx, server, msg, q)
			if answer != nil && answer[2]&flagTruncated != 0 {
				if whole := r.askTCP(ctx, server, msg, q); whole != nil {
					answer = whole
				}
			}
			switch {
			case answer == nil:
			case answer[3]&rcodeMask == rcodeNoError, answer[3]&rcodeMask == rcodeNXDomain:
				return answer
			default:
				lame = answer
			}
		}
		if lame != nil {
			break
		}
	}
	return lame
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 65535); return &b }}

func (r *Resolver) askUDP(ctx context.Context, server netip.AddrPort, msg []byte, q question) []byte {
	c := r.dial(ctx, "udp", server)
	if c == nil {
		return nil
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(msg); err != nil {
		return nil
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := c.Read(*buf)
		if err != nil {
			return nil
		}
		if matches((*buf)[:n], msg, q) {
			return slices.Clone((*buf)[:n])
		}
	}
}

func (r *Resolver) askTCP(ctx context.Context, server netip.AddrPort, msg []byte, q question) []byte {
	c := r.dial(ctx, "tcp", server)
	if c == nil {
		return nil
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := writeStream(c, msg); err != nil {
		return nil
	}
	answer, err := readStream(c)
	if err != nil || !matches(answer, msg, q) {
		return nil
	}
	return answer
}

// dial returns a connection whose deadline is one server's turn.
func (r *Resolver) dial(ctx context.Context, network string, server netip.AddrPort) net.Conn {
	d := net.Dialer{Timeout: r.timeout}
	c, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(r.timeout))
	return c
}

// matches says whether an answer belongs to a query: same identifier, same
// question. A server that could not read the question may leave it out.
func matches(answer, query []byte, q question) bool {
	if len(answer) < headerLen || !bytes.Equal(answer[:2], query[:2]) || answer[2]&flagResponse == 0 {
		return false
	}
	if binary.BigEndian.Uint16(answer[4:]) == 0 {
		return answer[3]&rcodeMask != rcodeNoError
	}
	aq, err := parseQuestion(answer)
	return err == nil && aq.name == q.name && aq.qtype == q.qtype && aq.class == q.class
}

// readStream reads one message in the framing of DNS over TCP (RFC 1035
// section 4.2.2).
func readStream(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeStream(w io.Writer, msg []byte) error {
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(msg)), uint16(len(msg)))
	_, err := w.Write(append(out, msg...))
	return err
}
