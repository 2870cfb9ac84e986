//go:build !windows

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/network/link"
	"github.com/slipway-desktop/slipway/backend/network/networktest"
)

// BenchmarkTCP moves bytes over one connection between the guest and a socket
// of the host, with both ends and everything between them in this process. The
// guest is a netstack too, so its work is in the figure: it is a baseline to
// compare versions of this package by, not a throughput to promise.
func BenchmarkTCP(b *testing.B) {
	for _, mtu := range []int{1500, 65520} {
		for _, dir := range []string{"up", "down"} {
			b.Run(fmt.Sprintf("mtu=%d/%s", mtu, dir), func(b *testing.B) { benchmarkTCP(b, mtu, dir == "up") })
		}
	}
}

func benchmarkTCP(b *testing.B, mtu int, up bool) {
	_, g := benchRig(b, mtu)
	ctx := b.Context()
	l := must(net.Listen("tcp4", "127.0.0.1:0"))
	defer l.Close()
	guest := must(g.DialTCP(ctx, guestIP, at(hostIP, hostPort(l.Addr()))))
	defer guest.Close()
	host := must(l.Accept()).(*net.TCPConn)
	defer host.Close()
	var from, to closeWriter = host, guest
	if up {
		from, to = guest, host
	}
	const chunk = 256 << 10
	b.SetBytes(chunk)
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	go func() {
		buf := make([]byte, chunk)
		for range b.N {
			if _, err := from.Write(buf); err != nil {
				return
			}
		}
		_ = from.CloseWrite()
	}()
	buf := make([]byte, chunk)
	total := 0
	for {
		size, err := to.Read(buf)
		total += size
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if total != b.N*chunk {
		b.Fatalf("%d bytes of %d arrived", total, b.N*chunk)
	}
	b.ReportMetric(float64(total)*8/1e9/b.Elapsed().Seconds(), "Gbit/s")
	b.ReportMetric((cpuTime()-before).Seconds()*1e9/float64(total), "cpu-s/GB")
}

// benchRig is newRig without an observer.
func benchRig(b *testing.B, mtu int) (*Network, *networktest.Guest) {
	n := must(New(Config{MTU: mtu}))
	ctx, cancel := context.WithCancel(context.Background())
	run, served := make(chan error, 1), make(chan error, 1)
	go func() { run <- n.Run(ctx) }()
	ours, theirs := socketPair(b)
	go func() { served <- n.ServeConn(ctx, link.Stream(ours)) }()
	g := must(networktest.NewGuest(link.Stream(theirs), mtu))
	b.Cleanup(func() {
		b.ReportMetric(float64(n.Stats().Drops.QueueFull), "drops")
		g.Close()
		<-served
		cancel()
		<-run
	})
	must(g.Configure(ctx))
	return n, g
}

// BenchmarkHeldConnections opens b.N connections and holds them, each after
// one byte has passed each way. The guest's netstack and the sockets that
// accept them are in the figures too. Give a count: -benchtime 1000x.
func BenchmarkHeldConnections(b *testing.B) {
	n, g := benchRig(b, MinMTU)
	l := must(net.Listen("tcp4", "127.0.0.1:0"))
	defer l.Close()
	dst := at(hostIP, hostPort(l.Addr()))
	before, p := memory(), make([]byte, 1)
	b.ResetTimer()
	for range b.N {
		c := must(g.DialTCP(b.Context(), guestIP, dst))
		defer c.Close()
		h := must(l.Accept())
		defer h.Close()
		must(c.Write(p))
		must(h.Read(p))
		must(h.Write(p))
		must(c.Read(p))
	}
	b.StopTimer()
	b.ReportMetric(float64(memory()-before)/float64(b.N), "held-B/conn")
	if got := n.Stats().TCPOut.Active; got != int64(b.N) {
		b.Fatalf("%d connections of %d", got, b.N)
	}
}

// memory returns the bytes of heap and stacks in use.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// cpuTime returns the processor time that this process has used. Unlike the
// time on the wall it says something on a busy machine too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
