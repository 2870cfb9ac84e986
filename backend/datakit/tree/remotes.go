package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Remotes are other git repositories that the store fetches from and pushes to.
// What they are called and where they are is theirs to check, and to remember.
type Remotes interface {
	List() ([]string, error)
	URL(name string) (string, error) // datakit.ErrNotExist for an unknown name
	Set(name, url string) error      // makes the remote if there is none
	Remove(name string) error
	Rename(from, to string) error
	Fetch(ctx context.Context, name, branch string) (datakit.Hash, error)
	Push(ctx context.Context, name, branch string, force bool) error
	// AutoPush tells whether branches are pushed as they move, and how the last
	// such push went: "" if there was none.
	AutoPush(name string) (on bool, last string, err error)
	SetAutoPush(name string, on bool) error
}

// remote is what the tree keeps of a remote.
type remote struct {
	fetched *point // the commit fetched last

	mu     sync.Mutex
	states map[string]string // "fetch" and "push": how the last one went
}

const maxRemotes = 1000

// remote returns what is kept of a remote. Without create, nil if there is nothing.
func (s *Server) remote(name string, create bool) (*remote, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.remotes[name]
	if r != nil || !create {
		return r, nil
	}
	if len(s.remotes) >= maxRemotes {
		return nil, faultf(ninep.ENFILE, "At most %d remotes can be made", maxRemotes)
	}
	r = &remote{fetched: newPoint(""), states: map[string]string{}}
	s.remotes[name] = r
	return r, nil
}

func (s *Server) dropRemote(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.remotes[name]
	delete(s.remotes, name)
	if r != nil {
		r.fetched.end()
	}
	return r != nil
}

var errNoRemotes = &fault{ninep.ENOTSUP, "This server keeps no remotes"}

// needRemote asks for access as to a branch that is called remotes/NAME.
func (v *view) needRemote(name string, want Access) error {
	if v.s.opt.Remotes == nil {
		return errNoRemotes
	}
	return v.need("remotes/"+name, want)
}

// remotes is the directory remotes/. A remote that has no URL yet is kept by the
// server only.
func (v *view) remotes() ninep.Node {
	return &dir{
		at:   at{v, "remotes", dirMode},
		list: func(context.Context) ([]string, error) { return v.listRemotes() },
		find: func(_ context.Context, name string) (ninep.Node, error) {
			all, err := v.listRemotes()
			if err != nil {
				return nil, err
			}
			if !slices.Contains(all, name) {
				return nil, errNotThere
			}
			return v.remoteDir(name), nil
		},
		mkdir: func(_ context.Context, name string) (ninep.Node, error) {
			if err := v.needRemote(name, Write); err != nil {
				return nil, err
			}
			if all, err := v.listRemotes(); err != nil || slices.Contains(all, name) {
				return nil, errors.Join(err, errThere)
			}
			if _, err := v.s.remote(name, true); err != nil {
				return nil, err
			}
			return v.remoteDir(name), nil
		},
		unlink: func(_ context.Context, name string, dir bool) error {
			if !dir {
				return errIsDir
			}
			if err := v.needRemote(name, Write); err != nil {
				return err
			}
			err := v.s.opt.Remotes.Remove(name)
			if v.s.dropRemote(name) && errors.Is(err, datakit.ErrNotExist) {
				return nil
			}
			return err
		},
		rename: v.renameRemote,
		create: errOnlyDirs,
	}
}

func (v *view) listRemotes() ([]string, error) {
	if v.s.opt.Remotes == nil {
		return nil, nil
	}
	names, err := v.s.opt.Remotes.List()
	if err != nil {
		return nil, err
	}
	names = slices.Clone(names)
	v.s.mu.Lock()
	for name := range v.s.remotes {
		names = append(names, name)
	}
	v.s.mu.Unlock()
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool { return v.needRemote(name, Read) != nil }), nil
}

func (v *view) renameRemote(_ context.Context, from string, to ninep.Node, name string) error {
	if d, ok := to.(*dir); !ok || d.path != "remotes" {
		return ninep.EXDEV
	}
	if err := errors.Join(v.needRemote(from, Write), v.needRemote(name, Write)); err != nil {
		return err
	}
	all, err := v.listRemotes()
	if err != nil {
		return err
	}
	if slices.Contains(all, name) {
		return errThere
	}
	err = v.s.opt.Remotes.Rename(from, name)
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	r := v.s.remotes[from]
	if r != nil && (err == nil || errors.Is(err, datakit.ErrNotExist)) {
		delete(v.s.remotes, from)
		v.s.remotes[name] = r
		return nil
	}
	return err
}

var remoteFiles = []string{"auto-push", "fetch", "head", "push", "status", "url"}

func (v *view) remoteDir(name string) ninep.Node {
	dir := "remotes/" + name
	return v.fixed(dir, remoteFiles, func(file string) ninep.Node {
		path := dir + "/" + file
		switch file {
		case "url":
			c := v.command(path, func(_ context.Context, input string) ([]byte, error) { return v.remoteURL(name, input) })
			c.idle = true
			return c
		case "auto-push":
			c := v.command(path, func(_ context.Context, input string) ([]byte, error) { return v.remoteAuto(name, input) })
			c.idle = true
			return c
		case "fetch":
			return v.command(path, func(ctx context.Context, input string) ([]byte, error) { return v.remoteFetch(ctx, name, input) })
		case "push":
			return v.command(path, func(ctx context.Context, input string) ([]byte, error) { return v.remotePush(ctx, name, input) })
		case "head":
			return v.remoteHead(path, name)
		case "status":
			return v.text(path, func(context.Context) ([]byte, error) { return v.remoteStatus(name) })
		}
		return nil
	})
}

