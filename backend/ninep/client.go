package ninep

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// ErrClosed is what calls on a client end with after Close or after the server
// went away; the reason may be wrapped beside it.
var ErrClosed = errors.New("9P connection is closed")

const (
	maxCalls = 512 // calls under way; more wait

	// A server that neither reads for this long, nor answers Tflush in that time,
	// is given up: waiting on would make cancelled calls hang.
	writePatience = 30 * time.Second
	flushPatience = 5 * time.Second
)

// Client is one connection to a server, attached to its default tree. Its
// methods may be called concurrently. Close must be called in the end.
type Client struct {
	nc      net.Conn
	in      *bufio.Reader
	msize   int
	dialect Dialect
	root    *File
	tags    chan uint16 // the tags that are free

	writing sync.Mutex

	mu      sync.Mutex
	calls   [maxCalls]*call
	nextFid uint32
	fids    []uint32 // numbers to use again
	err     error    // why it ended

	done chan struct{} // closed when the reader has ended
}

// A call is a request that waits for its answer. The flush of tag t has the tag
// t+maxCalls, so that there is always one for it.
type call struct {
	want    uint8
	into    []byte // where the data of an Rread goes
	answer  chan answer
	flushed chan struct{}
}

type answer struct {
	m message
	n int // bytes read into call.into
}

// Dial connects to a server, agrees on a session and attaches as this process's
// user, with reads that just block: see AttachRequest.Plain. The connection is
// closed if ctx ends before Dial returns.
func Dial(ctx context.Context, network, address string) (*Client, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return NewClient(ctx, nc, AttachRequest{UID: uint32(os.Getuid()), Name: plainName})
}

// NewClient is Dial on a connection that exists; the client owns it from now on,
// even if NewClient fails.
func NewClient(ctx context.Context, nc net.Conn, who AttachRequest) (*Client, error) {
	return NewClientDialect(ctx, nc, who, Dialect9P2000L)
}

