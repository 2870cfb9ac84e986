package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Kind is what a watched path is.
type Kind string

// The kinds, as the tree's tokens have them. What else git knows, such as a
// submodule, has a letter of its own.
const (
	Absent Kind = ""
	Dir    Kind = "D"
	File   Kind = "F"
	Exec   Kind = "X"
	Link   Kind = "L"
)

// Node is what there is at a path: its content is the same as long as the Node
// is. The zero Node is nothing.
type Node struct {
	Kind Kind
	Hash Hash // of the tree or file
}

// String is the node as the tree's files have it: "F-" and the hash, or "".
func (n Node) String() string {
	if n.Kind == Absent {
		return ""
	}
	return string(n.Kind) + "-" + n.Hash.String()
}

func parseNode(line string) (Node, error) {
	if line == "" {
		return Node{}, nil
	}
	kind, hash, _ := strings.Cut(line, "-")
	h, err := datakit.ParseHash(hash)
	if err != nil || len(kind) != 1 {
		return Node{}, fmt.Errorf("the server's news makes no sense: %.80q", line)
	}
	return Node{Kind(kind), h}, nil
}

// Watch yields what is at a path of a branch, "" for the whole tree, now and
// whenever it has changed. A slow reader sees the latest, not each. The path, and
// the branch, need not exist. It ends quietly with ctx, and after an error: one
// that matches ErrLost if the connection ended.
func (c *Client) Watch(ctx context.Context, branch, path string) iter.Seq2[Node, error] {
	names := []string{"branch", element(branch), "watch"}
	for _, name := range split(path) {
		names = append(names, name+".node")
	}
	return follow(ctx, c, branch, append(names, "tree.live"), parseNode)
}

// Heads yields the newest commit of a branch, now and whenever it has changed; the
// zero Hash for none. A slow reader sees the latest, not each: see Reflog. It ends
// as Watch does.
func (c *Client) Heads(ctx context.Context, branch string) iter.Seq2[Hash, error] {
	return follow(ctx, c, branch, []string{"branch", element(branch), "head.live"}, parseLine)
}

// Reflog yields each commit that a branch is set to from now on; the zero Hash
// when it is removed. It skips none, however slow its reader. It ends as Watch
// does.
func (c *Client) Reflog(ctx context.Context, branch string) iter.Seq2[Hash, error] {
	return follow(ctx, c, branch, []string{"branch", element(branch), "reflog"}, parseLine)
}

// follow yields the lines of a live file.
func follow[T any](ctx context.Context, c *Client, branch string, names []string, parse func(string) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := c.followLines(ctx, branch, names, func(line string) (bool, error) {
			v, err := parse(line)
			return err == nil && yield(v, nil), err
		})
		if err != nil && ctx.Err() == nil {
			var none T
			yield(none, err)
		}
	}
}

// followLines calls f for each line until it returns false or an error.
func (c *Client) followLines(ctx context.Context, branch string, names []string, f func(line string) (bool, error)) error {
	file, err := c.open(ctx, ninep.ReadOnly, names...)
	if missing(err) {
		if err = c.makeBranch(ctx, branch); err == nil {
			file, err = c.open(ctx, ninep.ReadOnly, names...)
		}
	}
	if err != nil {
		return wrap("watch", branch, err)
	}
	defer file.Close()
	const longest = 4096
	lines := bufio.NewScanner(patient{file.Reader(ctx)})
	lines.Buffer(make([]byte, 256), longest)
	for lines.Scan() {
		if more, err := f(lines.Text()); !more || err != nil {
			return err
		}
	}
	err = lines.Err()
	if err == nil {
		err = fmt.Errorf("the server ended the watch: %w", io.ErrUnexpectedEOF)
	}
	return wrap("watch", branch, explain(ctx, file, err))
}

// patient reads on after one empty read, by which DataKit tells kernel clients
// that this is all for now; two are the end.
type patient struct{ r io.Reader }

func (p patient) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if errors.Is(err, io.EOF) {
		return p.r.Read(b)
	}
	return n, err
}
