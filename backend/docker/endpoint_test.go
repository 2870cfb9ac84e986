package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRequestsPassUnchanged(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	socket := startEndpoint(t, Options{Dial: f.dial})
	c := dialUnix(t, socket)
	in := bufio.NewReader(c)

	// Two requests at once on one connection, the second with chunks and a trailer.
	fmt.Fprint(c, "POST /echo?a=1;b=%zz HTTP/1.1\r\nHost: d\r\nUser-Agent: u/1\r\nContent-Length: 5\r\n\r\nfirst"+
		"POST /echo HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sent\r\n\r\n3\r\nsec\r\n3\r\nond\r\n0\r\nX-Sent: yes\r\n\r\n")
	resp, body := readTestResponse(t, in)
	if body != "first" || resp.Header.Get("X-Query") != "a=1;b=%zz" || resp.Header.Get("X-Length") != "5" || resp.Header.Get("X-Agent") != "u/1" {
		t.Fatalf("%q %v", body, resp.Header)
	}
	resp, body = readTestResponse(t, in)
	if body != "second" || resp.Trailer.Get("X-Sum") != "6yes" || resp.Header.Get("X-Agent") != "" {
		t.Fatalf("%q %v %v", body, resp.Trailer, resp.Header)
	}
	// 100-continue: the client sends no body before it is told to.
	fmt.Fprint(c, "POST /echo HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := readTestResponse(t, in); resp.StatusCode != 100 {
		t.Fatalf("%v, want 100", resp.Status)
	}
	fmt.Fprint(c, "third")
	if _, body = readTestResponse(t, in); body != "third" {
		t.Fatalf("%q", body)
	}
}

func TestMachineNotRunning(t *testing.T) {
	noLeak(t)
	dial := func(context.Context) (net.Conn, error) { return nil, fmt.Errorf("dial: %w", ErrNotRunning) }
	socket := startEndpoint(t, Options{Dial: dial})
	for _, path := range []string{"GET /v1.45/containers/json", "POST /exec/1/start"} {
		resp, body := exchange(t, dialUnix(t, socket), path+" HTTP/1.1\r\nHost: d\r\n\r\n")
		if resp.StatusCode != 503 || !strings.Contains(body, `"message":"Slipway's machine is not running`) || !strings.Contains(body, "slipway up") {
			t.Fatalf("%s: %s %s", path, resp.Status, body)
		}
	}
	checked := startEndpoint(t, Options{Dial: dial, CheckBind: func(string) error { return ErrNotRunning }})
	resp, body := exchange(t, dialUnix(t, checked), "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 34\r\n\r\n"+`{"HostConfig":{"Binds":["/a:/b"]}}`)
	if resp.StatusCode != 503 || !strings.Contains(body, "slipway up") {
		t.Fatalf("create: %s %s", resp.Status, body)
	}
	broken := startEndpoint(t, Options{Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("no memory left") }})
	resp, body = exchange(t, dialUnix(t, broken), "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
	if resp.StatusCode != 503 || !strings.Contains(body, "no memory left") {
		t.Fatalf("%s %s", resp.Status, body)
	}
}

