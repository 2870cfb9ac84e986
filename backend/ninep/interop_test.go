package ninep

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"
)

// TestForeignClient drives the server with an independent client.
func TestForeignClient(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", []byte("hello"))
	nc, err := net.Dial("unix", serveMem(t, tree, Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c, err := p9.NewClient(nc, p9.WithMessageSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Attach("/")
	if err != nil {
		t.Fatal(err)
	}
	walk := func(names ...string) p9.File {
		t.Helper()
		_, f, err := root.Walk(names)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := walk("f")
	if _, _, err := f.Open(p9.ReadWrite); err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteAt([]byte("J"), 0); n != 1 || err != nil {
		t.Error(n, err)
	}
	b := make([]byte, 10)
	if n, err := f.ReadAt(b, 0); string(b[:n]) != "Jello" || err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if err := f.FSync(); err != nil {
		t.Error(err)
	}
	if _, mask, a, err := f.GetAttr(p9.AttrMaskAll); err != nil || !mask.Size || a.Size != 5 || a.Mode.Permissions() != 0o644 {
		t.Errorf("getattr: %+v, %v", a, err)
	}
	if err := f.SetAttr(p9.SetAttrMask{Size: true}, p9.SetAttr{Size: 2}); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := root.Mkdir("d", 0o755, 0, 0); err != nil {
		t.Error(err)
	}
	d := walk("d")
	g, _, _, err := walk("d").Create("g", p9.ReadWrite, 0o600, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if err := root.RenameAt("f", d, "h"); err != nil {
		t.Error(err)
	}
	list := walk("d")
	if _, _, err := list.Open(p9.ReadOnly); err != nil {
		t.Fatal(err)
	}
	entries, err := list.Readdir(0, 64<<10)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"g", "h"}) {
		t.Errorf("readdir: %q, %v", names, err)
	}
	if _, err := root.StatFS(); err != nil {
		t.Error(err)
	}
	if err := root.UnlinkAt("d", 0x200); !errors.Is(err, linux.ENOTEMPTY) {
		t.Errorf("unlink: %v", err)
	}
	if _, _, err := root.Walk([]string{"none"}); !errors.Is(err, linux.ENOENT) {
		t.Errorf("walk: %v", err)
	}
	list.Close()
	d.Close()
}

// TestDiodTools drives the server with the client programs of diod, where they
// are installed.
func TestDiodTools(t *testing.T) {
	if _, err := exec.LookPath("diodls"); err != nil {
		t.Skip("needs diodls and diodcat, which Debian has in the package diod:", err)
	}
	tree := newMemTree()
	tree.addFile("f", []byte("hello\n"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := serveMemOn(t, tree, l, Limits{})
	for _, test := range []struct {
		program string
		args    []string
		want    string
	}{{"diodls", nil, "f\n"}, {"diodcat", []string{"f"}, "hello\n"}} {
		args := append([]string{"-s", address, "-a", "/"}, test.args...)
		out, err := exec.CommandContext(t.Context(), test.program, args...).CombinedOutput()
		if err != nil || string(out) != test.want {
			t.Errorf("%s: %q, %v", test.program, out, err)
		}
	}
}

// BenchmarkRead measures sequential reads of a file in memory.
func BenchmarkRead(b *testing.B) {
	tree := newMemTree()
	tree.addFile("f", make([]byte, 16<<20))
	c := dialMem(b, serveMem(b, tree, Limits{}))
	f, err := c.Open(b.Context(), "f", ReadOnly)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.SetBytes(16 << 20)
	buf := make([]byte, MaxMessage)
	for b.Loop() {
		r := f.Reader(b.Context())
		for {
			if _, err := r.Read(buf); err != nil {
				break
			}
		}
	}
}

// BenchmarkOpenReadClose measures the life of a small file's use.
func BenchmarkOpenReadClose(b *testing.B) {
	tree := newMemTree()
	tree.addFile("f", []byte("hello"))
	c := dialMem(b, serveMem(b, tree, Limits{}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ReadFile(b.Context(), "f", 100); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWake measures how soon a blocked reader has its news.
func BenchmarkWake(b *testing.B) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	c := dialMem(b, serveMem(b, tree, Limits{}))
	f, err := c.Open(b.Context(), "gate", ReadOnly)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var stop atomic.Bool
	woken := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !stop.Load() {
			f.ReadAt(b.Context(), make([]byte, 10), 0)
			woken <- struct{}{}
		}
	}()
	for b.Loop() {
		<-gate.reading
		gate.gate <- struct{}{}
		<-woken
	}
	stop.Store(true)
	<-gate.reading
	gate.gate <- struct{}{}
	<-woken
	<-ended
}
