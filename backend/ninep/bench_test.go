package ninep

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hugelgupf/p9/fsimpl/templatefs"
	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"
)

// The peer in these benchmarks is hugelgupf/p9: its server with its own client, on
// a file in memory and a Unix socket as ours.

type peerRoot struct {
	p9.DefaultWalkGetAttr
	templatefs.NoopFile
	file *peerFile
}

func (r *peerRoot) Attach() (p9.File, error) { return r, nil }

func (r *peerRoot) Walk(names []string) ([]p9.QID, p9.File, error) {
	if len(names) == 0 {
		return nil, r, nil
	}
	return []p9.QID{{Path: 2}}, r.file, nil
}

func (r *peerRoot) WalkGetAttr([]string) ([]p9.QID, p9.File, p9.AttrMask, p9.Attr, error) {
	return nil, nil, p9.AttrMask{}, p9.Attr{}, linux.ENOSYS
}

func (r *peerRoot) GetAttr(m p9.AttrMask) (p9.QID, p9.AttrMask, p9.Attr, error) {
	return p9.QID{Type: p9.TypeDir, Path: 1}, m, p9.Attr{Mode: p9.ModeDirectory | 0o755}, nil
}

type peerFile struct {
	p9.DefaultWalkGetAttr
	templatefs.NoopFile
	data []byte
}

func (f *peerFile) Walk([]string) ([]p9.QID, p9.File, error) { return []p9.QID{{Path: 2}}, f, nil }

func (f *peerFile) WalkGetAttr([]string) ([]p9.QID, p9.File, p9.AttrMask, p9.Attr, error) {
	return nil, nil, p9.AttrMask{}, p9.Attr{}, linux.ENOSYS
}

func (f *peerFile) GetAttr(m p9.AttrMask) (p9.QID, p9.AttrMask, p9.Attr, error) {
	return p9.QID{Path: 2}, m, p9.Attr{Mode: p9.ModeRegular | 0o644, Size: uint64(len(f.data))}, nil
}

func (f *peerFile) Open(p9.OpenFlags) (p9.QID, uint32, error) { return p9.QID{Path: 2}, 0, nil }

func (f *peerFile) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= int64(len(f.data)) {
		return 0, io.EOF
	}
	return copy(p, f.data[offset:]), nil
}

func (f *peerFile) WriteAt(p []byte, offset int64) (int, error) {
	return copy(f.data[offset:], p), nil
}

func peer(b *testing.B, data []byte) p9.File {
	l, err := net.Listen("unix", b.TempDir()+"/s")
	if err != nil {
		b.Fatal(err)
	}
	root := &peerRoot{file: &peerFile{data: data}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		_ = p9.NewServer(root).Handle(nc, nc)
	}()
	nc, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		nc.Close()
		l.Close()
		<-served
	})
	c, err := p9.NewClient(nc, p9.WithMessageSize(MaxMessage))
	if err != nil {
		b.Fatal(err)
	}
	f, err := c.Attach("/")
	if err != nil {
		b.Fatal(err)
	}
	return f
}

const benchSize = 64 << 20

// benchChunk is what fits one message of either library.
const benchChunk = MaxMessage - 64

func benchFile(b *testing.B, flags OpenFlags) *File {
	tree := newMemTree()
	tree.addFile("f", make([]byte, benchSize))
	f, err := dialMem(b, serveMem(b, tree, Limits{})).Open(b.Context(), "f", flags)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

func peerOpen(b *testing.B) p9.File {
	_, f, err := peer(b, make([]byte, benchSize)).Walk([]string{"f"})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := f.Open(p9.ReadWrite); err != nil {
		b.Fatal(err)
	}
	return f
}

func transfer(b *testing.B, at func(p []byte, offset int64) (int, error)) {
	p := make([]byte, benchChunk)
	var offset int64
	b.SetBytes(benchChunk)
	for b.Loop() {
		n, err := at(p, offset)
		if err != nil || n != len(p) {
			b.Fatal(n, err)
		}
		if offset += int64(n); offset > benchSize-benchChunk {
			offset = 0
		}
	}
}

func BenchmarkSequentialRead(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		f := benchFile(b, ReadOnly)
		transfer(b, func(p []byte, o int64) (int, error) { return f.ReadAt(b.Context(), p, o) })
	})
	b.Run("p9", func(b *testing.B) { transfer(b, peerOpen(b).ReadAt) })
}

func BenchmarkSequentialWrite(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		f := benchFile(b, ReadWrite)
		transfer(b, func(p []byte, o int64) (int, error) { return f.WriteAt(b.Context(), p, o%(15<<20)) })
	})
	b.Run("p9", func(b *testing.B) {
		f := peerOpen(b)
		transfer(b, func(p []byte, o int64) (int, error) { return f.WriteAt(p, o%(15<<20)) })
	})
}

