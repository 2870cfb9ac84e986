package ninep

import (
	"bufio"
	"context"
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
	// maxCalls is how many calls are under way at once; more wait. It is less than
	// what a Server accepts by default.
	maxCalls = 2000

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
	ordered bool // the server promises the order of requests: see versionOrdered
	root    *File
	slots   chan struct{} // holds one for each call under way

	writing  sync.Mutex
	deadline time.Time // of writing
	later    []byte    // messages that nobody waits for; they go with the next, or soon
	soon     *time.Timer
	armed    bool // soon is set

	mu      sync.Mutex
	calls   []*call  // by tag; kept to be used again
	free    []uint16 // the tags of calls that are not under way
	nextFid uint32
	fids    []uint32 // numbers to use again
	err     error    // why it ended

	done chan struct{} // closed when the reader has ended
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
		in:      bufio.NewReaderSize(nc, 32<<10),
		msize:   MaxMessage,
		slots:   make(chan struct{}, maxCalls),
		done:    make(chan struct{}),
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

// version agrees on the message size. It runs before the reader does. A server of
// 9P2000.L is first asked for one that keeps the order of requests; one that takes
// offence is asked again.
func (c *Client) version() error {
	if c.dialect != Dialect9P2000L {
		return c.ask(c.dialect.String())
	}
	err := c.ask(versionOrdered)
	if err == nil {
		return nil
	}
	if again := c.ask(version9P2000L); again == nil || !isGone(again) {
		return again
	}
	return err
}

func (c *Client) ask(version string) error {
	frame, _ := (&codec{}).appendMessage(nil, noTag, &tVersion{uint32(c.msize), version})
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
	// Before there is a dialect servers say no in their own.
	m, ok := (&codec{dialect: c.dialect}).parseMessage(kind, body)
	switch m := m.(type) {
	case *rLerror:
		return Errno(m.errno)
	case *rError:
		return remoteError(m)
	case *rVersion:
		good := m.version == version || m.version == c.dialect.String()
		if ok && good && m.msize >= minMessage && m.msize <= uint32(c.msize) {
			c.msize = int(m.msize)
			c.ordered = m.version == versionOrdered
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