func TestBindsAreChecked(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	socket := startEndpoint(t, Options{Dial: f.dial, CheckBind: func(path string) error {
		if strings.HasPrefix(path, "/home/me") {
			return nil
		}
		return errors.New(path + " is not shared: change the setting share/folders")
	}})
	create := func(body string) (int, string) {
		resp, text := exchange(t, dialUnix(t, socket), fmt.Sprintf("POST /v1.45/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		return resp.StatusCode, text
	}
	for _, body := range []string{
		`{}`, `{"HostConfig":null}`, `{"HostConfig":{"Binds":null}}`,
		`{"Image":"x","HostConfig":{"Binds":["/home/me/src:/w:ro","volume:/data","/var/run/docker.sock:/var/run/docker.sock"]}}`,
		`{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/home/me"},{"Type":"volume","Source":"/etc"},{"Type":"tmpfs"}]}}`,
		`not json`,
	} {
		if status, text := create(body); status != 201 {
			t.Errorf("%s: %d %s", body, status, text)
		}
		if got := f.created[len(f.created)-1]; got != body {
			t.Errorf("dockerd got %s, want %s", got, body)
		}
	}
	before := len(f.created)
	for body, path := range map[string]string{
		`{"HostConfig":{"Binds":["/etc:/x"]}}`:                                     "/etc",
		`{"HostConfig":{"Binds":["/home/me/a:/a","/home/me/../you:/x"]}}`:          "/home/you",
		`{"hostconfig":{"BINDS":["/etc:/x"]}}`:                                     "/etc",
		`{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/srv"}]}}`:              "/srv",
		`{"HostConfig":{"Binds":["/home/me:/a"]},"HostConfig":{"Binds":["/b:/"]}}`: "/b",
	} {
		if status, text := create(body); status != 400 || !strings.Contains(text, `"message":"`+path+" is not shared: change the setting share/folders") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if status, text := create(`{"x":"` + strings.Repeat("y", maxCreate) + `"}`); status != 413 || !strings.Contains(text, "larger than") {
		t.Errorf("%d %s", status, text)
	}
	if len(f.created) != before {
		t.Error("a refused container reached dockerd")
	}
}

func TestHijack(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"upgrade":    {"POST /v1.45/containers/c1/attach?stdin=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 101},
		"old style":  {"POST /containers/c1/attach HTTP/1.1\r\nHost: d\r\nContent-Type: text/plain\r\n\r\n", 200},
		"with body":  {"POST /v1.45/exec/e1/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}", 101},
		"read ahead": {"POST /v1.45/exec/e1/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}early\n", 101},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			f := startFake(t)
			f.tty = true
			socket := startEndpoint(t, Options{Dial: f.dial})
			conn := dialUnix(t, socket)
			in := bufio.NewReader(conn)
			io.WriteString(conn, c.request)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "application/vnd.docker.raw-stream" ||
				c.status == 101 && (resp.Header.Get("Upgrade") != "tcp" || resp.Header.Get("Connection") != "Upgrade") {
				t.Fatal(resp.Status, resp.Header)
			}
			if name == "read ahead" {
				if line, err := in.ReadString('\n'); line != "EARLY\n" || err != nil {
					t.Fatalf("%q %v", line, err)
				}
			}
			io.WriteString(conn, "hello\n")
			if line, err := in.ReadString('\n'); line != "HELLO\n" || err != nil {
				t.Fatalf("%q %v", line, err)
			}
			// Our end reaches the container, and what it says after that reaches us.
			io.WriteString(conn, "last")
			conn.CloseWrite()
			if rest, err := io.ReadAll(in); string(rest) != "LASTbye\n" || err != nil {
				t.Fatalf("%q %v", rest, err)
			}
		})
	}
}

// A client without input ends its side before it is answered.
func TestHijackWithoutInput(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	f.tty = true
	dial := func(ctx context.Context) (net.Conn, error) {
		c, err := f.dial(ctx)
		time.Sleep(20 * time.Millisecond) // let the client's end be noticed first
		return c, err
	}
	conn := dialUnix(t, startEndpoint(t, Options{Dial: dial}))
	io.WriteString(conn, "POST /containers/c1/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	conn.CloseWrite()
	b, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 101 ") || !strings.HasSuffix(string(b), "\r\n\r\nbye\n") {
		t.Fatalf("%q %v", b, err)
	}
}

// A request that might have become a raw stream and did not is an ordinary one.
func TestHijackRefused(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	socket := startEndpoint(t, Options{Dial: f.dial})
	conn := dialUnix(t, socket)
	in := bufio.NewReader(conn)
	for range 2 {
		io.WriteString(conn, "POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		if resp, body := readTestResponse(t, in); resp.StatusCode != 404 || !strings.Contains(body, "not found") {
			t.Fatal(resp.Status, body)
		}
	}
}

// A guest that never ends its response's head cannot fill the host's memory.
func TestEndlessResponseHead(t *testing.T) {
	noLeak(t)
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
				for {
					if _, err := fmt.Fprint(c, "X-Endless: "+strings.Repeat("x", 4000)+"\r\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { <-served })
	socket := startEndpoint(t, Options{Dial: func(context.Context) (net.Conn, error) { return net.Dial("unix", l.Addr().String()) }})
	for _, path := range []string{"GET /x", "POST /exec/1/start"} {
		if resp, _ := exchange(t, dialUnix(t, socket), path+" HTTP/1.1\r\nHost: d\r\n\r\n"); resp.StatusCode != 503 {
			t.Fatal(resp.Status)
		}
	}
	l.Close()
}

// The client of a stream goes away: dockerd learns it.
func TestClientGoes(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	socket := startEndpoint(t, Options{Dial: f.dial})
	c := dialUnix(t, socket)
	io.WriteString(c, "GET /containers/c1/logs?follow=1 HTTP/1.1\r\nHost: d\r\n\r\n")
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-f.ended
}

func TestSocketIsPrivate(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	dir := t.TempDir()
	socket := startEndpoint(t, Options{Socket: filepath.Join(dir, "run", "d.sock"), Dial: f.dial})
	for path, want := range map[string]os.FileMode{socket: 0o600, filepath.Dir(socket): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	run := func(socket string) error {
		e, err := New(Options{Socket: socket, Dial: f.dial})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return e.Run(ctx)
	}
	if err := run(socket); err == nil || !strings.Contains(err.Error(), "another process serves") {
		t.Errorf("a socket in use: %v", err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(filepath.Join(open, "d.sock")); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a directory others can open: %v", err)
	}
	file := filepath.Join(filepath.Dir(socket), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if err := run(filepath.Join(dir, strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a long path: %v", err)
	}
	// What a killed process left is no obstacle.
	stale := filepath.Join(filepath.Dir(socket), "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := run(stale); err != nil {
		t.Errorf("a stale socket: %v", err)
	}
	if _, err := os.Lstat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there after Run: %v", err)
	}
}

func TestTooManyClients(t *testing.T) {
	noLeak(t)
	l, err := listen(filepath.Join(t.TempDir(), "run", "d.sock"))
	if err != nil {
		t.Fatal(err)
	}
	c := &clients{Listener: l, free: make(chan struct{}, 1)}
	accepted := make(chan net.Conn, 2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := c.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dialUnix(t, l.Addr().String())
	first := <-accepted
	resp, body := readTestResponse(t, bufio.NewReader(dialUnix(t, l.Addr().String())))
	if resp.StatusCode != 503 || !strings.Contains(body, "too many") {
		t.Fatal(resp.Status, body)
	}
	first.Close()
	dialUnix(t, l.Addr().String())
	(<-accepted).Close()
	l.Close()
	<-done
	c.wait.Wait()
}
