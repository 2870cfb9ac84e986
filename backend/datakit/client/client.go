package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

const (
	maxAnswer = 256 << 20 // bytes taken of one answer or file
	maxReason = 64 << 10  // bytes taken of a reason

	dialPatience = 10 * time.Second
)

// Hash names a commit, a tree or a file; the zero Hash is "none".
type Hash = datakit.Hash

// Client is a connection to a server.
type Client struct {
	tree *ninep.Client
	root []string
}

// New makes a client of a connection whose tree has DataKit's files below root: ""
// or "/" for a server of its own, "/data" in the tree of an engine. The client
// owns the connection.
func New(c *ninep.Client, root string) *Client {
	return &Client{tree: c, root: split(root)}
}

// Dial connects to a server at unix://PATH, tcp://HOST:PORT, or the path of a
// socket. Part of the address may be where the tree is: unix://PATH#/data.
func Dial(ctx context.Context, addr string) (*Client, error) {
	network, address, root, err := ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	c, err := ninep.Dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return New(c, root), nil
}

// ParseAddr takes an address apart, as Dial understands it, into what net.Dial
// takes and where the tree is on the server.
func ParseAddr(addr string) (network, address, root string, err error) {
	address, root, _ = strings.Cut(addr, "#")
	scheme, rest, ok := strings.Cut(address, "://")
	switch {
	case address == "":
		return "", "", "", fmt.Errorf("an address is unix://PATH or tcp://HOST:PORT, not %q", addr)
	case !ok:
		return "unix", address, root, nil
	case scheme == "unix" && rest != "":
		return "unix", rest, root, nil
	case scheme == "tcp":
		u, err := url.Parse(address)
		if err == nil && u.Hostname() != "" && u.Port() != "" && u.Path == "" && u.User == nil {
			return "tcp", u.Host, root, nil
		}
	}
	return "", "", "", fmt.Errorf("an address is unix://PATH or tcp://HOST:PORT, not %q", addr)
}

// Redial calls fn with a connection to addr, and again with a new one each time
// the connection is lost, until fn returns nil or an error of another kind. It
// waits between attempts, at most 5 seconds. fn must take up its work from the
// state it finds: what happened meanwhile went unseen.
func Redial(ctx context.Context, addr string, fn func(context.Context, *Client) error) error {
	const longest = 5 * time.Second
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, longest) {
		c, err := Dial(ctx, addr)
		if err == nil {
			wait = 50 * time.Millisecond
			err = fn(ctx, c)
			_ = c.Close() // it is over either way
			if !errors.Is(err, ninep.ErrClosed) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Close ends the connection; the server closes this client's transactions.
func (c *Client) Close() error { return c.tree.Close() }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.tree.Done() }

// Files is the file tree itself; its errors are those of package ninep.
func (c *Client) Files() *ninep.Client { return c.tree }

// walk finds a file, unopened.
func (c *Client) walk(ctx context.Context, names ...string) (*ninep.File, error) {
	return c.tree.Root().Walk(ctx, append(c.root[:len(c.root):len(c.root)], names...)...)
}

// open opens a file.
func (c *Client) open(ctx context.Context, flags ninep.OpenFlags, names ...string) (*ninep.File, error) {
	f, err := c.walk(ctx, names...)
	if err != nil {
		return nil, err
	}
	if err := f.Open(ctx, flags); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// read returns a whole file.
func (c *Client) read(ctx context.Context, names ...string) ([]byte, error) {
	f, err := c.open(ctx, ninep.ReadOnly, names...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(ctx, f)
}

func readAll(ctx context.Context, f *ninep.File) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f.Reader(ctx), maxAnswer+1))
	if err != nil {
		return nil, explain(ctx, f, err)
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("%s: more than %d MiB: %w", f.Path(), maxAnswer>>20, datakit.ErrTooLarge)
	}
	return b, nil
}

// readHash reads a file that holds a commit's name or nothing.
func (c *Client) readHash(ctx context.Context, names ...string) (Hash, error) {
	b, err := c.read(ctx, names...)
	if err != nil {
		return Hash{}, err
	}
	return parseLine(string(b))
}

