package client

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

// Log returns a page of history, newest first. A server without query files is
// read commit by commit, which is slower, and has neither times nor, if it is not
// ours, authors.
func (c *Client) Log(ctx context.Context, q query.LogQuestion) (query.LogPage, error) {
	var page query.LogPage
	err := c.ask(ctx, q, &page, "log")
	if missing(err) {
		return c.walkLog(ctx, q)
	}
	return page, err
}

// History yields a commit and its ancestors, newest first, page by page; with a
// path only those that changed it. It ends after an error.
func (c *Client) History(ctx context.Context, from Hash, path string) iter.Seq2[datakit.Commit, error] {
	return func(yield func(datakit.Commit, error) bool) {
		if from.IsZero() {
			return
		}
		q := query.LogQuestion{From: from.String(), Path: path}
		for {
			page, err := c.Log(ctx, q)
			if err != nil {
				yield(datakit.Commit{}, err)
				return
			}
			for _, commit := range page.Commits {
				if !yield(commit, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.From, q.Limit = page.Next, 1000
		}
	}
}

// maxWalked bounds the commits that walkLog looks at for one page.
const maxWalked = 1000

// walkLog follows the parents, first come first served. Its Next is the list of
// the commits to go on with.
func (c *Client) walkLog(ctx context.Context, q query.LogQuestion) (query.LogPage, error) {
	queue, err := parseHashes(strings.ReplaceAll(q.From, ",", " "))
	if err != nil {
		return query.LogPage{}, err
	}
	if len(queue) == 0 {
		head, err := c.Head(ctx, q.Branch)
		if err != nil {
			return query.LogPage{}, err
		}
		queue = []Hash{head}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	page := query.LogPage{Commits: []datakit.Commit{}}
	seen := map[Hash]bool{}
	for walked := 0; len(queue) > 0 && len(page.Commits) < limit && walked < maxWalked; walked++ {
		h := queue[0]
		queue = queue[1:]
		seen[h] = true
		commit, err := c.walkCommit(ctx, h)
		if err != nil {
			return query.LogPage{}, err
		}
		for _, p := range commit.Parents {
			if !seen[p] && !slices.Contains(queue, p) {
				queue = append(queue, p)
			}
		}
		if touches(commit, q.Path) {
			page.Commits = append(page.Commits, commit)
		}
	}
	words := make([]string, len(queue))
	for i, h := range queue {
		words[i] = h.String()
	}
	page.Next = strings.Join(words, ",")
	return page, nil
}

func touches(commit datakit.Commit, path string) bool {
	return path == "" || slices.ContainsFunc(commit.Changes, func(ch datakit.Change) bool {
		return ch.Path == path || strings.HasPrefix(ch.Path, path+"/")
	})
}

func (c *Client) walkCommit(ctx context.Context, h Hash) (datakit.Commit, error) {
	s := c.Snapshot(h)
	commit := datakit.Commit{Hash: h}
	var err error
	if commit.Message, err = s.Message(ctx); err != nil {
		return commit, err
	}
	if commit.Parents, err = s.Parents(ctx); err != nil {
		return commit, err
	}
	commit.Author, commit.Email, commit.Time = s.details(ctx)
	if len(commit.Parents) > 0 {
		commit.Changes, err = s.Changes(ctx, commit.Parents[0])
		return commit, err
	}
	return commit, s.walkFiles(ctx, "", func(path string) {
		commit.Changes = append(commit.Changes, datakit.Change{Path: path, Kind: datakit.Added})
	})
}

// walkFiles calls f for each file of the snapshot.
func (s Snapshot) walkFiles(ctx context.Context, dir string, f func(path string)) error {
	entries, err := s.List(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := strings.TrimPrefix(dir+"/"+e.Name, "/")
		if !e.Mode.IsDir() {
			f(path)
		} else if err := s.walkFiles(ctx, path, f); err != nil {
			return err
		}
	}
	return nil
}

// Diff returns how two commits differ, file by file. A server without query files
// gives the contents, but nothing unified.
func (c *Client) Diff(ctx context.Context, q query.DiffQuestion) ([]datakit.FileDiff, error) {
	var list []datakit.FileDiff
	err := c.ask(ctx, q, &list, "diff")
	if missing(err) {
		return c.readDiff(ctx, q)
	}
	return list, err
}

func (c *Client) readDiff(ctx context.Context, q query.DiffQuestion) ([]datakit.FileDiff, error) {
	to, err := datakit.ParseHash(q.To)
	if err != nil {
		return nil, err
	}
	commit, err := c.walkCommit(ctx, to)
	if err != nil {
		return nil, err
	}
	var from Hash
	if q.From != "" {
		if from, err = datakit.ParseHash(q.From); err == nil {
			commit.Changes, err = c.Snapshot(to).Changes(ctx, from)
		}
		if err != nil {
			return nil, err
		}
	} else if len(commit.Parents) > 0 {
		from = commit.Parents[0]
	}
	list := []datakit.FileDiff{}
	for _, ch := range commit.Changes {
		d := datakit.FileDiff{Path: ch.Path, Kind: ch.Kind}
		if !touches(datakit.Commit{Changes: []datakit.Change{ch}}, q.Path) {
			continue
		}
		if ch.Kind != datakit.Added {
			if d.Old, err = c.Snapshot(from).text(ctx, ch.Path, &d.Binary); err != nil {
				return nil, err
			}
		}
		if ch.Kind != datakit.Removed {
			if d.New, err = c.Snapshot(to).text(ctx, ch.Path, &d.Binary); err != nil {
				return nil, err
			}
		}
		list = append(list, d)
	}
	return list, nil
}

func (s Snapshot) text(ctx context.Context, path string, binary *bool) (string, error) {
	b, err := s.Read(ctx, path)
	if slices.Contains(b, 0) {
		*binary = true
		return "", nil
	}
	return string(b), err
}

// Tree returns the entries of a directory of a commit, with their hashes.
func (c *Client) Tree(ctx context.Context, p query.Place) ([]query.TreeEntry, error) {
	var list []query.TreeEntry
	return list, c.ask(ctx, p, &list, "tree")
}

// File returns what there is to show of a file of a commit.
func (c *Client) File(ctx context.Context, p query.Place) (query.Content, error) {
	var content query.Content
	return content, c.ask(ctx, p, &content, "file")
}

// Transactions returns the open transactions of all clients, oldest first.
func (c *Client) Transactions(ctx context.Context) ([]query.Transaction, error) {
	var list []query.Transaction
	return list, c.ask(ctx, nil, &list, "transactions")
}

// Conflict returns the versions of a file that is in conflict.
func (c *Client) Conflict(ctx context.Context, q query.ConflictQuestion) (query.Sides, error) {
	var sides query.Sides
	return sides, c.ask(ctx, q, &sides, "conflict")
}

// Watchers returns who waits for news, oldest first.
func (c *Client) Watchers(ctx context.Context) ([]query.Watcher, error) {
	var list []query.Watcher
	return list, c.ask(ctx, nil, &list, "watchers")
}

// Stats returns the counters of the server and its store.
func (c *Client) Stats(ctx context.Context) (query.Stats, error) {
	var stats query.Stats
	return stats, c.ask(ctx, nil, &stats, "stats")
}

// Restore makes the files of a branch what they were at a commit, as one new
// commit, which it returns. message may be "".
func (c *Client) Restore(ctx context.Context, branch string, commit Hash, message string) (Hash, error) {
	line := fmt.Sprintf("restore %s %s", branch, commit)
	if message = strings.Join(strings.Fields(message), " "); message != "" {
		line += " " + message
	}
	return c.order(ctx, "restore", branch, line)
}

// RestorePath is Restore of one file or directory.
func (c *Client) RestorePath(ctx context.Context, branch string, commit Hash, path string) (Hash, error) {
	return c.order(ctx, "restore", branch, fmt.Sprintf("restore-path %s %s %s", branch, commit, path))
}

// Revert undoes one commit by a new one, which it returns.
func (c *Client) Revert(ctx context.Context, branch string, commit Hash) (Hash, error) {
	return c.order(ctx, "revert", branch, fmt.Sprintf("revert %s %s", branch, commit))
}

// CloseTransaction gives up a transaction, whoever has it open.
func (c *Client) CloseTransaction(ctx context.Context, branch, name string) error {
	_, err := c.command(ctx, fmt.Sprintf("close %s %s", branch, name), "ctl")
	return wrap("close transaction", branch+"/"+name, err)
}

// order writes to the ctl file of the root, and returns the commit that came of it.
func (c *Client) order(ctx context.Context, op, branch, line string) (Hash, error) {
	answer, err := c.command(ctx, line, "ctl")
	if err != nil {
		return Hash{}, conflict(wrap(op, branch, err))
	}
	return c.made(ctx, branch, answer)
}

// made is the commit that a command answered with; the head, if it says nothing.
func (c *Client) made(ctx context.Context, branch string, answer []byte) (Hash, error) {
	if h, err := datakit.ParseHash(strings.TrimSpace(string(answer))); err == nil {
		return h, nil
	}
	return c.Head(ctx, branch)
}

// conflict makes a *ConflictError of a refusal that names paths.
func conflict(err error) error {
	if paths, ok := conflictsOf(err); ok {
		return &ConflictError{Paths: paths}
	}
	return err
}
