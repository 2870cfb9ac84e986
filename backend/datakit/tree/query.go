package tree

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// maxContent bounds the text that query/file and query/conflict show of a file.
const maxContent = 256 << 10

const (
	defaultPage = 100
	maxPage     = 1000
)

var queryFiles = []string{"branches", "conflict", "diff", "file", "log", "stats", "transactions", "tree", "watchers"}

// queries is the directory query/: see package query for the questions and answers.
func (v *view) queries() ninep.Node {
	return v.fixed("query", queryFiles, func(name string) ninep.Node {
		ask := map[string]func(context.Context, string) (any, error){
			"branches":     func(context.Context, string) (any, error) { return v.askBranches() },
			"log":          asking(v.askLog),
			"diff":         asking(v.askDiff),
			"tree":         asking(v.askTree),
			"file":         asking(v.askFile),
			"conflict":     asking(v.askConflict),
			"transactions": func(context.Context, string) (any, error) { return v.askTransactions() },
			"watchers":     func(context.Context, string) (any, error) { return v.askWatchers(), nil },
			"stats":        func(context.Context, string) (any, error) { return v.s.stats(), nil },
		}[name]
		if ask == nil {
			return nil
		}
		c := v.command("query/"+name, func(ctx context.Context, input string) ([]byte, error) {
			answer, err := ask(ctx, input)
			if err != nil {
				return nil, err
			}
			b, err := json.Marshal(answer)
			return append(b, '\n'), err
		})
		switch name {
		case "branches", "transactions", "watchers", "stats":
			c.idle = true
		}
		return c
	})
}

// asking reads the question that f answers.
func asking[Q, A any](f func(context.Context, Q) (A, error)) func(context.Context, string) (any, error) {
	return func(ctx context.Context, input string) (any, error) {
		var q Q
		d := json.NewDecoder(strings.NewReader(input))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			return nil, faultf(ninep.EINVAL, "the question is not the JSON that this file takes: %s", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, faultf(ninep.EINVAL, "one question at a time")
		}
		return f(ctx, q)
	}
}

func (v *view) askBranches() ([]query.Branch, error) {
	names, err := v.visibleBranches()
	if err != nil {
		return nil, err
	}
	all := make([]query.Branch, 0, len(names))
	for _, name := range names {
		head, err := v.s.head(name)
		if err != nil {
			return nil, err
		}
		made, err := v.s.summaries.of(head)
		if err != nil {
			return nil, err
		}
		all = append(all, query.Branch{
			Name: name, Head: head, Author: made.author, Time: made.time, Subject: made.subject, Access: v.access(name).String(),
		})
	}
	return all, nil
}

func (v *view) askLog(ctx context.Context, q query.LogQuestion) (query.LogPage, error) {
	page := query.LogPage{Commits: []datakit.Commit{}}
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	q.Limit = min(q.Limit, maxPage)
	var from datakit.Hash
	var err error
	switch {
	case q.From != "":
		if from, err = parseHash(q.From); err != nil {
			return page, err
		}
	case q.Branch == "":
		return page, faultf(ninep.EINVAL, "say which branch, or from which commit")
	default:
		if err := v.need(q.Branch, Read); err != nil {
			return page, err
		}
		if from, err = v.s.head(q.Branch); err != nil || from.IsZero() {
			return page, err
		}
	}
	commits, next, err := v.s.store.Page(ctx, from, q.Path, q.Limit)
	if err != nil {
		return page, err
	}
	page.Commits = append(page.Commits, commits...)
	page.Next = hashLine(next)
	return page, nil
}

func (v *view) askDiff(ctx context.Context, q query.DiffQuestion) ([]datakit.FileDiff, error) {
	to, err := parseHash(q.To)
	if err != nil {
		return nil, err
	}
	var from datakit.Hash
	if q.From != "" {
		if from, err = parseHash(q.From); err != nil {
			return nil, err
		}
	} else {
		c, err := v.s.store.Commit(to)
		if err != nil {
			return nil, err
		}
		if len(c.Parents) > 0 {
			from = c.Parents[0]
		}
	}
	diffs, err := v.s.store.Diff(ctx, from, to)
	if err != nil && !errors.Is(err, datakit.ErrTooLarge) {
		return nil, err
	}
	below := []datakit.FileDiff{}
	for _, d := range diffs {
		if q.Path == "" || d.Path == q.Path || strings.HasPrefix(d.Path, q.Path+"/") {
			below = append(below, d)
		}
	}
	return below, nil
}

