package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hugelgupf/p9/fsimpl/templatefs"
	"github.com/hugelgupf/p9/p9"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

const wireMessage = 1 << 20

// wire compares our server with our client to hugelgupf/p9's server with its own,
// on Unix sockets, with files in memory.
func wire(ctx context.Context, o options) (figures []figure, err error) {
	data := make([]byte, o.pick(256, 64)<<20)
	ourClient, endOurs, err := ourWire(ctx, o.dir, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endOurs()) }()
	theirRoot, endTheirs, err := theirWire(o.dir, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endTheirs()) }()
	big, err := ourClient.Open(ctx, "big", ninep.ReadWrite)
	if err != nil {
		return nil, err
	}
	defer big.Close()
	_, theirBig, err := theirRoot.Walk([]string{"big"})
	if err != nil {
		return nil, err
	}
	defer theirBig.Close()
	if _, _, err := theirBig.Open(p9.ReadWrite); err != nil {
		return nil, err
	}
	buffer := make([]byte, wireMessage-4096) // one message of both
	offset := func(n int) int64 { return int64(n * len(buffer) % (len(data) - len(buffer))) }
	step := func(name string, do func(p []byte, at int64) (int, error)) *contender {
		return &contender{name: name, do: func(_ context.Context, n int) error {
			k, err := do(buffer, offset(n))
			if err == nil && k != len(buffer) {
				err = io.ErrShortWrite
			}
			return err
		}}
	}
	read := step("read", func(p []byte, at int64) (int, error) { return big.ReadAt(ctx, p, at) })
	write := step("write", func(p []byte, at int64) (int, error) { return big.WriteAt(ctx, p, at) })
	theirRead, theirWrite := step("p9 read", theirBig.ReadAt), step("p9 write", theirBig.WriteAt)
	small := make([]byte, 64)
	walk := &contender{name: "walk", do: func(context.Context, int) error {
		f, err := ourClient.Open(ctx, "small", ninep.ReadOnly)
		if err != nil {
			return err
		}
		if _, err := f.ReadAt(ctx, small, 0); err != nil {
			return err
		}
		return f.Close()
	}}
	theirWalk := &contender{name: "p9 walk", do: func(context.Context, int) error {
		_, f, err := theirRoot.Walk([]string{"small"})
		if err != nil {
			return err
		}
		if _, _, err := f.Open(p9.ReadOnly); err != nil {
			return err
		}
		if _, err := f.ReadAt(small, 0); err != nil {
			return err
		}
		return f.Close()
	}}
	if err := race(ctx, o, read, theirRead, write, theirWrite, walk, theirWalk); err != nil {
		return nil, err
	}
	speed := func(c *contender) string { return fmt.Sprintf("%.0f", c.rate()*float64(len(buffer))/1e6) }
	return []figure{
		{"9P sequential read, MB/s: ours, hugelgupf/p9", speed(read) + ", " + speed(theirRead), "", ""},
		{"9P sequential write, MB/s: ours, hugelgupf/p9", speed(write) + ", " + speed(theirWrite), "", ""},
		{"walk, open, read, clunk a second: ours, hugelgupf/p9", walk.spread() + ", " + theirWalk.spread(), "", ""},
		atLeast("read beside hugelgupf/p9", read, theirRead, 1),
		atLeast("write beside hugelgupf/p9", write, theirWrite, 1),
		atLeast("walk, open, read, clunk beside hugelgupf/p9", walk, theirWalk, 2),
	}, nil
}