// NewClientDialect is NewClient in another dialect. What that has no words for
// fails with ENOTSUP.
func NewClientDialect(ctx context.Context, nc net.Conn, who AttachRequest, d Dialect) (*Client, error) {
	c := &Client{
		dialect: d,
		nc:      nc,
		in:      bufio.NewReaderSize(nc, 16<<10),
		msize:   MaxMessage,
		tags:    make(chan uint16, maxCalls),
		done:    make(chan struct{}),
	}
	for t := range uint16(maxCalls) {
		c.tags <- t
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	err := c.version()
	go c.receive()
	if err == nil {
		c.root, err = c.attach(ctx, who)
		if who.Plain() && errors.As(err, new(Errno)) { // another server, which has no such tree
			who.Name = ""
			c.root, err = c.attach(ctx, who)
		}
	}
	if err != nil {
		c.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("open 9P session: %w", err)
	}
	return c, nil
}

// version agrees on the message size. It runs before the reader does.
func (c *Client) version() error {
	frame, _ := (&codec{}).appendMessage(nil, noTag, &tVersion{uint32(c.msize), c.dialect.String()})
	if _, err := c.nc.Write(frame); err != nil {
		return err
	}
	kind, _, size, err := c.readHeader()
	if err != nil {
		return err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return err
	}
	m, ok := (&codec{dialect: c.dialect}).parseMessage(kind, body)
	switch m := m.(type) {
	case *rLerror:
		return Errno(m.errno)
	case *rError:
		return remoteError(m)
	case *rVersion:
		if ok && m.version == c.dialect.String() && m.msize >= minMessage && m.msize <= uint32(c.msize) {
			c.msize = int(m.msize)
			return nil
		}
		return fmt.Errorf("server offers %q with messages of %d bytes, need %s: %w", m.version, m.msize, c.dialect, EPROTO)
	}
	return EPROTO
}

func (c *Client) attach(ctx context.Context, who AttachRequest) (*File, error) {
	f := c.newFile("/")
	m, err := c.rpc(ctx, &tAttach{f.id, noFid, who.User, who.Name, who.UID})
	if err != nil {
		c.forget(f)
		return nil, err
	}
	f.qid = m.(*rQid).qid
	return f, nil
}

// Root is the root of the tree. It need not be closed.
func (c *Client) Root() *File { return c.root }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection; calls under way return ErrClosed.
func (c *Client) Close() error {
	err := c.nc.Close()
	<-c.done
	return err
}

// Err tells why the connection ended: nil while it has not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// receive hands answers to their calls until the connection ends.
func (c *Client) receive() {
	defer close(c.done)
	for {
		if err := c.receiveOne(); err != nil {
			c.nc.Close()
			c.mu.Lock()
			c.err = ErrClosed
			if !isGone(err) {
				c.err = fmt.Errorf("%w: %w", ErrClosed, err)
			}
			c.mu.Unlock()
			return
		}
	}
}

func (c *Client) receiveOne() error {
	kind, tag, size, err := c.readHeader()
	if err != nil {
		return err
	}
	var cl *call
	if tag < 2*maxCalls {
		c.mu.Lock()
		cl = c.calls[tag%maxCalls]
		c.mu.Unlock()
	}
	switch {
	case cl == nil:
		return fmt.Errorf("answer to tag %d that nobody asked: %w", tag, EPROTO)
	case tag >= maxCalls: // Rflush, or an error that serves as well
		c.mu.Lock()
		c.calls[tag%maxCalls] = nil
		c.mu.Unlock()
		close(cl.flushed) // now the tag may be used again
		_, err = c.in.Discard(size)
		return err
	case kind == kindTread+1 && cl.want == kind:
		return c.receiveData(cl, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return err
	}
	m, ok := (&codec{dialect: c.dialect}).parseMessage(kind, body)
	if !ok || kind != cl.want && kind != c.dialect.errorKind() {
		return fmt.Errorf("answer of type %d to a request of type %d: %w", kind, cl.want-1, EPROTO)
	}
	return cl.give(answer{m: m})
}

// receiveData reads an Rread straight to where its caller wants it: rpc does not
// return before that is done, or never will be.
func (c *Client) receiveData(cl *call, size int) error {
	var count [4]byte
	if size < len(count) {
		return EPROTO
	}
	if _, err := io.ReadFull(c.in, count[:]); err != nil {
		return err
	}
	n := size - len(count)
	if uint64(binary.LittleEndian.Uint32(count[:])) != uint64(n) || n > len(cl.into) {
		return fmt.Errorf("read answered with %d bytes, asked for %d: %w", n, len(cl.into), EPROTO)
	}
	if _, err := io.ReadFull(c.in, cl.into[:n]); err != nil {
		return err
	}
	return cl.give(answer{m: &rRead{rtype: kindTread + 1}, n: n})
}

func (cl *call) give(a answer) error {
	select {
	case cl.answer <- a:
		return nil
	default:
		return fmt.Errorf("two answers to one request: %w", EPROTO)
	}
}

func (c *Client) readHeader() (kind uint8, tag uint16, size int, err error) {
	var h [headerLen]byte
	if _, err = io.ReadFull(c.in, h[:]); err != nil {
		return
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n < headerLen || n > uint32(c.msize) {
		err = fmt.Errorf("message of %d bytes, may be %d to %d: %w", n, headerLen, c.msize, EPROTO)
	}
	return h[4], binary.LittleEndian.Uint16(h[5:]), int(n) - headerLen, err
}

// rpc sends a request and returns its answer; an Rlerror is returned as an Errno.
func (c *Client) rpc(ctx context.Context, m message) (message, error) {
	a, err := c.exchange(ctx, m, nil)
	return a.m, err
}

// exchange is rpc with a place for the data of an Rread. When ctx ends it flushes
// the request and waits for the server to confirm: only then it is known whether
// the request had an effect, and its tag is free.
func (c *Client) exchange(ctx context.Context, m message, into []byte) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	if c.dialect != Dialect9P2000L && newMessage(m.kind(), c.dialect) == nil {
		return answer{}, ENOTSUP
	}
	var tag uint16
	select {
	case tag = <-c.tags:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-c.done:
		return answer{}, c.Err()
	}
	cl := &call{want: m.kind() + 1, into: into, answer: make(chan answer, 1), flushed: make(chan struct{})}
	c.mu.Lock()
	c.calls[tag] = cl
	c.mu.Unlock()
	if err := c.send(tag, m); errors.Is(err, EMSGSIZE) {
		c.retire(tag)
		return answer{}, err
	} else if err != nil {
		c.nc.Close()
		<-c.done
		return answer{}, fmt.Errorf("%w: %w", ErrClosed, err)
	}
	select {
	case a := <-cl.answer:
		c.retire(tag)
		return a.result()
	case <-c.done:
		return answer{}, c.Err()
	case <-ctx.Done():
		return c.flush(ctx, tag, cl)
	}
}

// retire makes a tag free whose request has been answered, or never sent.
func (c *Client) retire(tag uint16) {
	c.mu.Lock()
	c.calls[tag] = nil
	c.mu.Unlock()
	c.tags <- tag
}

func (c *Client) flush(ctx context.Context, tag uint16, cl *call) (answer, error) {
	patience := time.AfterFunc(flushPatience, func() { c.nc.Close() })
	defer patience.Stop()
	if err := c.send(tag+maxCalls, &tFlush{tag}); err != nil {
		c.nc.Close()
	}
	select {
	case <-cl.flushed:
		c.tags <- tag
	case <-c.done:
	}
	select {
	case a := <-cl.answer: // it was done before the flush arrived
		if a, err := a.result(); err == nil {
			return a, nil
		}
	default:
	}
	return answer{}, ctx.Err()
}

func (a answer) result() (answer, error) {
	switch e := a.m.(type) {
	case *rLerror:
		return answer{}, Errno(e.errno)
	case *rError:
		return answer{}, remoteError(e)
	}
	return a, nil
}

// send writes one message, or nothing if it is EMSGSIZE. The data of a large Twrite is not copied.
func (c *Client) send(tag uint16, m message) error {
	buffer := getBuffer(smallBuffer)
	defer putBuffer(buffer)
	var tail []byte
	if w, ok := m.(*tWrite); ok && len(w.data) > smallBuffer/2 {
		tail = w.data
		m = &tWrite{w.fid, w.offset, nil}
	}
	frame, ok := (&codec{dialect: c.dialect}).appendMessage((*buffer)[:0], tag, m)
	if !ok || len(frame)+len(tail) > c.msize {
		return EMSGSIZE
	}
	if tail != nil {
		binary.LittleEndian.PutUint32(frame, uint32(len(frame)+len(tail)))
		binary.LittleEndian.PutUint32(frame[len(frame)-4:], uint32(len(tail)))
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.nc.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	if tail != nil {
		_, err := (&net.Buffers{frame, tail}).WriteTo(c.nc)
		return err
	}
	_, err := c.nc.Write(frame)
	return err
}

// newFile takes a fid number.
func (c *Client) newFile(path string) *File {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &File{c: c, path: path}
	if n := len(c.fids); n > 0 {
		f.id = c.fids[n-1]
		c.fids = c.fids[:n-1]
	} else {
		f.id = c.nextFid
		c.nextFid++
	}
	return f
}

// forget makes a fid number free that the server does not know, or no longer.
func (c *Client) forget(f *File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fids = append(c.fids, f.id)
}

// elements splits a slash path. Empty elements are left out.
func elements(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
