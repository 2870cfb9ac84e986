package tree

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// TestOlderDialects goes through a transaction in each dialect, and reads errors
// where the older ones have them: as texts.
func TestOlderDialects(t *testing.T) {
	for _, d := range []ninep.Dialect{ninep.Dialect9P2000L, ninep.Dialect9P2000U, ninep.Dialect9P2000} {
		t.Run(d.String(), func(t *testing.T) {
			w := newWorld(t, Options{})
			client, server := net.Pipe()
			u := w.connectIn(d, client, server, stranger, "plain")
			w.plain().put("main", "sub/f", "0123456789", "g", "1")
			x := u.begin("main", "t")
			refused := func(err error, number ninep.Errno, text string) {
				t.Helper()
				var remote *ninep.RemoteError
				if d == ninep.Dialect9P2000L {
					wantErrno(t, err, number)
				} else if !errors.As(err, &remote) || remote.Text != text {
					t.Errorf("got error %v, want the text %q", err, text)
				}
			}
			refused(errOf(u.tell(x.dir+"/ctl", "dance")), ninep.EINVAL, `Unknown command "dance"`)
			refused(u.Mkdir(u.ctx, x.dir, 0o775), ninep.EEXIST, "Already exists")
			refused(errOf(u.Open(u.ctx, "branch/main/ro/g", ninep.WriteOnly)), ninep.EROFS, "Read-only file")
			refused(errOf(u.Open(u.ctx, "branch/main/head", ninep.WriteOnly)), ninep.EROFS, "Read-only file")
			refused(u.Mkdir(u.ctx, "branch/main/ro/x", 0o775), ninep.EROFS, "Directory is read-only")

			equal(t, "old content", u.cat(x.rw("sub/f")), "0123456789")
			u.must(u.set(x.rw("sub/f"), ninep.SetAttr{Valid: ninep.SetSize, Size: 4}))
			u.must(u.mv(x.rw("sub/f"), x.rw("sub/h")))
			u.must(u.set(x.rw("g"), ninep.SetAttr{Valid: ninep.SetMode, Mode: 0o755}))
			u.mkdir(x.rw("new"))
			u.write(x.rw("new/file"), "text")
			u.write(x.dir+"/msg", "in another language")
			equalList(t, "rw", u.ls(x.rw("")), "g", "new", "sub")
			live := u.follow("branch/main/watch/new.node/tree.live")
			equal(t, "absent", live.next(), "\n")
			hash := x.commit()
			if line := live.next(); !strings.HasPrefix(line, "D-") {
				t.Errorf("watch: %q", line)
			}
			live.close()
			equal(t, "message", u.cat("snapshots/"+hash+"/msg"), "in another language\n")
			equal(t, "moved and cut", u.cat("branch/main/ro/sub/h"), "0123")
			st, err := u.Stat(u.ctx, "branch/main/ro/g")
			u.must(err)
			equal(t, "mode", st.Mode.Perm(), 0o775)
		})
	}
}

// TestRun lets transactions run out by the clock.
func TestRun(t *testing.T) {
	w := newWorld(t, Options{Idle: 50 * time.Millisecond})
	u := w.plain()
	news := w.s.Changed(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- w.s.Run(t.Context()) }()
	t.Cleanup(func() { // the context of the test has ended by then
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	u.begin("main", "t")
	limit := time.After(patience)
	for len(w.s.open("")) > 0 {
		select {
		case <-news:
		case <-limit:
			t.Fatal("the transaction is still open")
		}
	}
	equal(t, "expired", w.s.stats().Expired, 1)
}

func TestManyReflogs(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	u.mkdir("branch/main")
	for range maxReflogs {
		u.follow("branch/main/reflog")
	}
	wantErrno(t, errOf(u.Open(u.ctx, "branch/main/reflog", ninep.ReadOnly)), ninep.ENFILE)
	other := w.plain() // another client has its own
	other.mkdir("branch/main")
	other.follow("branch/main/reflog")
}