// url of a remote, "" if it has none yet.
func (v *view) url(name string) (string, error) {
	url, err := v.s.opt.Remotes.URL(name)
	if errors.Is(err, datakit.ErrNotExist) {
		return "", nil
	}
	return url, err
}

func (v *view) remoteURL(name, input string) ([]byte, error) {
	if input = strings.TrimSpace(input); input != "" {
		if err := v.needRemote(name, Write); err != nil {
			return nil, err
		}
		if err := v.s.opt.Remotes.Set(name, input); err != nil {
			return nil, faultf(ninep.EINVAL, "error: %s", err)
		}
	}
	url, err := v.url(name)
	return []byte(url + "\n"), err
}

func (v *view) remoteAuto(name, input string) ([]byte, error) {
	word := strings.TrimSpace(input)
	switch word {
	case "":
	case "on", "off":
		if err := v.needRemote(name, Write); err != nil {
			return nil, err
		}
		if err := v.s.opt.Remotes.SetAutoPush(name, word == "on"); err != nil {
			return nil, faultf(ninep.EINVAL, "error: %s", err)
		}
	default:
		return nil, faultf(ninep.EINVAL, "Unknown word %q: want on or off", clip(word))
	}
	on, _, err := v.s.opt.Remotes.AutoPush(name)
	if err != nil && !errors.Is(err, datakit.ErrNotExist) {
		return nil, err
	}
	return []byte(map[bool]string{true: "on\n", false: "off\n"}[on]), nil
}

// transfer runs f and keeps how it went.
func (v *view) transfer(name, what, branch string, f func() error) error {
	if err := v.needRemote(name, Write); err != nil {
		return err
	}
	if url, err := v.url(name); err != nil {
		return err
	} else if url == "" {
		return faultf(ninep.EINVAL, "error: remote url is not defined: write it to remotes/%s/url", name)
	}
	r, err := v.s.remote(name, true)
	if err != nil {
		return err
	}
	err = f()
	state := fmt.Sprintf("%s of %s succeeded", what, branch)
	if err != nil {
		state = fmt.Sprintf("%s of %s failed: %s", what, branch, err)
	}
	r.mu.Lock()
	r.states[what] = time.Now().Format(time.RFC3339) + " " + oneLine(state)
	r.mu.Unlock()
	return err
}

func (v *view) remoteFetch(ctx context.Context, name, input string) ([]byte, error) {
	branch := strings.TrimSpace(input)
	if branch == "" {
		return nil, faultf(ninep.EINVAL, "error: no head to fetch: write the name of a branch")
	}
	var h datakit.Hash
	err := v.transfer(name, "fetch", branch, func() (err error) {
		h, err = v.s.opt.Remotes.Fetch(ctx, name, branch)
		return err
	})
	var refused *fault
	switch {
	case errors.As(err, &refused):
		return nil, err
	case err != nil:
		return nil, faultf(ninep.EIO, "error: cannot fetch %s: %s", name, err)
	}
	if r, _ := v.s.remote(name, false); r != nil {
		r.fetched.set(h.String())
	}
	return []byte(h.String() + "\n"), nil
}

// remotePush pushes a branch; with a "+" before its name even if that loses commits there.
func (v *view) remotePush(ctx context.Context, name, input string) ([]byte, error) {
	branch, force := strings.CutPrefix(strings.TrimSpace(input), "+")
	if err := v.need(branch, Read); err != nil {
		return nil, err
	}
	if head, err := v.s.head(branch); err != nil {
		return nil, err
	} else if head.IsZero() {
		return nil, faultf(ninep.ENOENT, "error: there is no branch %q to push", clip(branch))
	}
	err := v.transfer(name, "push", branch, func() error { return v.s.opt.Remotes.Push(ctx, name, branch, force) })
	var refused *fault
	if err != nil && !errors.As(err, &refused) {
		err = faultf(ninep.EIO, "error: cannot push to %s: %s", name, err)
	}
	return nil, err
}

// remoteHead tells each commit that is fetched, from the latest on.
func (v *view) remoteHead(path, name string) ninep.Node {
	return &live{at{v, path, fileMode}, func() (feed, error) {
		if err := v.needRemote(name, Read); err != nil {
			return nil, err
		}
		r, err := v.s.remote(name, true)
		if err != nil {
			return nil, err
		}
		w := &watcher{branch: "remotes/" + name, kind: "fetch", session: v.x}
		leave, err := v.s.watching(w)
		if err != nil {
			return nil, err
		}
		// As if the empty line had been told: there is nothing before the first fetch.
		return &pointFeed{point: r.fetched, told: true, watcher: w, release: leave}, nil
	}}
}

// remoteStatus is how the last transfers went, one line each.
func (v *view) remoteStatus(name string) ([]byte, error) {
	var out strings.Builder
	if r, _ := v.s.remote(name, false); r != nil {
		r.mu.Lock()
		for _, what := range []string{"fetch", "push"} {
			if state := r.states[what]; state != "" {
				out.WriteString(state + "\n")
			}
		}
		r.mu.Unlock()
	}
	_, last, err := v.s.opt.Remotes.AutoPush(name)
	if err != nil && !errors.Is(err, datakit.ErrNotExist) {
		return nil, err
	}
	if last != "" {
		out.WriteString("auto-push: " + oneLine(last) + "\n")
	}
	return []byte(out.String()), nil
}