func ourWire(ctx context.Context, dir string, data []byte) (*ninep.Client, func() error, error) {
	ctx, cancel := context.WithCancel(ctx)
	l, err := net.Listen("unix", filepath.Join(dir, "ours"))
	if err != nil {
		cancel()
		return nil, nil, err
	}
	server := ninep.Server{NewTree: func(net.Conn) (ninep.Tree, error) { return memTree{data}, nil }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	end := func() error {
		cancel()
		return <-served
	}
	c, err := ninep.Dial(ctx, "unix", l.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return c, func() error { return errors.Join(c.Close(), end()) }, nil
}

func theirWire(dir string, data []byte) (p9.File, func() error, error) {
	l, err := net.Listen("unix", filepath.Join(dir, "theirs"))
	if err != nil {
		return nil, nil, err
	}
	served := make(chan error, 1)
	go func() { served <- p9.NewServer(p9Dir{data: data}).Serve(l) }()
	end := func() error {
		l.Close()
		<-served // its Accept fails, as it was closed
		return nil
	}
	nc, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	c, err := p9.NewClient(nc, p9.WithMessageSize(wireMessage))
	if err != nil {
		return nil, nil, errors.Join(err, nc.Close(), end())
	}
	root, err := c.Attach("/")
	if err != nil {
		return nil, nil, errors.Join(err, nc.Close(), end())
	}
	return root, func() error { return errors.Join(c.Close(), end()) }, nil
}

// memTree has the files big and small, for ninep.
type memTree struct{ data []byte }

func (t memTree) Attach(context.Context, ninep.AttachRequest) (ninep.Node, error) {
	return memDir(t), nil
}
func (memTree) Close() {}

type memDir memTree

func (memDir) Qid() ninep.Qid { return ninep.Qid{Type: ninep.QidDir, Path: 1} }
func (memDir) Attr(context.Context) (ninep.Attr, error) {
	return ninep.Attr{Mode: ninep.ModeDir | 0o755}, nil
}
func (memDir) Open(context.Context, ninep.OpenFlags) (ninep.Handle, error) {
	return nil, ninep.ENOTSUP
}

func (d memDir) Lookup(_ context.Context, name string) (ninep.Node, error) {
	switch name {
	case "big":
		return memFile{d.data, 2}, nil
	case "small":
		return memFile{d.data[:64], 3}, nil
	}
	return nil, ninep.ENOENT
}

type memFile struct {
	data []byte
	path uint64
}

func (f memFile) Qid() ninep.Qid { return ninep.Qid{Path: f.path} }
func (f memFile) Attr(context.Context) (ninep.Attr, error) {
	return ninep.Attr{Mode: ninep.ModeRegular | 0o644, Size: uint64(len(f.data))}, nil
}
func (f memFile) Open(context.Context, ninep.OpenFlags) (ninep.Handle, error) { return f, nil }
func (memFile) Close() error                                                  { return nil }
func (f memFile) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	return copy(p, f.data[offset:]), nil
}
func (f memFile) WriteAt(_ context.Context, p []byte, offset int64) (int, error) {
	return copy(f.data[offset:], p), nil
}

// p9Dir and p9File are the same for hugelgupf/p9.
type p9Dir struct {
	templatefs.NoopFile
	data []byte
}

func (d p9Dir) Attach() (p9.File, error) { return d, nil }

func (d p9Dir) Walk(names []string) ([]p9.QID, p9.File, error) {
	if len(names) == 0 {
		return nil, d, nil
	}
	f := p9File{data: d.data, path: 2}
	if names[0] == "small" {
		f = p9File{data: d.data[:64], path: 3}
	}
	return []p9.QID{{Path: f.path}}, f, nil
}

func (p9Dir) GetAttr(p9.AttrMask) (p9.QID, p9.AttrMask, p9.Attr, error) {
	return p9.QID{Type: p9.TypeDir, Path: 1}, p9.AttrMask{Mode: true}, p9.Attr{Mode: p9.ModeDirectory | 0o755}, nil
}

type p9File struct {
	templatefs.NoopFile
	data []byte
	path uint64
}

func (f p9File) Walk([]string) ([]p9.QID, p9.File, error) { return nil, f, nil }
func (f p9File) Open(p9.OpenFlags) (p9.QID, uint32, error) {
	return p9.QID{Path: f.path}, 0, nil
}
func (f p9File) GetAttr(p9.AttrMask) (p9.QID, p9.AttrMask, p9.Attr, error) {
	return p9.QID{Path: f.path}, p9.AttrMask{Mode: true, Size: true}, p9.Attr{Mode: p9.ModeRegular | 0o644, Size: uint64(len(f.data))}, nil
}
func (f p9File) ReadAt(p []byte, offset int64) (int, error)  { return copy(p, f.data[offset:]), nil }
func (f p9File) WriteAt(p []byte, offset int64) (int, error) { return copy(f.data[offset:], p), nil }

// watch measures how long after a commit was acknowledged its watchers have the
// news, over 9P, with a store in memory.
func watch(ctx context.Context, o options) ([]figure, error) {
	one, err := wakeUps(ctx, o, 1, o.pick(2000, 500))
	if err != nil {
		return nil, err
	}
	many, err := wakeUps(ctx, o, 1000, o.pick(100, 30))
	if err != nil {
		return nil, err
	}
	return []figure{
		{"watch wake-up after the acknowledgement, 1 watcher, p50", median(one).String(), "under 100µs", judge(median(one) < 100*time.Microsecond)},
		{"watch wake-up after the acknowledgement, 1,000 watchers, p50", median(many).String(), "under 1ms", judge(median(many) < time.Millisecond)},
	}, nil
}

func wakeUps(ctx context.Context, o options, watchers, events int) (all []time.Duration, err error) {
	store, err := datakit.OpenMemory(datakit.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	dir, err := os.MkdirTemp(o.dir, "w")
	if err != nil {
		return nil, err
	}
	addr, end, err := serve(ctx, store, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	type news struct {
		node client.Node
		at   time.Time
	}
	heard := make(chan news, watchers)
	var watching sync.WaitGroup
	defer watching.Wait()
	const each = 100 // watchers of a connection
	for first := 0; first < watchers; first += each {
		c, err := client.Dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		defer c.Close() // ends its watches
		for range min(each, watchers-first) {
			watching.Go(func() {
				for n, err := range c.Watch(ctx, "main", "f") {
					if err != nil {
						return
					}
					heard <- news{n, time.Now()}
				}
			})
		}
	}
	for range watchers { // each tells the present state first
		<-heard
	}
	for n := range events {
		if err := commitTo(ctx, store, "main", "f", n); err != nil {
			return nil, err
		}
		acknowledged := time.Now()
		for range watchers {
			select {
			case e := <-heard:
				all = append(all, max(0, e.at.Sub(acknowledged)))
			case <-time.After(10 * time.Second):
				return nil, errors.New("a watcher was not told")
			}
		}
	}
	return all, nil
}
