//go:build linux

package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/docker"
	"github.com/slipway-desktop/slipway/backend/guest"
)

// The way of a Docker client's bytes: host socket, channel, agent, dockerd's socket.
func TestDockerEndToEnd(t *testing.T) {
	m := boot(t)
	l, err := net.Listen("unix", m.server.DockerSocket)
	if err != nil {
		t.Fatal(err)
	}
	dockerd := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.Copy(w, r.Body)
			return
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		all, _ := io.ReadAll(buf) // to the client's half-close
		conn.Write(all)
	})}
	served := make(chan struct{})
	go func() { defer close(served); dockerd.Serve(l) }()
	defer func() { dockerd.Close(); <-served }()

	s, _ := m.connect(guest.Options{})
	socket := filepath.Join(t.TempDir(), "run", "docker.sock")
	e, err := docker.New(docker.Options{Socket: socket, Dial: func(ctx context.Context) (net.Conn, error) { return s.DialDocker(ctx) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { cancel(); <-done }()

	data := make([]byte, 3<<20)
	rand.Read(data)
	for _, upgrade := range []string{"", "Connection: Upgrade\r\nUpgrade: tcp\r\n"} {
		c := dialRetry(t, socket)
		defer c.Close()
		go func() {
			if upgrade == "" {
				fmt.Fprintf(c, "POST /build HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n", len(data))
				c.Write(data)
				return
			}
			fmt.Fprintf(c, "POST /containers/c/attach HTTP/1.1\r\nHost: d\r\n%s\r\n", upgrade)
			c.Write(data)
			c.CloseWrite()
		}()
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = resp.Body
		if upgrade != "" {
			body = in
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q: %d bytes of %d, %v", upgrade, len(got), len(data), err)
		}
	}
}

// dialRetry waits for a socket that another goroutine is about to make.
func dialRetry(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			c.SetDeadline(time.Now().Add(30 * time.Second))
			return c
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal(err)
		}
	}
}
