package tree

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// fakeRemotes has remotes whose branches are given.
type fakeRemotes struct {
	mu     sync.Mutex
	urls   map[string]string
	auto   map[string]bool
	heads  map[string]datakit.Hash
	pushed []string
}

func (f *fakeRemotes) List() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.urls)), nil
}

func (f *fakeRemotes) URL(name string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if url, ok := f.urls[name]; ok {
		return url, nil
	}
	return "", fmt.Errorf("remote %s: %w", name, datakit.ErrNotExist)
}

func (f *fakeRemotes) Set(name, url string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(url, "-") {
		return errors.New("a URL does not begin with a dash")
	}
	f.urls[name] = url
	return nil
}

func (f *fakeRemotes) Remove(name string) error {
	if _, err := f.URL(name); err != nil {
		return err
	}
	delete(f.urls, name)
	return nil
}

func (f *fakeRemotes) Rename(from, to string) error {
	url, err := f.URL(from)
	if err != nil {
		return err
	}
	f.urls[to] = url
	return f.Remove(from)
}

func (f *fakeRemotes) Fetch(_ context.Context, _, branch string) (datakit.Hash, error) {
	if h, ok := f.heads[branch]; ok {
		return h, nil
	}
	return datakit.Hash{}, errors.New("no such branch there")
}

func (f *fakeRemotes) Push(_ context.Context, name, branch string, force bool) error {
	f.pushed = append(f.pushed, fmt.Sprintf("%s %s %v", name, branch, force))
	return nil
}

func (f *fakeRemotes) AutoPush(name string) (bool, string, error) { return f.auto[name], "", nil }

func (f *fakeRemotes) SetAutoPush(name string, on bool) error {
	f.auto[name] = on
	return nil
}

func TestRemotes(t *testing.T) {
	f := &fakeRemotes{urls: map[string]string{}, auto: map[string]bool{}, heads: map[string]datakit.Hash{}}
	u := newWorld(t, Options{Remotes: f}).plain()
	hash := u.put("main", "a", "1")
	f.heads["main"], _ = datakit.ParseHash(hash)
	u.mkdir("remotes/origin")
	wantErrno(t, u.Mkdir(u.ctx, "remotes/origin", 0o775), ninep.EEXIST)
	equalList(t, "remote", u.ls("remotes/origin"), "auto-push", "fetch", "head", "push", "status", "url")
	answer, err := u.tell("remotes/origin/fetch", "main")
	wantErrno(t, err, ninep.EINVAL)
	if !strings.HasPrefix(answer, "error: remote url is not defined") {
		t.Errorf("why: %q", answer)
	}
	wantErrno(t, errOf(u.tell("remotes/origin/url", "--upload-pack=x")), ninep.EINVAL)
	u.say("remotes/origin/url", "file:///x\n")
	equal(t, "url", u.cat("remotes/origin/url"), "file:///x\n")
	wantErrno(t, errOf(u.tell("remotes/origin/fetch", " ")), ninep.EINVAL)
	head := u.follow("remotes/origin/head")
	equal(t, "fetched", u.say("remotes/origin/fetch", "main\n"), hash+"\n")
	equal(t, "head", head.next(), hash+"\n")
	head.close()
	answer, err = u.tell("remotes/origin/fetch", "none")
	wantErrno(t, err, ninep.EIO)
	equal(t, "why", answer, "error: cannot fetch origin: no such branch there\n")
	if status := u.cat("remotes/origin/status"); !strings.Contains(status, "fetch of none failed: no such branch there") {
		t.Errorf("status: %q", status)
	}
	u.say("remotes/origin/push", "main")
	u.say("remotes/origin/push", "+main")
	equalList(t, "pushed", f.pushed, "origin main false", "origin main true")
	equal(t, "auto-push", u.cat("remotes/origin/auto-push"), "off\n")
	equal(t, "auto-push", u.say("remotes/origin/auto-push", "on\n"), "on\n")
	wantErrno(t, errOf(u.tell("remotes/origin/auto-push", "maybe")), ninep.EINVAL)
	u.must(u.mv("remotes/origin", "remotes/up"))
	equalList(t, "remotes", u.ls("remotes"), "up")
	u.must(u.rm("remotes/up", true))
	equalList(t, "remotes", u.ls("remotes"))
	u2 := newWorld(t, Options{}).plain()
	wantErrno(t, u2.Mkdir(u2.ctx, "remotes/origin", 0o775), ninep.ENOTSUP)
}
