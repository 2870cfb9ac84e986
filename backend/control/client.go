package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

const (
	maxDocument  = 256 << 20        // bytes that the client takes for one answer
	dialPatience = 10 * time.Second // an engine that is not stuck takes milliseconds
)

// Client is an engine as seen through its control tree: it implements all of
// Sources but Data, which is a tree of its own: see Data. Its errors are *Error, but for the end of the caller's context. It may
// be used concurrently. What is followed (events, logs, live packets) has a
// connection of its own, which ends with it.
type Client struct {
	socket string
	tree   *ninep.Client
}

var (
	_ Engine     = (*Client)(nil)
	_ Machine    = (*Client)(nil)
	_ Containers = (*Client)(nil)
	_ Ports      = (*Client)(nil)
	_ Traffic    = (*Client)(nil)
	_ Settings   = (*Client)(nil)
	_ Pipelines  = (*Client)(nil)
)

// Dial connects to the engine that serves a socket. CodeUnavailable says that
// none does.
func Dial(ctx context.Context, socket string) (*Client, error) {
	tree, err := dialTree(ctx, socket)
	if err != nil {
		return nil, err
	}
	return &Client{socket, tree}, nil
}

func dialTree(ctx context.Context, socket string) (*ninep.Client, error) {
	limited, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	tree, err := ninep.Dial(limited, "unix", socket)
	switch {
	case err == nil:
		return tree, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, &Error{
			Code: CodeInternal, Message: "the engine is there but does not answer",
			Hint: "end its process; its log is engine.log in its home", Err: err,
		}
	case errors.Is(err, fs.ErrPermission):
		return nil, &Error{
			Code: CodeDenied, Message: "the engine belongs to somebody else",
			Hint: "run as its owner, or choose a home of your own with SLIPWAY_HOME", Err: err,
		}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, ninep.ErrClosed), errors.Is(err, io.EOF):
		return nil, &Error{Code: CodeUnavailable, Message: "Slipway is not running", Hint: "start it with `slipway up`", Err: err}
	}
	return nil, &Error{Code: CodeInternal, Message: fmt.Sprintf("cannot talk to the engine: %v", err), Err: err}
}

// Close ends the connection.
func (c *Client) Close() error { return c.tree.Close() }

// Done is closed when the connection has ended, such as with the engine.
func (c *Client) Done() <-chan struct{} { return c.tree.Done() }

// Tree is the file tree itself. Its errors are those of package ninep.
func (c *Client) Tree() *ninep.Client { return c.tree }

// Sources is the client in each of its roles.
func (c *Client) Sources() Sources {
	return Sources{Engine: c, Machine: c, Containers: c, Ports: c, Traffic: c, Settings: c, Pipelines: c}
}

// explain makes an Error of why using an open file failed, with the text that the
// file has for it.
func explain(ctx context.Context, f *ninep.File, err error) error {
	if err == nil || ctx.Err() != nil {
		return fromWire(err)
	}
	if errors.As(err, new(ninep.Errno)) {
		if b, xerr := f.Xattr(ctx, synth.ErrorXattr); xerr == nil {
			if e, ok := parseExplained(b); ok {
				return e
			}
		}
	}
	return fromWire(err)
}

// status reads a status file.
func status[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	f, err := c.tree.Open(ctx, path, ninep.ReadOnly)
	if err != nil {
		return v, fromWire(err)
	}
	defer f.Close()
	err = json.NewDecoder(io.LimitReader(f.Reader(ctx), maxDocument)).Decode(&v)
	return v, decoded(ctx, f, err)
}

// decoded tells an answer that makes no sense from one that did not come.
func decoded(ctx context.Context, f *ninep.File, err error) error {
	var p *fs.PathError
	if err == nil || errors.As(err, &p) || ctx.Err() != nil {
		return explain(ctx, f, err)
	}
	return nonsense(f.Path(), err)
}

