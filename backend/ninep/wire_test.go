package ninep

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// A wire is a client that sends what a test says, right or wrong.
type wire struct {
	t testing.TB
	net.Conn
}

func dialWire(t testing.TB, address string) *wire {
	t.Helper()
	nc, err := net.Dial("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(5 * time.Second))
	return &wire{t, nc}
}

func (w *wire) send(tag uint16, m message) {
	w.t.Helper()
	frame, ok := (&codec{}).appendMessage(nil, tag, m)
	if !ok {
		w.t.Fatalf("cannot encode %+v", m)
	}
	if _, err := w.Write(frame); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) receive() (uint16, message) {
	w.t.Helper()
	var h [headerLen]byte
	if _, err := io.ReadFull(w, h[:]); err != nil {
		w.t.Fatal(err)
	}
	size := int(h[0]) | int(h[1])<<8 | int(h[2])<<16 | int(h[3])<<24
	body := make([]byte, size-headerLen)
	if _, err := io.ReadFull(w, body); err != nil {
		w.t.Fatal(err)
	}
	m, ok := (&codec{}).parseMessage(h[4], body)
	if !ok {
		w.t.Fatalf("bad message of type %d: %x", h[4], body)
	}
	return uint16(h[5]) | uint16(h[6])<<8, m
}

// call sends m and returns its answer; an error number instead if there is one.
func (w *wire) call(m message) (message, Errno) {
	w.t.Helper()
	w.send(1, m)
	tag, answer := w.receive()
	if tag != 1 {
		w.t.Fatalf("answer to tag %d, want 1", tag)
	}
	if e, ok := answer.(*rLerror); ok {
		return nil, Errno(e.errno)
	}
	return answer, 0
}

// begin opens a session with fid 0 at the root.
func (w *wire) begin() {
	w.t.Helper()
	w.send(noTag, &tVersion{MaxMessage, version9P2000L})
	if _, m := w.receive(); m.(*rVersion).version != version9P2000L {
		w.t.Fatalf("version: %+v", m)
	}
	if _, e := w.call(&tAttach{fid: 0, afid: noFid}); e != 0 {
		w.t.Fatal("attach:", e)
	}
}

// open makes fid an open file of the root.
func (w *wire) open(fid uint32, name string) {
	w.t.Helper()
	if _, e := w.call(&tWalk{0, fid, []string{name}}); e != 0 {
		w.t.Fatal("walk:", e)
	}
	if _, e := w.call(&tLopen{fid, uint32(ReadWrite)}); e != 0 {
		w.t.Fatal("open:", e)
	}
}

func TestVersions(t *testing.T) {
	address := serveMem(t, newMemTree(), Limits{})
	for _, test := range []struct {
		ask   string
		msize uint32
		want  string
		size  uint32
	}{
		{"9P2000.L", 8192, "9P2000.L", 8192},
		{"9P2000.L", 1 << 30, "9P2000.L", MaxMessage},
		{"9P2000.L.Google.7", 1 << 20, "9P2000.L", 1 << 20},
		{"9P2000", 8192, "9P2000", 8192},
		{"9P2000.u", 8192, "9P2000.u", 8192},
		{"9P2000.L.ordered", 8192, "9P2000.L.ordered", 8192},
		{"9P2000.LL", 8192, "9P2000", 8192}, // version(5): drop what is after the period
		{"9P2001", 8192, "unknown", 8192},
		{"", 8192, "unknown", 8192},
	} {
		w := dialWire(t, address)
		w.send(noTag, &tVersion{test.msize, test.ask})
		tag, m := w.receive()
		v, ok := m.(*rVersion)
		if !ok || tag != noTag || v.version != test.want || v.msize != test.size {
			t.Errorf("%q %d: %+v", test.ask, test.msize, m)
		}
	}
	w := dialWire(t, address)
	if _, e := w.call(&tVersion{100, version9P2000L}); e != EMSGSIZE {
		t.Errorf("tiny messages: %v", e)
	}
}

func TestAuthIsNotNeeded(t *testing.T) {
	w := dialWire(t, serveMem(t, newMemTree(), Limits{}))
	w.begin()
	w.send(1, &tAuth{afid: 9, uname: "glenda", uid: 1})
	if _, m := w.receive(); m.(*rLerror).errno != 0 {
		t.Errorf("auth: %+v, diod's tools need error 0", m)
	}
}

// TestFlushOrder checks that Rflush comes after the answer to what was flushed,
// for a flush that arrives before, and one that arrives after it.
func TestFlushOrder(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	w.open(1, "gate")
	w.send(5, &tRead{1, 0, 100})
	waitFor(t, "read", gate.reading)
	start := time.Now()
	w.send(6, &tFlush{5})
	tag, m := w.receive()
	if e, ok := m.(*rLerror); tag != 5 || !ok || Errno(e.errno) != EINTR {
		t.Fatalf("first answer: tag %d, %+v", tag, m)
	}
	if tag, m := w.receive(); tag != 6 || m.kind() != kindTflush+1 {
		t.Fatalf("second answer: tag %d, %+v", tag, m)
	}
	t.Log("flush took", time.Since(start))
	// The tag is free, the fid still good; flushing what is not there is fine.
	w.send(5, &tFlush{5})
	if tag, m := w.receive(); tag != 5 || m.kind() != kindTflush+1 {
		t.Fatalf("flush of nothing, or of itself: tag %d, %+v", tag, m)
	}
	w.send(5, &tRead{1, 0, 100})
	waitFor(t, "read", gate.reading)
	gate.gate <- struct{}{}
	if tag, m := w.receive(); tag != 5 || string(m.(*rRead).data) != "news\n" {
		t.Fatalf("read with the same tag: %d, %+v", tag, m)
	}
}

// TestMutualFlush sends flushes of flushes: the stock servers hang here.
func TestMutualFlush(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	w.open(1, "gate")
	w.send(5, &tRead{1, 0, 100})
	waitFor(t, "read", gate.reading)
	w.send(6, &tFlush{7})
	w.send(7, &tFlush{6})
	w.send(8, &tFlush{5})
	w.send(9, &tFlush{8})
	var order []uint16
	for range 5 {
		tag, _ := w.receive()
		order = append(order, tag)
	}
	pos := func(tag uint16) int { return slices.Index(order, tag) }
	if pos(6) < 0 || pos(7) < pos(6) || pos(8) < pos(5) || pos(9) < pos(8) {
		t.Errorf("answers in order %v", order)
	}
}

func TestClunkCancelsItsReads(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	w.open(1, "gate")
	w.send(5, &tRead{1, 0, 100})
	waitFor(t, "read", gate.reading)
	w.send(6, &tClunk{1})
	if tag, m := w.receive(); tag != 5 || m.kind() != kindRlerror {
		t.Fatalf("read: tag %d, %+v", tag, m)
	}
	if tag, m := w.receive(); tag != 6 || m.kind() != kindTclunk+1 {
		t.Fatalf("clunk: tag %d, %+v", tag, m)
	}
	if n := tree.open.Load(); n != 0 {
		t.Errorf("%d handles open after Rclunk", n)
	}
}

func TestVersionEndsTheSession(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	w.open(1, "gate")
	w.send(5, &tRead{1, 0, 100})
	waitFor(t, "read", gate.reading)
	w.send(noTag, &tVersion{MaxMessage, version9P2000L})
	if tag, m := w.receive(); tag != 5 || m.kind() != kindRlerror {
		t.Fatalf("read: tag %d, %+v", tag, m)
	}
	if tag, _ := w.receive(); tag != noTag {
		t.Fatalf("version: tag %d", tag)
	}
	if n := tree.open.Load(); n != 0 {
		t.Errorf("%d handles open after Rversion", n)
	}
	if _, e := w.call(&tClunk{0}); e != EBADF {
		t.Errorf("fid of the old session: %v", e)
	}
}

func TestBadRequests(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", []byte("x"))
	w := dialWire(t, serveMem(t, tree, Limits{Fids: 4}))
	w.begin()
	w.open(1, "f")
	long := strings.Repeat("x", 256)
	for _, test := range []struct {
		name string
		m    message
		want Errno
	}{
		{"unknown fid", &tGetattr{77, 0}, EBADF},
		{"fid in use", &tWalk{0, 1, nil}, EBADF},
		{"reserved fid", &tWalk{0, noFid, nil}, EBADF},
		{"slash", &tWalk{0, 2, []string{"a/b"}}, EINVAL},
		{"empty name", &tWalk{0, 2, []string{""}}, EINVAL},
		{"NUL", &tWalk{0, 2, []string{"a\x00"}}, EINVAL},
		{"long name", &tWalk{0, 2, []string{long}}, ENAMETOOLONG},
		{"walk through a file", &tWalk{1, 2, []string{"x"}}, ENOTDIR},
		{"open twice", &tLopen{1, 0}, EBUSY},
		{"move an open fid", &tWalk{1, 1, nil}, EBUSY},
		{"read unopened", &tRead{0, 0, 1}, EBADF},
		{"read far away", &tRead{1, 1 << 63, 1}, EINVAL},
		{"write far away", &tWrite{1, 1<<64 - 1, []byte("x")}, EINVAL},
		{"readdir of a file", &tReaddir{1, 0, 100}, ENOTDIR},
		{"mkdir dotdot", &tMkdir{fid: 0, name: ".."}, EINVAL},
		{"create in a file", &tLcreate{fid: 1, name: "x"}, EROFS},
		{"unlink dot", &tUnlinkat{0, ".", 0x200}, EINVAL},
		{"rename root", &tRename{0, 0, "x"}, EBUSY},
		{"attach with auth", &tAttach{fid: 2, afid: 0}, EINVAL},
		{"attach elsewhere", &tAttach{fid: 2, afid: noFid, aname: "other"}, ENOENT},
		{"xattr to a fid in use", &tXattrwalk{1, 0, "user.color"}, EBADF},
	} {
		if _, e := w.call(test.m); e != test.want {
			t.Errorf("%s: %v, want %v", test.name, e, test.want)
		}
	}
	for fid := range uint32(2) {
		if _, e := w.call(&tWalk{0, 2 + fid, nil}); e != 0 {
			t.Fatal(e)
		}
	}
	if _, e := w.call(&tWalk{0, 4, nil}); e != ENFILE {
		t.Errorf("too many fids: %v", e)
	}
	// A type the dialect has not, and a body cut short.
	for kind, want := range map[uint8]Errno{98: EINVAL, kindTgetattr: EINVAL} {
		if _, err := w.Write([]byte{8, 0, 0, 0, kind, 1, 0, 0}); err != nil {
			t.Fatal(err)
		}
		if _, m := w.receive(); Errno(m.(*rLerror).errno) != want {
			t.Errorf("type %d: %+v", kind, m)
		}
	}
}

func TestPartialWalk(t *testing.T) {
	tree := newMemTree()
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	if _, e := w.call(&tMkdir{fid: 0, name: "d"}); e != 0 {
		t.Fatal(e)
	}
	m, _ := w.call(&tWalk{0, 1, []string{"d", "..", "d", "none", "d"}})
	if r := m.(*rWalk); len(r.qids) != 3 || r.qids[0] != r.qids[2] || r.qids[1] != tree.root.Qid() {
		t.Errorf("walk: %+v", m)
	}
	if _, e := w.call(&tClunk{1}); e != EBADF {
		t.Errorf("a partial walk made its fid: %v", e)
	}
}

// TestBrokenProtocolEndsConnection lists what leaves no way to go on.
func TestBrokenProtocolEndsConnection(t *testing.T) {
	address := serveMem(t, newMemTree(), Limits{})
	for name, do := range map[string]func(w *wire){
		"read before version": func(w *wire) { w.send(1, &tRead{}) },
		"tiny size":           func(w *wire) { w.Write([]byte{6, 0, 0, 0, 100, 0, 0}) },
		"huge size":           func(w *wire) { w.Write([]byte{0, 0, 0, 255, 100, 0, 0}) },
		"reply as request":    func(w *wire) { w.begin(); w.send(1, &rWrite{}) },
	} {
		w := dialWire(t, address)
		do(w)
		if _, err := io.ReadAll(w); err != nil && !isReset(err) {
			t.Errorf("%s: connection goes on: %v", name, err)
		}
	}
}

func TestTagUsedTwice(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	w.open(1, "gate")
	w.send(5, &tRead{1, 0, 1})
	waitFor(t, "read", gate.reading)
	w.send(5, &tRead{1, 0, 1})
	if _, err := io.ReadAll(w); err != nil && !isReset(err) {
		t.Errorf("connection goes on: %v", err)
	}
}

func TestTooManyRequests(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	w := dialWire(t, serveMem(t, tree, Limits{Requests: 10}))
	w.begin()
	w.open(1, "gate")
	for i := range uint16(10) {
		w.send(100+i, &tRead{1, 0, 1})
		waitFor(t, "read", gate.reading)
	}
	if _, e := w.call(&tGetattr{0, 0}); e != EAGAIN {
		t.Errorf("one request too many: %v", e)
	}
	// Giving up and giving back is always possible.
	if _, e := w.call(&tFlush{999}); e != 0 {
		t.Errorf("flush: %v", e)
	}
	w.send(1, &tClunk{1})
	seen := map[uint16]bool{}
	for range 11 {
		tag, _ := w.receive()
		seen[tag] = true
	}
	if len(seen) != 11 || !seen[1] {
		t.Errorf("answers to %v", seen)
	}
}

// TestPanicIsAnError: a defect of a tree must not end the process.
func TestPanicIsAnError(t *testing.T) {
	var logged strings.Builder
	c1, c2 := net.Pipe()
	s := &Server{
		NewTree: func(net.Conn) (Tree, error) { return panicTree{}, nil },
		Log:     slog.New(slog.NewTextHandler(&logged, nil)),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ServeConn(context.Background(), c2) }()
	w := &wire{t, c1}
	w.send(noTag, &tVersion{MaxMessage, version9P2000L})
	w.receive()
	if _, e := w.call(&tAttach{fid: 0, afid: noFid}); e != EIO {
		t.Errorf("attach: %v", e)
	}
	c1.Close()
	if err := waitFor(t, "end of connection", ended); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "out of order") {
		t.Errorf("log: %s", logged.String())
	}
}

type panicTree struct{}

func (panicTree) Attach(context.Context, AttachRequest) (Node, error) { panic("out of order") }
func (panicTree) Close()                                              {}