func (v *view) place(q query.Place) (datakit.Snapshot, error) {
	h, err := parseHash(q.Commit)
	if err != nil {
		return datakit.Snapshot{}, err
	}
	return v.s.store.Snapshot(h)
}

func (v *view) askTree(_ context.Context, q query.Place) ([]query.TreeEntry, error) {
	sn, err := v.place(q)
	if err != nil {
		return nil, err
	}
	list, err := sn.List(q.Path)
	if err != nil {
		return nil, err
	}
	all := make([]query.TreeEntry, 0, len(list))
	for _, e := range list {
		t := query.TreeEntry{Name: e.Name, Kind: kindWord(e.Mode), Hash: e.Hash}
		if t.Kind == "file" || t.Kind == "exec" || t.Kind == "link" {
			if t.Size, err = sn.Size(join(q.Path, e.Name)); err != nil {
				return nil, err
			}
		}
		all = append(all, t)
	}
	return all, nil
}

func kindWord(m datakit.Mode) string {
	switch {
	case m.IsDir():
		return "dir"
	case m == datakit.ModeFile:
		return "file"
	case m == datakit.ModeExec:
		return "exec"
	case m == datakit.ModeSymlink:
		return "link"
	case m == datakit.ModeSubmodule:
		return "submodule"
	}
	return "odd"
}

func (v *view) askFile(_ context.Context, q query.Place) (query.Content, error) {
	sn, err := v.place(q)
	if err != nil {
		return query.Content{}, err
	}
	c, err := contentAt(sn, q.Path)
	if err == nil && c == nil {
		err = errNotThere
	}
	if err != nil {
		return query.Content{}, err
	}
	return *c, nil
}

// contentAt is the content of a file; nil if there is none.
func contentAt(sn datakit.Snapshot, path string) (*query.Content, error) {
	f, err := sn.Open(path)
	if errors.Is(err, datakit.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // was only read
	return contentOf(f.Size(), f.ReadAt)
}

// contentOf shows the beginning of a file of a size.
func contentOf(size int64, readAt func([]byte, int64) (int, error)) (*query.Content, error) {
	b := make([]byte, min(size, maxContent))
	n, err := readAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b = b[:n]
	c := &query.Content{Size: size, Cut: size > int64(n)}
	if c.Cut { // not in the middle of a character
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b); i++ {
			b = b[:len(b)-1]
		}
	}
	if !utf8.Valid(b) || strings.ContainsRune(string(b), 0) {
		c.Binary = true
	} else {
		c.Text = string(b)
	}
	return c, nil
}

func (v *view) askTransactions() ([]query.Transaction, error) {
	all := []query.Transaction{}
	for _, t := range v.s.open("") {
		if v.access(t.branch) == None {
			continue
		}
		q, err := t.describe()
		if errors.Is(err, errNotThere) { // it ended just now
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

func (v *view) askConflict(_ context.Context, q query.ConflictQuestion) (query.Sides, error) {
	var sides query.Sides
	if err := v.need(q.Branch, Read); err != nil {
		return sides, err
	}
	t := v.s.transaction(q.Branch, q.Transaction)
	if t == nil {
		return sides, errNotThere
	}
	err := t.ongoing(func() error {
		ours, theirs, base, ok := t.tx.MergeSides()
		if !ok {
			return faultf(ninep.ENOENT, "Nothing was merged into this transaction")
		}
		for _, c := range t.tx.Conflicts() {
			if c.Path == q.Path {
				sides.Reason = c.Reason
			}
		}
		var err [4]error
		sides.Ours, err[0] = contentAt(ours, q.Path)
		sides.Theirs, err[1] = contentAt(theirs, q.Path)
		sides.Base, err[2] = contentAt(base, q.Path)
		if e, size, gone := t.tx.Stat(q.Path); gone == nil && !e.Mode.IsDir() {
			sides.Now, err[3] = contentOf(size, func(p []byte, off int64) (int, error) { return t.tx.ReadAt(q.Path, p, off) })
		}
		return errors.Join(err[:]...)
	})
	return sides, err
}

func (v *view) askWatchers() []query.Watcher {
	all := []query.Watcher{}
	for _, w := range v.s.allWatchers() {
		if v.access(w.branch) == None {
			continue
		}
		all = append(all, query.Watcher{
			Branch: w.branch, Path: w.path, Kind: w.kind,
			Owner: w.session.owner(), Began: w.began, Events: w.events.Load(),
		})
	}
	return all
}
