package tree

import (
	"context"
	"encoding/json"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

func TestServe(t *testing.T) {
	store, err := datakit.OpenMemory(datakit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	path := t.TempDir() + "/socket"
	l, err := Listen(t.Context(), "unix://"+path, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("the socket: %v, %v", st, err)
	}
	if _, err := Listen(t.Context(), "unix://"+path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "answers there already") {
		t.Errorf("a live socket was taken: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- New(store, Options{}).Serve(ctx, l) }()
	c, err := ninep.Dial(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	u := &guest{Client: c, t: t, ctx: t.Context()}
	x := u.begin("main", "t")
	var owner query.Owner
	u.must(json.Unmarshal([]byte(u.cat(x.dir+"/owner")), &owner))
	if owner.UID != os.Getuid() || owner.PID != os.Getpid() || owner.Program == "" || owner.User == "" {
		t.Errorf("owner: %+v", owner)
	}
	hash := x.commit()
	if author := u.cat("snapshots/" + hash + "/author"); !strings.HasPrefix(author, owner.User+" <") {
		t.Errorf("author: %q", author)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	c.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	// The socket of a process that died: nothing listens, and nobody removed it.
	dead := dir + "/dead"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	got, err := Listen(t.Context(), "unix://"+dead, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got.Close()
	if err := os.WriteFile(dir+"/file", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"unix://" + dir + "/file", "unix://", "/x", "udp://x", "tcp://0.0.0.0:0", "tcp://:0", "tcp://[::]:0", "tcp://192.0.2.1:1", "tcp://x", "unix://" + dir + "/none/s"} {
		if l, err := Listen(t.Context(), bad, ListenOptions{}); err == nil {
			t.Errorf("listens at %s", bad)
			l.Close()
		}
	}
	if b, err := os.ReadFile(dir + "/file"); err != nil || string(b) != "mine" {
		t.Errorf("the file that was in the way: %q, %v", b, err)
	}
	tcp, err := Listen(t.Context(), "tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close()
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}