func nonsense(path string, err error) *Error {
	return &Error{
		Code: CodeInternal, Message: fmt.Sprintf("the engine's answer in %s makes no sense: %v", path, err),
		Hint: "use a slipway of the engine's version", Err: err,
	}
}

// List lists a directory of the tree.
func (c *Client) List(ctx context.Context, path string) ([]ninep.Dirent, error) {
	entries, err := c.tree.ReadDir(ctx, path)
	return entries, fromWire(err)
}

// Read copies a file of the tree to w, to its end or until ctx ends.
func (c *Client) Read(ctx context.Context, path string, w io.Writer) error {
	return c.copyFrom(ctx, c.tree, path, "", w)
}

// Ask writes to a ctl or query file and returns the answer.
func (c *Client) Ask(ctx context.Context, path string, question []byte) ([]byte, error) {
	f, err := c.tree.Open(ctx, path, ninep.ReadWrite)
	if err != nil {
		return nil, fromWire(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(ctx, question, 0); err != nil {
		if errors.As(err, new(ninep.Errno)) && ctx.Err() == nil {
			var e Error
			if json.NewDecoder(f.Reader(ctx)).Decode(&e) == nil && e.Code != "" {
				return nil, &e
			}
		}
		return nil, fromWire(err)
	}
	b, err := io.ReadAll(io.LimitReader(f.Reader(ctx), maxDocument))
	return b, fromWire(err)
}

// ask decodes the answer of Ask.
func (c *Client) ask(ctx context.Context, path string, question []byte, result any) error {
	b, err := c.Ask(ctx, path, question)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, result); err != nil {
		return nonsense(path, err)
	}
	return nil
}

// command writes a line to a ctl file.
func (c *Client) command(ctx context.Context, path string, line ...string) error {
	_, err := commanded[json.RawMessage](ctx, c, path, line...)
	return err
}

// commanded writes a line to a ctl file and returns the result.
func commanded[T any](ctx context.Context, c *Client, path string, line ...string) (T, error) {
	var result T
	for _, word := range line[:len(line)-1] {
		if strings.ContainsAny(word, "\n ") {
			return result, Errorf(CodeInvalid, "%q holds a space", word)
		}
	}
	var r reply
	err := c.ask(ctx, path, []byte(strings.Join(line, " ")+"\n"), &r)
	if err == nil && r.Result != nil {
		if jerr := json.Unmarshal(r.Result, &result); jerr != nil {
			err = nonsense(path, jerr)
		}
	}
	return result, err
}

// follow copies a stream on a connection of its own. That ctx has ended is no
// error: it is how following ends.
func (c *Client) follow(ctx context.Context, path, question string, w io.Writer) error {
	tree, err := dialTree(ctx, c.socket)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer tree.Close()
	// Closing answers faster than a flush, and asks nothing of the engine.
	stop := context.AfterFunc(ctx, func() { tree.Close() })
	defer stop()
	err = c.copyFrom(ctx, tree, path, question, w)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// copyFrom copies a file that is a stream to w. Errors of w are returned as they are.
func (c *Client) copyFrom(ctx context.Context, tree *ninep.Client, path, question string, w io.Writer) error {
	flags := ninep.ReadOnly
	if question != "" {
		flags = ninep.ReadWrite
	}
	f, err := tree.Open(ctx, path, flags)
	if err != nil {
		return fromWire(err)
	}
	defer f.Close()
	if question != "" {
		if _, err := f.WriteAt(ctx, []byte(question), 0); err != nil {
			return explain(ctx, f, err)
		}
	}
	out := &target{w: w}
	_, err = io.CopyBuffer(out, f.Reader(ctx), make([]byte, 128<<10))
	if out.err != nil {
		return out.err
	}
	return explain(ctx, f, err)
}

// target remembers that it was the writer that failed, not the reader.
type target struct {
	w   io.Writer
	err error
}

func (t *target) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.err = err
	return n, err
}