// BenchmarkWalkOpenReadClunk is the life of a small file's use, call by call as
// another library has it, and in the way that ours offers.
func BenchmarkWalkOpenReadClunk(b *testing.B) {
	tree := newMemTree()
	tree.addFile("f", []byte("hello"))
	c := dialMem(b, serveMem(b, tree, Limits{}))
	buf := make([]byte, 100)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			f, err := c.Open(b.Context(), "f", ReadOnly)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := f.ReadAt(b.Context(), buf, 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours-ReadFile", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.ReadFile(b.Context(), "f", 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("p9", func(b *testing.B) {
		root := peer(b, []byte("hello"))
		for b.Loop() {
			_, f, err := root.Walk([]string{"f"})
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := f.Open(p9.ReadOnly); err != nil {
				b.Fatal(err)
			}
			if _, err := f.ReadAt(buf, 0); err != nil && err != io.EOF {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	c := dialMem(b, serveMem(b, newMemTree(), Limits{}))
	for b.Loop() {
		if _, err := c.Root().Attr(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// newsTree is a file that all its readers wait for.
type newsTree struct {
	*memTree
	mu   sync.Mutex
	news chan struct{}
	in   chan struct{}
}

func (t *newsTree) Attach(context.Context, AttachRequest) (Node, error) { return newsNode{t}, nil }

type newsNode struct{ t *newsTree }

func (newsNode) Qid() Qid                           { return Qid{Path: 1} }
func (newsNode) Attr(context.Context) (Attr, error) { return Attr{Mode: ModeRegular}, nil }
func (n newsNode) Open(context.Context, OpenFlags) (Handle, error) {
	return newsHandle(n), nil
}

type newsHandle struct{ t *newsTree }

func (newsHandle) Close() error { return nil }

func (h newsHandle) Wait(ctx context.Context, _ int64) error {
	h.t.mu.Lock()
	news := h.t.news
	h.t.mu.Unlock()
	h.t.in <- struct{}{}
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (newsHandle) ReadAt(_ context.Context, p []byte, _ int64) (int, error) {
	return copy(p, "news\n"), nil
}

// BenchmarkNews measures from an event to the return of the reads that wait for it:
// p50 and p99 over all readers and events.
func BenchmarkNews(b *testing.B) {
	for _, test := range []struct{ watchers, conns int }{{1, 1}, {100, 1}, {1000, 1}, {1000, 1000}} {
		b.Run(fmt.Sprintf("watchers=%d/conns=%d", test.watchers, test.conns), func(b *testing.B) {
			benchNews(b, test.watchers, test.conns)
		})
	}
}

func benchNews(b *testing.B, watchers, conns int) {
	t := &newsTree{memTree: newMemTree(), news: make(chan struct{}), in: make(chan struct{}, watchers)}
	l, err := net.Listen("unix", b.TempDir()+"/s")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{NewTree: func(net.Conn) (Tree, error) { return t, nil }, Limits: Limits{Connections: conns, Requests: watchers + 1}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	var readers sync.WaitGroup
	defer func() {
		cancel()
		<-served
		readers.Wait()
	}()
	clients := make([]*Client, conns)
	for i := range clients {
		nc, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if clients[i], err = NewClient(ctx, nc, AttachRequest{Name: plainName}); err != nil {
			b.Fatal(err)
		}
		defer clients[i].Close()
	}
	took := make([]time.Duration, watchers) // of the present event
	var woken sync.WaitGroup
	woken.Add(watchers)
	again := make(chan struct{}) // closed when all are awake
	var mu sync.Mutex            // of again
	start := time.Now()
	var event time.Duration // set before news is closed
	for i := range watchers {
		f, err := clients[i%conns].Root().Walk(ctx)
		if err == nil {
			err = f.Open(ctx, ReadOnly)
		}
		if err != nil {
			b.Fatal(err)
		}
		readers.Go(func() {
			p := make([]byte, 100)
			for {
				mu.Lock()
				wait := again
				mu.Unlock()
				if _, err := f.ReadAt(context.Background(), p, 0); err != nil {
					return
				}
				took[i] = time.Since(start) - event
				woken.Done()
				select {
				case <-wait:
				case <-ctx.Done():
				}
			}
		})
	}
	var all []time.Duration
	for b.Loop() {
		for range watchers {
			<-t.in
		}
		time.Sleep(time.Millisecond) // all are idle: this measures waking, not a pipeline
		t.mu.Lock()
		old := t.news
		t.news = make(chan struct{})
		t.mu.Unlock()
		event = time.Since(start)
		close(old)
		woken.Wait()
		all = append(all, took...)
		woken.Add(watchers)
		mu.Lock()
		close(again)
		again = make(chan struct{})
		mu.Unlock()
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
}
