package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

var (
	host  = Host{CPUs: 8, MemoryMiB: 16384, Home: "/home/ann"}
	alice = datakit.Author{Name: "Alice", Email: "alice@example.org"}
)

func openTest(t *testing.T, h Host) (*Service, *datakit.Store) {
	t.Helper()
	store, err := datakit.Open(t.Context(), filepath.Join(t.TempDir(), "data.git"), datakit.Options{
		DefaultBranch: Branch,
		Validate:      map[string]func(datakit.Snapshot) error{Branch: Validator(h)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(store, h)
	if err != nil {
		t.Fatal(err)
	}
	return s, store
}

func set(t *testing.T, s *Service, changes map[string]string) datakit.Commit {
	t.Helper()
	c, err := s.Set(t.Context(), changes, "", alice)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func git(t *testing.T, dir string, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Bob", "GIT_AUTHOR_EMAIL=b@example.org", "GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=b@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// gitSet replaces the whole tree of the branch by one file under vm/, as
// somebody with git may.
func gitSet(t *testing.T, dir, name, content string) {
	t.Helper()
	blob := git(t, dir, content, "hash-object", "-w", "--stdin")
	vm := git(t, dir, "100644 blob "+blob+"\t"+name+"\n", "mktree")
	root := git(t, dir, "040000 tree "+vm+"\tvm\n", "mktree")
	commit := git(t, dir, "", "commit-tree", root, "-m", "by hand", "-p", Branch)
	git(t, dir, "", "update-ref", "refs/heads/"+Branch, commit)
}

func TestDefaults(t *testing.T) {
	for _, test := range []struct {
		host                     Host
		cpus, memory, disk, mine int
		folders                  string
	}{
		{host, 2, 4096, 64, 8, "[{/home/ann false}]"},
		{Host{CPUs: 1, MemoryMiB: 2048, Home: "/root"}, 1, 1024, 64, 1, "[{/root false}]"},
		{Host{CPUs: 4, MemoryMiB: 7000, Home: "/", DiskGiB: func() int { return 100 }}, 2, 1750, 100, 4, "[]"},
		{Host{}, 1, 512, 64, 1, "[]"},
	} {
		v, err := Decode(test.host, func(string) ([]byte, bool, error) { return nil, false, nil })
		if err != nil {
			t.Errorf("%+v: %v", test.host, err)
			continue
		}
		if v.VMCPUs != test.cpus || v.VMMemoryMiB != test.memory || v.VMDiskGiB != test.disk || fmt.Sprint(v.ShareFolders) != test.folders {
			t.Errorf("%+v: %+v", test.host, v)
		}
		if v.VMAccelerator != "auto" || v.NetPublish != "localhost" || v.NetMetadata != "blocked" || v.DockerContext != "slipway" ||
			!v.CaptureOn || v.CaptureMemoryMiB != 64 || !v.AppKeepRunning || !v.AppAutostart || v.NetMTU != 65520 {
			t.Errorf("%+v: %+v", test.host, v)
		}
	}
	if _, err := json.Marshal(Schema(host)); err != nil {
		t.Error(err)
	}
}

func TestValues(t *testing.T) {
	good := map[string][]string{
		"vm/cpus":          {"1", "8"},
		"vm/memory":        {"512", "16384"},
		"vm/disk":          {"8", "2048"},
		"vm/accelerator":   {"auto", "kvm", "hvf", "whpx", "tcg"},
		"share/folders":    {"none", "/home/ann/work", "/srv/data ro\n/home/ann", " /a b/c \r\n\n/d\n"},
		"net/forwards":     {"none", "tcp 127.0.0.1:8080 -> web:80", "udp [::1]:53 -> 10.0.0.2:53\ntcp 0.0.0.0:53 -> [fd00::2]:53"},
		"net/publish":      {"localhost", "as-asked"},
		"net/subnet":       {"10.1.0.0/16", "172.31.9.0/24", "192.168.1.8/29"},
		"net/mtu":          {"1500", "65520"},
		"net/dns/servers":  {"none", "9.9.9.9", "9.9.9.9:5353\n2620:fe::fe\n[2620:fe::9]:53"},
		"net/dns/hosts":    {"10.1.2.3 db.example", "10.1.2.3 DB.example.\nfd00::1 db.example"},
		"net/metadata":     {"blocked", "allowed"},
		"docker/context":   {"slipway-2", "a"},
		"capture/mode":     {"on", "off"},
		"capture/memory":   {"8", "1024"},
		"capture/snaplen":  {"0", "128"},
		"app/keep-running": {"true", "false"},
		"app/autostart":    {"true", "false"},
	}
	bad := map[string][]string{
		"vm/cpus":          {"0", "9", "two", "2.5", "+2", "02", "0x2", "99999999999999999999", "-1"},
		"vm/memory":        {"511", "16385", "2G"},
		"vm/disk":          {"7", "2049"},
		"vm/accelerator":   {"KVM", "xen"},
		"share/folders":    {"work", "/", "/..", "/a\n/a/", "/a\n/a ro", "/a\x00b", "/a\xffb", strings.Repeat("/x\n", 40), "~/work"},
		"net/forwards":     {"8080", "tcp 8080 -> web:80", "sctp 127.0.0.1:1 -> a:1", "tcp 127.0.0.1:0 -> a:1", "tcp 127.0.0.1:1 -> a:0", "tcp 127.0.0.1:1 -> a", "tcp 127.0.0.1:1 -> :1", "tcp 127.0.0.1:1 -> a:65536", "tcp 127.0.0.1:1 -> [x]:1", "tcp 127.0.0.1:1 -> a/b:1", "tcp localhost:1 -> a:1", "tcp 127.0.0.1:1 -> a:1\ntcp 127.0.0.1:1 -> b:2"},
		"net/publish":      {"all"},
		"net/subnet":       {"10.1.2.3/16", "8.8.8.0/24", "10.0.0.0/8", "10.0.0.0/30", "fd00::/64", "10.0.0.0"},
		"net/mtu":          {"1279", "65521"},
		"net/dns/servers":  {"dns.example", "9.9.9.9:0", "0.0.0.0", "fe80::1%eth0"},
		"net/dns/hosts":    {"10.1.2.3", "db 10.1.2.3", "10.1.2.3 -db", "10.1.2.3 a b", "10.1.2.3 db\n10.1.2.4 db"},
		"net/metadata":     {"yes"},
		"docker/context":   {"default ", "a b", "-a", "../x"},
		"capture/mode":     {"true"},
		"capture/memory":   {"7", "1025"},
		"capture/snaplen":  {"-1", "65536"},
		"app/keep-running": {"yes", "1"},
		"app/autostart":    {"TRUE"},
	}
	for _, f := range Schema(host) {
		if len(good[f.Key]) == 0 || len(bad[f.Key]) == 0 {
			t.Errorf("%s has no cases here", f.Key)
		}
		if f.Title == "" || f.Help == "" || f.Applies == "" {
			t.Errorf("%s is not described", f.Key)
		}
		for _, text := range good[f.Key] {
			var v Values
			out, err := checkText(&v, f, text)
			if err != nil {
				t.Errorf("%s %q: %v", f.Key, text, err)
				continue
			}
			if again, err := checkText(&Values{}, f, out+"\n"); err != nil || again != out {
				t.Errorf("%s %q: canonical %q becomes %q %v", f.Key, text, out, again, err)
			}
		}
		for _, text := range bad[f.Key] {
			_, err := checkText(&Values{}, f, text)
			var problem *Error
			if !errors.As(err, &problem) || problem.Key != f.Key || problem.Message == "" || problem.Hint == "" {
				t.Errorf("%s %q: %v", f.Key, text, err)
			}
		}
	}
}

func TestForwardText(t *testing.T) {
	for _, line := range []string{"tcp 127.0.0.1:8080 -> web:80", "udp [::1]:53 -> [fd00::2]:53", "tcp 0.0.0.0:1 -> 10.0.0.2:65535"} {
		f, err := ParseForward(line)
		if err != nil || f.String() != line {
			t.Errorf("%s becomes %s, %v", line, f, err)
		}
	}
	var problem *Error
	if _, err := ParseForward("tcp 8080"); !errors.As(err, &problem) || problem.Key != "net/forwards" {
		t.Errorf("error %v", err)
	}
}

func TestSetHistoryRevert(t *testing.T) {
	s, store := openTest(t, host)
	ctx := t.Context()
	if log, err := s.Log(ctx, 0, ""); err != nil || len(log) != 0 {
		t.Fatalf("log of nothing: %v %v", log, err)
	}
	c1 := set(t, s, map[string]string{"vm/memory": "2048"})
	c2 := set(t, s, map[string]string{"vm/memory": " 4096\n", "net/dns/servers": "9.9.9.9\n1.1.1.1"})
	c3 := set(t, s, map[string]string{"vm/cpus": "4"})
	if v := s.Values(); v.VMMemoryMiB != 4096 || v.VMCPUs != 4 || len(v.NetDNSServers) != 2 || v.NetDNSServers[0].String() != "9.9.9.9:53" {
		t.Errorf("values %+v", v)
	}
	for c, want := range map[string]string{
		c1.Message: "set vm/memory to 2048",
		c2.Message: "change 2 settings\n\nset net/dns/servers to 2 lines\nset vm/memory to 4096",
		c3.Message: "set vm/cpus to 4",
	} {
		if c != want {
			t.Errorf("message %q, want %q", c, want)
		}
	}

	// git reads it while it is open.
	settle(t, store)
	if got, want := git(t, store.Path(), "", "log", "--format=%an %s"), "Alice set vm/cpus to 4\nAlice change 2 settings\nAlice set vm/memory to 2048"; got != want {
		t.Errorf("git log:\n%s", got)
	}
	if got := git(t, store.Path(), "", "show", Branch+":vm/memory"); got != "4096" {
		t.Errorf("git show: %q", got)
	}
	if got := git(t, store.Path(), "", "fsck", "--full", "--strict"); got != "" {
		t.Errorf("git fsck: %s", got)
	}

	diffs, err := s.Diff(ctx, c1.Hash, c3.Hash)
	if err != nil || len(diffs) != 3 || !strings.Contains(diffs[2].Unified, "-2048\n+4096\n") {
		t.Errorf("diff %+v %v", diffs, err)
	}
	log, err := s.Log(ctx, 0, "vm/memory")
	if err != nil || len(log) != 2 || log[0].Hash != c2.Hash {
		t.Errorf("log %v %v", log, err)
	}

	r, err := s.Revert(ctx, c2.Hash, alice)
	if err != nil {
		t.Fatal(err)
	}
	if v := s.Values(); v.VMMemoryMiB != 2048 || v.VMCPUs != 4 || v.NetDNSServers == nil || len(v.NetDNSServers) != 0 {
		t.Errorf("after revert %+v", v)
	}
	set(t, s, map[string]string{"vm/cpus": "6"})
	var problem *Error
	if _, err := s.Revert(ctx, c3.Hash, alice); !errors.As(err, &problem) || problem.Key != "vm/cpus" || problem.Hint == "" {
		t.Errorf("revert of something changed since: %v", err)
	}
	if _, err := s.Restore(ctx, c2.Hash, alice); err != nil {
		t.Fatal(err)
	}
	if v := s.Values(); v.VMMemoryMiB != 4096 || v.VMCPUs != 2 {
		t.Errorf("after restore %+v", v)
	}
	if got, err := s.Resolve(ctx, r.Hash.Short()); err != nil || got != r.Hash {
		t.Errorf("resolve %s %v", got, err)
	}
}

func TestList(t *testing.T) {
	s, _ := openTest(t, host)
	ctx := t.Context()
	c1 := set(t, s, map[string]string{"vm/cpus": "4", "vm/memory": "2048"})
	get := func(key string) Setting {
		t.Helper()
		x, err := s.Get(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if x := get("vm/cpus"); x.Value != "4" || x.IsDefault || x.Commit != c1.Hash || x.ChangedBy != "Alice" || x.ChangedAt.IsZero() {
		t.Errorf("%+v", x)
	}
	if x := get("net/mtu"); x.Value != "65520" || !x.IsDefault || !x.ChangedAt.IsZero() {
		t.Errorf("%+v", x)
	}
	c2, err := s.Unset(ctx, []string{"vm/cpus"}, "", alice)
	if err != nil || c2.Message != "reset vm/cpus to its default" {
		t.Fatalf("%q %v", c2.Message, err)
	}
	if x := get("vm/cpus"); x.Value != "2" || !x.IsDefault || x.Commit != c2.Hash {
		t.Errorf("after reset %+v", x)
	}
	if x := get("vm/memory"); x.Commit != c1.Hash {
		t.Errorf("the older change is forgotten: %+v", x)
	}
	if _, err := s.Set(ctx, map[string]string{"vm/cpus": "default"}, "", alice); !errors.Is(err, datakit.ErrNoChange) {
		t.Errorf("second reset: %v", err)
	}
	var problem *Error
	if _, err := s.Get(ctx, "vm/cpu"); !errors.As(err, &problem) || !strings.Contains(problem.Hint, "vm/cpus") {
		t.Errorf("unknown: %v", err)
	}
}

func TestInvalidIsRefused(t *testing.T) {
	s, store := openTest(t, host)
	ctx := t.Context()
	c := set(t, s, map[string]string{"vm/cpus": "4"})
	_, err := s.Set(ctx, map[string]string{"vm/cpus": "400", "vm/memory": "8000", "vm/memroy": "1", "net/mtu": "big"}, "", alice)
	var all Errors
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("errors %v", err)
	}
	if got, want := all.Error(), `net/mtu: "big" is not a whole number (write a whole number from 1500 to 65520 bytes)
vm/cpus: 400 is out of range (write a whole number from 1 to 8)
"vm/memroy": there is no such setting (did you mean vm/memory?)`; got != want {
		t.Errorf("got\n%s", got)
	}
	if head, err := store.Head(Branch); err != nil || head != c.Hash || s.Values().VMMemoryMiB != 4096 {
		t.Error("a refused change changed something")
	}
	// The store refuses what does not come through Set as well.
	tx, err := store.Begin(ctx, Branch)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for path, content := range map[string]string{"vm/cpu": "2", "vm/cpus": "no", "net/mtu": "1"} {
		if err := tx.Write(path, []byte(content), datakit.ModeFile); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Commit(ctx, datakit.Message{}); !errors.As(err, &all) || len(all) != 3 {
		t.Errorf("commit: %v", err)
	}
	if err := tx.Remove("vm/cpu"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tx.Remove("vm/cpus"), tx.Remove("net/mtu"), tx.Write("vm/cpus", []byte("/etc/passwd"), datakit.ModeSymlink)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx, datakit.Message{}); err == nil {
		t.Error("a symbolic link is not a setting")
	}
}

func TestNearest(t *testing.T) {
	schema := Schema(host)
	for key, want := range map[string]string{
		"vm/cpu": "vm/cpus", "cpus": "vm/cpus", "vm.memory": "vm/memory", "mtu": "net/mtu", "net/dns/server": "net/dns/servers",
		"app/keep_running": "app/keep-running", "xyzzy": "", strings.Repeat("vm/cpus", 100): "", "": "",
	} {
		if got := nearest(schema, key); got != want {
			t.Errorf("nearest to %.20q: %q, want %q", key, got, want)
		}
	}
}

func TestDiskOnlyGrows(t *testing.T) {
	size := 0
	s, _ := openTest(t, Host{CPUs: 8, MemoryMiB: 16384, Home: "/home/ann", DiskGiB: func() int { return size }})
	set(t, s, map[string]string{"vm/disk": "100"})
	set(t, s, map[string]string{"vm/disk": "80"}) // no disk yet
	size = 80
	_, err := s.Set(t.Context(), map[string]string{"vm/disk": "79"}, "", alice)
	if err == nil || !strings.Contains(err.Error(), "has 80 GiB already and cannot shrink") {
		t.Errorf("shrink: %v", err)
	}
	if _, err := s.Unset(t.Context(), []string{"vm/disk"}, "", alice); err != nil {
		t.Fatal(err)
	}
	if x, err := s.Get(t.Context(), "vm/disk"); err != nil || x.Value != "80" {
		t.Errorf("default of a grown disk: %+v %v", x, err)
	}
}

// settle waits until git sees what was acknowledged.
func settle(t *testing.T, store *datakit.Store) {
	t.Helper()
	if err := store.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestExternalInvalidTree(t *testing.T) {
	s, store := openTest(t, host)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := s.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if v := <-watch; v.VMCPUs != 2 {
		t.Errorf("first %+v", v)
	}
	set(t, s, map[string]string{"vm/cpus": "4", "vm/memory": "2048"})
	if v := <-watch; v.VMCPUs != 4 {
		t.Errorf("second %+v", v)
	}

	settle(t, store)
	gitSet(t, store.Path(), "cpus", "400")
	if v := <-watch; v.VMCPUs != 4 || v.VMMemoryMiB != 2048 {
		t.Errorf("after an invalid commit %+v", v)
	}
	var problem *Error
	if err := s.Problem(); !errors.As(err, &problem) || problem.Key != "vm/cpus" {
		t.Errorf("problem %v", err)
	}
	if v := s.Values(); v.VMCPUs != 4 || v.VMMemoryMiB != 2048 {
		t.Errorf("values %+v", v)
	}
	// A fresh start finds the last valid settings too.
	again, err := Open(store, host)
	if err != nil {
		t.Fatal(err)
	}
	if v := again.Values(); v.VMCPUs != 4 || again.Problem() == nil {
		t.Errorf("reopened: %+v %v", v, again.Problem())
	}
	// Other changes are refused until it is repaired, with the reason.
	if _, err := s.Set(ctx, map[string]string{"net/mtu": "1500"}, "", alice); !errors.As(err, &problem) || problem.Key != "vm/cpus" {
		t.Errorf("set on an invalid tree: %v", err)
	}
	set(t, s, map[string]string{"vm/cpus": "3"})
	if v := <-watch; v.VMCPUs != 3 || v.VMMemoryMiB != 4096 || s.Problem() != nil {
		t.Errorf("repaired: %+v %v", v, s.Problem())
	}
	gitSet(t, store.Path(), "memory", "1024")
	if v := <-watch; v.VMCPUs != 2 || v.VMMemoryMiB != 1024 {
		t.Errorf("a valid external commit: %+v", v)
	}
	cancel()
	for range watch {
	}
}

func TestConcurrentSets(t *testing.T) {
	s, store := openTest(t, host)
	keys := []string{"vm/cpus", "capture/memory", "net/mtu", "capture/snaplen"}
	var all sync.WaitGroup
	for i, key := range append(keys, "vm/cpus") { // two for one key
		all.Go(func() {
			for n := range 3 {
				value := fmt.Sprint(map[string]int{"vm/cpus": 1 + n + i/2, "capture/memory": 8 + n, "net/mtu": 1500 + n, "capture/snaplen": 1 + n}[key])
				if _, err := s.Set(t.Context(), map[string]string{key: value}, "", alice); err != nil && !errors.Is(err, datakit.ErrNoChange) {
					t.Errorf("set %s: %v", key, err)
				}
				s.Values()
			}
		})
	}
	all.Go(func() {
		for range 3 {
			// log reads only what the branch leads to. fsck lists the objects first
			// and the branches later, so beside a writer it may miss new commits.
			git(t, store.Path(), "", "log", "--all", "--stat")
			if _, err := s.List(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	git(t, store.Path(), "", "fsck", "--full")
	v := s.Values()
	if v.CaptureMemoryMiB != 10 || v.NetMTU != 1502 || v.CaptureSnapLen != 3 || (v.VMCPUs != 3 && v.VMCPUs != 5) {
		t.Errorf("values %+v", v)
	}
}

func FuzzDecode(f *testing.F) {
	schema := Schema(host)
	for i, x := range schema {
		f.Add(i, x.Default)
	}
	f.Add(5, "tcp 127.0.0.1:8080 -> web:80")
	f.Add(7, "10.0.0.0/16")
	f.Fuzz(func(t *testing.T, i int, text string) {
		x := schema[uint(i)%uint(len(schema))]
		var v Values
		out, err := checkText(&v, x, text)
		if err != nil {
			var problem *Error
			if !errors.As(err, &problem) || problem.Key == "" || problem.Hint == "" {
				t.Fatalf("%s %q: %v", x.Key, text, err)
			}
			return
		}
		again, err := checkText(&Values{}, x, out)
		if err != nil || again != out {
			t.Fatalf("%s: %q becomes %q, then %q %v", x.Key, text, out, again, err)
		}
		if _, err := json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	})
}