// parseLine reads a line with a commit's name or nothing.
func parseLine(line string) (Hash, error) {
	if line = strings.TrimSpace(line); line == "" {
		return Hash{}, nil
	}
	h, err := datakit.ParseHash(line)
	if err != nil {
		return Hash{}, fmt.Errorf("the server answered nonsense: %w", err)
	}
	return h, nil
}

// list returns the names in a directory.
func (c *Client) list(ctx context.Context, names ...string) ([]ninep.Dirent, error) {
	f, err := c.open(ctx, ninep.ReadOnly, names...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(ctx)
}

// command writes a line to a command file and returns what it answers.
func (c *Client) command(ctx context.Context, line string, names ...string) ([]byte, error) {
	f, err := c.open(ctx, ninep.ReadWrite, names...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := tell(ctx, f, line); err != nil {
		return nil, err
	}
	return readAll(ctx, f)
}

// tell writes a line to an open command file. If it is refused the same file has
// the reason.
func tell(ctx context.Context, f *ninep.File, line string) error {
	_, err := f.WriteAt(ctx, []byte(line+"\n"), 0)
	return explain(ctx, f, err)
}

// ask writes a question to a query file and decodes the answer; question nil just
// reads it.
func (c *Client) ask(ctx context.Context, question, answer any, name string) error {
	var b []byte
	var err error
	if question == nil {
		b, err = c.read(ctx, "query", name)
	} else {
		var q []byte
		if q, err = json.Marshal(question); err != nil {
			return fmt.Errorf("encode question: %w", err)
		}
		b, err = c.command(ctx, string(q), "query", name)
	}
	if err != nil {
		return wrap("ask for "+name, "", err)
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("the server's answer in query/%s makes no sense: %w", name, err)
	}
	return nil
}

// explain gives an error of an open file the reason that the server has for it.
func explain(ctx context.Context, f *ninep.File, err error) error {
	var number ninep.Errno
	if err == nil || ctx.Err() != nil || !errors.As(err, &number) {
		return err
	}
	why, xerr := f.Xattr(ctx, synth.ErrorXattr)
	if xerr != nil || len(why) == 0 {
		why, xerr = io.ReadAll(io.LimitReader(f.Reader(ctx), maxReason))
	}
	if xerr != nil {
		return err
	}
	return &Error{Reason: strings.TrimSpace(string(why)), Err: err}
}

// missing reports that a server has no such file, rather than that it refused to
// do what the file does.
func missing(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && p.Op == "walk" && errors.Is(err, fs.ErrNotExist)
}

// split takes a slash path apart; empty elements are left out.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

var branchEscapes = strings.NewReplacer("%", "%25", "/", "%2F")
var branchUnescapes = strings.NewReplacer("%25", "%", "%2F", "/", "%2f", "/")

// element is a branch's name as one name of the tree.
func element(branch string) string { return branchEscapes.Replace(branch) }

// branchOf is the branch that a name of the tree stands for.
func branchOf(element string) string { return branchUnescapes.Replace(element) }

// ListFile lists a directory of DataKit's tree itself, such as branch/main.
func (c *Client) ListFile(ctx context.Context, path string) ([]ninep.Dirent, error) {
	list, err := c.list(ctx, split(path)...)
	return list, wrap("list", path, err)
}

// CopyFile copies a file of DataKit's tree itself, such as branch/main/head.live,
// to w: to its end, or until ctx ends.
func (c *Client) CopyFile(ctx context.Context, path string, w io.Writer) error {
	f, err := c.open(ctx, ninep.ReadOnly, split(path)...)
	if err != nil {
		return wrap("read", path, err)
	}
	defer f.Close()
	r := &noting{r: patient{f.Reader(ctx)}}
	if _, err = io.Copy(w, r); r.err != nil {
		err = explain(ctx, f, r.err)
	}
	return wrap("read", path, err)
}

// noting remembers that reading failed, and not writing.
type noting struct {
	r   io.Reader
	err error
}

func (n *noting) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

// AskFile writes a line to a command or query file of DataKit's tree itself, and
// returns its answer.
func (c *Client) AskFile(ctx context.Context, path, line string) ([]byte, error) {
	b, err := c.command(ctx, line, split(path)...)
	return b, wrap("write", path, err)
}
