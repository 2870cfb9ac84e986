package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for i := 0; runtime.NumGoroutine() > before; i++ {
			if i == 500 {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(10 * time.Millisecond) // they end by themselves; only the end counts
		}
	})
}

// A dockerd that is enough for the real CLI: containers echo their input in upper
// case and say goodbye at its end.
type fakeDocker struct {
	t      *testing.T
	socket string
	server *http.Server

	mu      sync.Mutex
	created []string      // bodies
	tty     bool          // of all containers
	list    string        // ContainerList's answer
	ended   chan struct{} // the attached container has ended
	events  chan string
	heard   chan struct{} // someone listens to events
	dials   int
}

const takenPort = "driver failed programming external connectivity on endpoint web (0123): Error starting userland proxy: port 8080 is taken by nginx (process 12): stop it, or publish another port"

func startFake(t *testing.T) *fakeDocker {
	f := &fakeDocker{
		t: t, socket: filepath.Join(t.TempDir(), "d.sock"), list: "[]",
		ended: make(chan struct{}, 9), events: make(chan string), heard: make(chan struct{}, 9),
	}
	mux := http.NewServeMux()
	handle := mux.HandleFunc
	handle("GET /_ping", f.ping)
	handle("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Version":"26.1.5","ApiVersion":"1.45","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64","KernelVersion":"6.12"}`)
	})
	handle("GET /containers/json", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		io.WriteString(w, f.list)
	})
	handle("POST /containers/create", f.create)
	handle("GET /containers/{id}/json", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"Id":%q,"Name":"/c","State":{"Running":true,"Status":"running"},"Config":{"Tty":%v}}`, r.PathValue("id"), f.tty)
	})
	handle("POST /containers/{id}/attach", f.attach)
	handle("POST /containers/{id}/start", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "taken" {
			w.WriteHeader(500)
			json.NewEncoder(w).Encode(map[string]string{"message": takenPort})
			return
		}
		w.WriteHeader(204)
	})
	handle("POST /containers/{id}/stop", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	handle("POST /containers/{id}/wait", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-f.ended:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, `{"StatusCode":0}`)
	})
	handle("DELETE /containers/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	handle("POST /containers/{id}/exec", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		fmt.Fprint(w, `{"Id":"e1"}`)
	})
	handle("POST /exec/{id}/start", f.attach)
	handle("GET /exec/{id}/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ExitCode":0}`) })
	handle("GET /containers/{id}/logs", f.logs)
	handle("GET /events", f.serveEvents)
	handle("POST /echo", f.echo)

	l, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`^/v[0-9.]+/`)
	f.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.ReplaceAllString(r.URL.Path, "/")
		mux.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); f.server.Serve(l) }()
	t.Cleanup(func() { f.server.Close(); <-done })
	return f
}

func (f *fakeDocker) dial(ctx context.Context) (net.Conn, error) {
	f.mu.Lock()
	f.dials++
	f.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, "unix", f.socket)
}

func (f *fakeDocker) ping(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Api-Version", "1.45")
	w.Header().Set("Ostype", "linux")
	io.WriteString(w, "OK")
}

func (f *fakeDocker) create(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	f.created = append(f.created, string(b))
	f.mu.Unlock()
	id := r.URL.Query().Get("name")
	if id == "" {
		id = "c1"
	}
	w.WriteHeader(201)
	fmt.Fprintf(w, `{"Id":%q,"Warnings":[]}`, id)
}

// attach takes over the connection as dockerd does: with 101 when the client said
// Upgrade, and with a bare 200 otherwise.
func (f *fakeDocker) attach(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.t.Error(err)
		return
	}
	defer conn.Close()
	if r.Header.Get("Upgrade") != "" {
		fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	} else {
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
	}
	in := buf.Reader
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			f.output(conn, 1, strings.ToUpper(line))
		}
		if err != nil {
			break
		}
	}
	f.output(conn, 2, "bye\n")
	conn.(*net.UnixConn).CloseWrite()
	f.ended <- struct{}{}
}

func (f *fakeDocker) output(w io.Writer, stream byte, text string) {
	if f.tty {
		io.WriteString(w, text)
		return
	}
	w.Write(logFrame(stream, text))
}

func logFrame(stream byte, text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{stream, 0, 0, 0}, uint32(len(text)))
	return append(b, text...)
}

func (f *fakeDocker) logs(w http.ResponseWriter, r *http.Request) {
	f.output(w, 1, "out\n")
	f.output(w, 2, "err\n")
	w.(http.Flusher).Flush()
	if r.URL.Query().Get("follow") == "" {
		return
	}
	select {
	case more := <-f.events:
		f.output(w, 1, more)
	case <-r.Context().Done():
		f.ended <- struct{}{}
	}
}

func (f *fakeDocker) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	f.heard <- struct{}{}
	for {
		select {
		case e := <-f.events:
			if e == "" {
				return
			}
			io.WriteString(w, e)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// echo answers with its body, its headers of interest, and a trailer.
func (f *fakeDocker) echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	w.Header().Set("Trailer", "X-Sum")
	w.Header().Set("X-Query", r.URL.RawQuery)
	w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
	w.Header().Set("X-Agent", r.Header.Get("User-Agent"))
	w.Write(b)
	w.(http.Flusher).Flush()
	w.Header().Set("X-Sum", fmt.Sprint(len(b), r.Trailer.Get("X-Sent")))
}

// startEndpoint serves dial on a socket and returns its path.
func startEndpoint(t *testing.T, opts Options) string {
	t.Helper()
	if opts.Socket == "" {
		opts.Socket = filepath.Join(t.TempDir(), "run", "docker.sock")
	}
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listen(opts.Socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return opts.Socket
}

func dialUnix(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

// exchange writes request as it is and reads one response.
func exchange(t *testing.T, c net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return readTestResponse(t, bufio.NewReader(c))
}

func readTestResponse(t *testing.T, in *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode < 200 {
		return resp, ""
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(bytes.TrimSpace(b))
}
