package tree

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

var rootFiles = []string{"branch", "commits", "ctl", "debug", "query", "remotes", "snapshots", "trees"}

// root is DataKit's root.
func (v *view) root() ninep.Node {
	return v.fixed("", rootFiles, func(name string) ninep.Node {
		switch name {
		case "branch":
			return v.branches()
		case "commits":
			return v.commits()
		case "ctl":
			return v.command("ctl", v.control)
		case "debug":
			return v.debug()
		case "query":
			return v.queries()
		case "remotes":
			return v.remotes()
		case "snapshots":
			return v.snapshots()
		case "trees":
			return v.objects()
		}
		return nil
	})
}

// commits is the directory commits/: each commit as JSON.
func (v *view) commits() ninep.Node {
	return v.hidden("commits", func(_ context.Context, name string) (ninep.Node, error) {
		c, err := v.commitNamed(name)
		if err != nil {
			return nil, err
		}
		return v.text("commits/"+c.Hash.String(), func(context.Context) ([]byte, error) {
			b, err := json.MarshalIndent(c, "", "  ")
			return append(b, '\n'), err
		}), nil
	})
}

func (v *view) commitNamed(name string) (datakit.Commit, error) {
	h, err := parseHash(name)
	if err != nil {
		return datakit.Commit{}, err
	}
	return v.s.store.Commit(h)
}

var snapshotFiles = []string{"author", "date", "diff", "hash", "msg", "parents", "ro"}

// snapshots is the directory snapshots/: each commit as a directory.
func (v *view) snapshots() ninep.Node {
	return v.hidden("snapshots", func(_ context.Context, name string) (ninep.Node, error) {
		c, err := v.commitNamed(name)
		if err != nil {
			return nil, err
		}
		dir := "snapshots/" + c.Hash.String()
		return v.fixed(dir, snapshotFiles, func(name string) ninep.Node { return v.snapshotFile(dir+"/"+name, c, name) }), nil
	})
}

func (v *view) snapshotFile(path string, c datakit.Commit, name string) ninep.Node {
	says := func(text string) ninep.Node {
		return v.text(path, func(context.Context) ([]byte, error) { return []byte(text), nil })
	}
	switch name {
	case "ro":
		return (&readTree{v, path, func() (datakit.Snapshot, error) { return v.s.store.Snapshot(c.Hash) }}).root()
	case "hash":
		return says(c.Hash.String() + "\n")
	case "msg":
		return says(c.Message + "\n")
	case "author":
		return says(fmt.Sprintf("%s <%s>\n", c.Author, c.Email))
	case "date":
		return says(c.Time.Format(time.RFC3339) + "\n")
	case "parents":
		var lines string
		for _, p := range c.Parents {
			lines += p.String() + "\n"
		}
		return says(lines)
	case "diff":
		return v.diffs(path, func(ctx context.Context, from datakit.Hash) ([]datakit.Change, error) {
			return v.s.store.Changes(ctx, from, c.Hash)
		})
	}
	return nil
}
