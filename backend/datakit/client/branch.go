package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Branches returns the branches with their newest commits, by name. A server
// without query files tells names and heads only.
func (c *Client) Branches(ctx context.Context) ([]query.Branch, error) {
	var list []query.Branch
	err := c.ask(ctx, nil, &list, "branches")
	if !missing(err) {
		// One that was made, but has no commit, is nothing to others.
		return slices.DeleteFunc(list, func(b query.Branch) bool { return b.Head.IsZero() }), err
	}
	entries, err := c.list(ctx, "branch")
	if err != nil {
		return nil, wrap("list branches", "", err)
	}
	for _, e := range entries {
		name := branchOf(e.Name)
		head, err := c.Head(ctx, name)
		if errors.Is(err, ErrNoBranch) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, query.Branch{Name: name, Head: head})
	}
	return list, nil
}

// Head returns the newest commit of a branch, or ErrNoBranch.
func (c *Client) Head(ctx context.Context, branch string) (Hash, error) {
	h, err := c.readHash(ctx, "branch", element(branch), "head")
	if missing(err) || err == nil && h.IsZero() {
		return Hash{}, fmt.Errorf("branch %s: %w", branch, ErrNoBranch)
	}
	return h, wrap("read the head of", branch, err)
}

// headOrZero is Head, with the zero Hash for a branch that has no commit.
func (c *Client) headOrZero(ctx context.Context, branch string) (Hash, error) {
	h, err := c.Head(ctx, branch)
	if errors.Is(err, ErrNoBranch) {
		return Hash{}, nil
	}
	return h, err
}

// FastForward sets a branch to a commit that descends from its head, or to any
// commit if it has none: that is how to fork. Errors: ErrNotFastForward,
// ErrNotExist.
func (c *Client) FastForward(ctx context.Context, branch string, to Hash) error {
	if err := c.makeBranch(ctx, branch); err != nil {
		return err
	}
	_, err := c.command(ctx, to.String(), "branch", element(branch), "fast-forward")
	return wrap("fast-forward", branch, err)
}

// makeBranch makes the directory of a branch, which need not have a commit.
func (c *Client) makeBranch(ctx context.Context, branch string) error {
	dir, err := c.walk(ctx, "branch")
	if err != nil {
		return wrap("make branch", branch, err)
	}
	defer dir.Close()
	err = dir.Mkdir(ctx, element(branch), 0o775)
	if ninep.ErrnoOf(err) == ninep.EEXIST {
		return nil
	}
	return wrap("make branch", branch, err)
}

// RemoveBranch removes a branch. Its commits stay until git removes them.
func (c *Client) RemoveBranch(ctx context.Context, branch string) error {
	dir, err := c.walk(ctx, "branch")
	if err != nil {
		return wrap("remove branch", branch, err)
	}
	defer dir.Close()
	return noBranch("remove branch", branch, dir.Unlink(ctx, element(branch), true))
}

// RenameBranch gives a branch another name: ErrExist if that is taken.
func (c *Client) RenameBranch(ctx context.Context, from, to string) error {
	dir, err := c.walk(ctx, "branch")
	if err != nil {
		return wrap("rename branch", from, err)
	}
	defer dir.Close()
	err = dir.Rename(ctx, element(from), dir, element(to))
	if ninep.ErrnoOf(err) == ninep.EISDIR { // DataKit's answer
		return &Error{Op: "rename branch", Name: from, Reason: to + " exists already", Err: ninep.EEXIST}
	}
	return noBranch("rename branch", from, err)
}

func noBranch(op, branch string, err error) error {
	if ninep.ErrnoOf(err) == ninep.ENOENT {
		return fmt.Errorf("%s %s: %w", op, branch, ErrNoBranch)
	}
	return wrap(op, branch, err)
}

// Resolve finds the commit that a word names: a branch, or the whole hash of a
// commit, or an unambiguous beginning of at least 7 digits of one that is among
// the newest 10,000 of the branches. Append ^ or ~N for ancestors by the first
// parent. Errors: ErrNotExist.
func (c *Client) Resolve(ctx context.Context, word string) (Hash, error) {
	base, steps, err := ancestor(word)
	if err != nil {
		return Hash{}, err
	}
	h, err := c.resolveBase(ctx, base)
	for ; err == nil && steps > 0; steps-- {
		var parents []Hash
		if parents, err = c.Snapshot(h).Parents(ctx); err == nil && len(parents) == 0 {
			err = fmt.Errorf("%s: the history of %s is shorter: %w", word, base, ErrNotExist)
		}
		if err == nil {
			h = parents[0]
		}
	}
	return h, err
}

// ancestor splits "main~2^" into "main" and 3.
func ancestor(word string) (base string, steps int, err error) {
	end := strings.IndexAny(word, "^~")
	if end < 0 {
		return word, 0, nil
	}
	base = word[:end]
	for rest := word[end:]; rest != ""; {
		n := 1
		digits := len(rest[1:]) - len(strings.TrimLeft(rest[1:], "0123456789"))
		if rest[0] == '~' && digits > 0 {
			if _, err := fmt.Sscan(rest[1:1+digits], &n); err != nil {
				n = 1 << 30
			}
		} else {
			digits = 0
		}
		if steps += n; steps > 10_000 || rest[0] != '^' && rest[0] != '~' {
			return "", 0, fmt.Errorf("%q names no commit: %w", word, ErrNotExist)
		}
		rest = rest[1+digits:]
	}
	return base, steps, nil
}

func (c *Client) resolveBase(ctx context.Context, word string) (Hash, error) {
	const shortest = 7
	h, err := c.Head(ctx, word)
	if err == nil || !errors.Is(err, ErrNoBranch) {
		return h, err
	}
	if h, err := datakit.ParseHash(word); err == nil {
		return h, nil
	}
	none := fmt.Errorf("%q is neither a branch nor a commit: %w", word, ErrNotExist)
	if len(word) < shortest || strings.Trim(word, "0123456789abcdef") != "" {
		return Hash{}, none
	}
	found, err := c.complete(ctx, word)
	if err != nil {
		return Hash{}, err
	}
	switch len(found) {
	case 0:
		return Hash{}, none
	case 1:
		for h := range found {
			return h, nil
		}
	}
	return Hash{}, fmt.Errorf("%q begins the names of %d commits: %w", word, len(found), ErrNotExist)
}

// complete returns the commits whose names begin with prefix.
func (c *Client) complete(ctx context.Context, prefix string) (map[Hash]bool, error) {
	branches, err := c.Branches(ctx)
	if err != nil {
		return nil, err
	}
	found := map[Hash]bool{}
	for _, b := range branches {
		left := 10_000
		for commit, err := range c.History(ctx, b.Head, "") {
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(commit.Hash.String(), prefix) {
				found[commit.Hash] = true
			}
			if left--; left == 0 {
				break
			}
		}
	}
	return found, nil
}
