package tree

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Branch names have slashes, file names have not.
var escapeBranch = strings.NewReplacer("%", "%25", "/", "%2F")

// unescapeBranch is the opposite, false for what escapeBranch never makes.
func unescapeBranch(name string) (string, bool) {
	branch := strings.NewReplacer("%2F", "/", "%25", "%").Replace(name)
	return branch, escapeBranch.Replace(branch) == name
}

// branches is the directory branch/.
func (v *view) branches() *dir {
	return &dir{
		at:     at{v, "branch", dirMode},
		list:   v.listBranches,
		find:   v.findBranch,
		mkdir:  v.makeBranch,
		unlink: v.removeBranch,
		rename: v.renameBranch,
		create: errOnlyDirs,
	}
}

func (v *view) listBranches(context.Context) ([]string, error) {
	names, err := v.visibleBranches()
	for i, name := range names {
		names[i] = escapeBranch.Replace(name)
	}
	return names, err
}

// visibleBranches returns the branches that have a commit, those with an open
// transaction and those that this connection made, sorted.
func (v *view) visibleBranches() ([]string, error) {
	heads, err := v.s.store.Branches()
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, b := range heads {
		all[b] = true
	}
	v.x.mu.Lock()
	maps.DeleteFunc(v.x.made, func(b string, _ bool) bool { return all[b] }) // has a commit by now
	maps.Copy(all, v.x.made)
	v.x.mu.Unlock()
	v.s.mu.Lock()
	for b := range v.s.transactions {
		all[b] = true
	}
	v.s.mu.Unlock()
	maps.DeleteFunc(all, func(b string, _ bool) bool { return v.access(b) == None || len(escapeBranch.Replace(b)) > 255 })
	return slices.Sorted(maps.Keys(all)), nil
}

// head is a branch's newest commit, zero if it has none.
func (s *Server) head(branch string) (datakit.Hash, error) {
	h, err := s.store.Head(branch)
	if errors.Is(err, datakit.ErrNoBranch) {
		return datakit.Hash{}, nil
	}
	return h, err
}

func (v *view) findBranch(_ context.Context, name string) (ninep.Node, error) {
	branch, ok := unescapeBranch(name)
	if !ok {
		return nil, errNotThere
	}
	if err := v.need(branch, Read); err != nil {
		return nil, err
	}
	head, err := v.s.head(branch)
	if err != nil {
		return nil, err
	}
	if head.IsZero() && !v.isMade(branch) {
		return nil, errNotThere
	}
	return v.branch(branch), nil
}

// isMade tells of a branch without a commit whether it is to be seen.
func (v *view) isMade(branch string) bool {
	v.x.mu.Lock()
	made := v.x.made[branch]
	v.x.mu.Unlock()
	return made || len(v.s.open(branch)) > 0
}

// makeBranch makes a name visible to this connection. There is no branch in git
// before its first commit.
func (v *view) makeBranch(_ context.Context, name string) (ninep.Node, error) {
	branch, ok := unescapeBranch(name)
	if !ok {
		return nil, faultf(ninep.EINVAL, "In the name of a branch, write %%2F for a slash and %%25 for a percent sign")
	}
	if err := v.need(branch, Write); err != nil {
		return nil, err
	}
	head, err := v.s.head(branch) // checks the name
	if err != nil {
		return nil, err
	}
	if head.IsZero() {
		v.x.mu.Lock()
		defer v.x.mu.Unlock()
		if len(v.x.made) >= maxEmptyBranches && !v.x.made[branch] {
			return nil, faultf(ninep.ENFILE, "At most %d branches without a commit can be made", maxEmptyBranches)
		}
		v.x.made[branch] = true
	}
	return v.branch(branch), nil
}

// forgetMade takes away the name of a branch without a commit, and tells whether
// there was one.
func (v *view) forgetMade(branch string) bool {
	v.x.mu.Lock()
	defer v.x.mu.Unlock()
	made := v.x.made[branch]
	delete(v.x.made, branch)
	return made
}

func (v *view) removeBranch(ctx context.Context, name string, dir bool) error {
	branch, ok := unescapeBranch(name)
	if !ok {
		return errNotThere
	}
	if !dir {
		return errIsDir
	}
	if err := v.need(branch, Write); err != nil {
		return err
	}
	made := v.forgetMade(branch)
	err := v.s.store.RemoveBranch(ctx, branch)
	if made && errors.Is(err, datakit.ErrNoBranch) {
		return nil
	}
	return err
}

func (v *view) renameBranch(ctx context.Context, from string, to ninep.Node, name string) error {
	if d, ok := to.(*dir); !ok || d.path != "branch" {
		return ninep.EXDEV
	}
	old, ok1 := unescapeBranch(from)
	now, ok2 := unescapeBranch(name)
	if !ok1 {
		return errNotThere
	}
	if !ok2 {
		return errBadName
	}
	if err := errors.Join(v.need(old, Write), v.need(now, Write)); err != nil {
		return err
	}
	err := v.s.store.RenameBranch(ctx, old, now)
	if errors.Is(err, datakit.ErrExist) {
		return errIsDir // as DataKit says
	}
	if err != nil && !errors.Is(err, datakit.ErrNoBranch) {
		return err
	}
	made := v.forgetMade(old)
	if made && err != nil {
		_, err = v.makeBranch(ctx, name)
	}
	return err
}

