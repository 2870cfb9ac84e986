package client

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Remote is another git repository that the server knows by a name.
type Remote struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Remotes returns the server's remotes, by name.
func (c *Client) Remotes(ctx context.Context) ([]Remote, error) {
	entries, err := c.list(ctx, "remotes")
	if err != nil {
		return nil, wrap("list remotes", "", err)
	}
	list := []Remote{}
	for _, e := range entries {
		url, err := c.read(ctx, "remotes", e.Name, "url")
		if err != nil && !errors.Is(err, ErrNotExist) {
			return nil, wrap("read the URL of", e.Name, err)
		}
		list = append(list, Remote{e.Name, strings.TrimSpace(string(url))})
	}
	slices.SortFunc(list, func(a, b Remote) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// AddRemote makes a remote, or gives one another URL.
func (c *Client) AddRemote(ctx context.Context, name, url string) error {
	dir, err := c.walk(ctx, "remotes")
	if err != nil {
		return wrap("add remote", name, err)
	}
	defer dir.Close()
	if err := dir.Mkdir(ctx, name, 0o775); err != nil && ninep.ErrnoOf(err) != ninep.EEXIST {
		return wrap("add remote", name, err)
	}
	f, err := dir.Walk(ctx, name, "url")
	if err != nil {
		return wrap("add remote", name, err)
	}
	defer f.Close()
	if err = f.Open(ctx, ninep.ReadWrite|ninep.Truncate); err == nil {
		_, err = f.WriteAt(ctx, []byte(url+"\n"), 0)
	}
	return wrap("add remote", name, explain(ctx, f, err))
}

// RemoveRemote forgets a remote.
func (c *Client) RemoveRemote(ctx context.Context, name string) error {
	dir, err := c.walk(ctx, "remotes")
	if err != nil {
		return wrap("remove remote", name, err)
	}
	defer dir.Close()
	return wrap("remove remote", name, dir.Unlink(ctx, name, true))
}

// Fetch gets a branch of a remote and returns its commit, to merge or to
// fast-forward to.
func (c *Client) Fetch(ctx context.Context, remote, branch string) (Hash, error) {
	answer, err := c.command(ctx, branch, "remotes", remote, "fetch")
	if err != nil {
		return Hash{}, wrap("fetch from", remote, err)
	}
	if h, err := parseLine(string(answer)); err == nil && !h.IsZero() {
		return h, nil
	}
	for h, err := range c.Fetched(ctx, remote) {
		return h, err
	}
	return Hash{}, ctx.Err()
}

// Fetched yields the commits that are fetched from a remote, the last one first,
// as Watch does.
func (c *Client) Fetched(ctx context.Context, remote string) iter.Seq2[Hash, error] {
	return follow(ctx, c, remote, []string{"remotes", remote, "head"}, parseLine)
}

// Push sends a branch to a remote, which refuses what is not a fast-forward there.
func (c *Client) Push(ctx context.Context, remote, branch string) error {
	_, err := c.command(ctx, branch, "remotes", remote, "push")
	return wrap("push to", remote, err)
}
