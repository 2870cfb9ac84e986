package channel

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
)

// BenchmarkConn measures raw bytes through the channel, both ends in this process.
func BenchmarkConn(b *testing.B) {
	l, err := net.Listen("unix", b.TempDir()+"/s")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		m, err := Guest(context.Background(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			return
		}
		s, err := m.Accept()
		if err != nil {
			return
		}
		if _, err := s.Service(); err == nil && s.Accept() == nil {
			io.Copy(io.Discard, s.Conn())
		}
	}()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	m, err := Host(context.Background(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s, err := m.Open(context.Background(), "raw")
	if err != nil {
		b.Fatal(err)
	}
	conn := s.Conn()
	buf := make([]byte, maxChunk)
	b.SetBytes(maxChunk)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}