var branchFiles = []string{"diff", "fast-forward", "head", "head.live", "reflog", "ro", "transactions", "watch"}

// branch is the directory of one branch.
func (v *view) branch(branch string) ninep.Node {
	path := "branch/" + escapeBranch.Replace(branch)
	d := v.fixed(path, branchFiles, nil)
	d.find = func(_ context.Context, name string) (ninep.Node, error) {
		if err := v.need(branch, Read); err != nil {
			return nil, err
		}
		return found(v.branchFile(branch, path, name))
	}
	return d
}

func (v *view) branchFile(branch, dir, name string) ninep.Node {
	path := dir + "/" + name
	switch name {
	case "head":
		return v.text(path, func(context.Context) ([]byte, error) {
			h, err := v.s.head(branch)
			return []byte(hashLine(h) + "\n"), err
		})
	case "head.live":
		return v.watch(path, branch, "head", pointKey{})
	case "reflog":
		return v.reflog(path, branch)
	case "fast-forward":
		return v.command(path, func(ctx context.Context, input string) ([]byte, error) {
			h, err := parseHash(input)
			if err == nil {
				err = v.need(branch, Write)
			}
			if err == nil {
				err = v.s.store.FastForward(ctx, branch, h)
			}
			return nil, err
		})
	case "ro":
		return (&readTree{v, path, func() (datakit.Snapshot, error) {
			h, err := v.s.head(branch)
			if err != nil {
				return datakit.Snapshot{}, err
			}
			return v.s.store.Snapshot(h)
		}}).root()
	case "diff":
		return v.diffs(path, func(ctx context.Context, from datakit.Hash) ([]datakit.Change, error) {
			h, err := v.s.head(branch)
			if err != nil {
				return nil, err
			}
			return v.s.store.Changes(ctx, from, h)
		})
	case "watch":
		return v.watches(path, branch, "")
	case "transactions":
		return v.transactions(path, branch)
	}
	return nil
}

// diffs is a directory diff/: what became of each commit's files.
func (v *view) diffs(path string, changes func(ctx context.Context, from datakit.Hash) ([]datakit.Change, error)) ninep.Node {
	return v.hidden(path, func(_ context.Context, name string) (ninep.Node, error) {
		from, err := parseHash(name)
		if err != nil {
			return nil, err
		}
		if _, err := v.s.store.Snapshot(from); err != nil {
			return nil, err
		}
		return v.text(path+"/"+from.String(), func(ctx context.Context) ([]byte, error) {
			list, err := changes(ctx, from)
			return diffText(list), err
		}), nil
	})
}

// watch is a live file that tells a point of a branch.
func (v *view) watch(path, branch, kind string, key pointKey) *live {
	return &live{at{v, path, fileMode}, func() (feed, error) {
		if err := v.need(branch, Read); err != nil {
			return nil, err
		}
		w := &watcher{branch: branch, path: key.path, kind: kind, session: v.x}
		leave, err := v.s.watching(w)
		if err != nil {
			return nil, err
		}
		p, release, err := v.s.hub.watch(branch, key)
		if err != nil {
			leave()
			return nil, err
		}
		return &pointFeed{point: p, watcher: w, release: func() { release(); leave() }}, nil
	}}
}

// reflog tells every move of a branch from its opening on.
func (v *view) reflog(path, branch string) *live {
	return &live{at{v, path, fileMode}, func() (feed, error) {
		if err := v.need(branch, Read); err != nil {
			return nil, err
		}
		w := &watcher{branch: branch, kind: "reflog", session: v.x}
		leave, err := v.s.watching(w)
		if err != nil {
			return nil, err
		}
		return newQueueFeed(w, leave, func(ctx context.Context) func(send func(string) bool) error {
			moves := v.s.store.Moves(ctx, branch)
			return func(send func(string) bool) error {
				for m, err := range moves {
					if err != nil {
						return err
					}
					if !send(hashLine(m.New)) {
						return nil
					}
				}
				return nil
			}
		}), nil
	}}
}

// watches is the directory watch/, or one of its NAME.node directories. Nodes
// need not exist to be watched; those that do are listed.
func (v *view) watches(path, branch, below string) ninep.Node {
	d := v.hidden(path, func(_ context.Context, name string) (ninep.Node, error) {
		if name == "tree.live" {
			return v.watch(path+"/"+name, branch, "tree", pointKey{tree: true, path: below}), nil
		}
		base, ok := strings.CutSuffix(name, ".node")
		if !ok || base == "" || base == "." || base == ".." {
			return nil, errNotThere
		}
		return v.watches(path+"/"+name, branch, join(below, base)), nil
	})
	d.list = func(context.Context) ([]string, error) {
		names := []string{"tree.live"}
		h, err := v.s.head(branch)
		if err != nil {
			return nil, err
		}
		sn, err := v.s.store.Snapshot(h)
		if err != nil {
			return nil, err
		}
		entries, err := sn.List(below)
		if err != nil && !errors.Is(err, datakit.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if name := e.Name + ".node"; showable(e.Name) && showable(name) {
				names = append(names, name)
			}
		}
		return names, nil
	}
	return d
}
