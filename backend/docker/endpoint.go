package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

const (
	maxClients        = 1024
	maxRequestHeader  = 256 << 10 // X-Registry-Config holds all of a user's registries
	maxResponseHeader = 1 << 20
	headerTimeout     = 30 * time.Second
	idleTimeout       = 5 * time.Minute
)

// ErrNotRunning is what a Dial function wraps when there is no machine to dial. The
// client is then told how to start it.
var ErrNotRunning = errors.New("the machine is not running")

// DialFunc connects to dockerd. When the connection has a method CloseWrite() error,
// half-closes reach dockerd and come back.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Options of an Endpoint.
type Options struct {
	Socket string // path of the Unix socket to serve
	Dial   DialFunc
	// CheckBind, when set, is asked about the source of each bind mount of a new
	// container; its error is what `docker run` prints.
	CheckBind func(path string) error
	Log       *slog.Logger // nil discards
}

// An Endpoint serves the Docker Engine API on a socket that only its owner can open.
type Endpoint struct {
	opts      Options
	log       *slog.Logger
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	life      context.Context // that of Run
}

// New returns an endpoint that does not serve yet.
func New(opts Options) (*Endpoint, error) {
	if opts.Socket == "" || opts.Dial == nil {
		return nil, errors.New("docker endpoint: Socket and Dial are needed")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	e := &Endpoint{opts: opts, log: opts.Log, transport: newTransport(opts.Dial)}
	e.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
			r.Out.URL.RawQuery = r.In.URL.RawQuery // ReverseProxy would drop what it cannot parse
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Expect")   // net/http has answered it; dockerd's own would be a second answer
			r.Out.Trailer = r.In.Trailer // the same map: its values come after the body
		},
		Transport:     e.transport,
		FlushInterval: -1, // logs and events come when they come
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { e.unreachable(w, r, err) },
		ErrorLog:      quietLog(opts.Log),
	}
	return e, nil
}

func newTransport(dial DialFunc) *http.Transport {
	return &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression:     true,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// Run serves until ctx ends, and returns when every connection it accepted is closed.
// It fails at once, with the reason, when the socket cannot be had: another process
// serves it, or others could open it.
func (e *Endpoint) Run(ctx context.Context) error {
	listener, err := listen(e.opts.Socket)
	if err != nil {
		return fmt.Errorf("serve Docker's API: %w", err)
	}
	return e.serve(ctx, listener)
}

func (e *Endpoint) serve(ctx context.Context, listener net.Listener) error {
	e.life = ctx
	clients := &clients{Listener: listener, free: make(chan struct{}, maxClients)}
	server := &http.Server{
		Handler:           clients.track(e),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxRequestHeader,
		ErrorLog:          quietLog(e.log),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(clients)
	_ = server.Close()
	clients.wait.Wait()
	e.transport.CloseIdleConnections()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve Docker's API: %w", err)
}

// ServeHTTP answers one request.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isCreate(r) && !e.checkCreate(w, r) {
		return
	}
	if mayHijack(r) {
		e.hijack(w, r)
		return
	}
	e.proxy.ServeHTTP(w, r)
}

// unreachable answers in place of a dockerd that did not.
func (e *Endpoint) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the client went, and hears no answer
	case errors.Is(err, ErrNotRunning):
		refuse(w, http.StatusServiceUnavailable, "Slipway's machine is not running. Start it with `slipway up`, or in Slipway's window.")
	default:
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("Docker in Slipway's machine does not answer: %v. See `slipway status`.", err))
	}
}

// refuse answers as dockerd does, so that every client shows the message.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Message string `json:"message"`
	}{message})
}

// clients is a listener that bounds the connections open at one time, and the waiting
// place for their end.
type clients struct {
	net.Listener
	free chan struct{}
	wait sync.WaitGroup // connections and handlers
}

func (c *clients) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case c.free <- struct{}{}:
			c.wait.Add(1)
			return &client{UnixConn: conn.(*net.UnixConn), release: sync.OnceFunc(func() { <-c.free; c.wait.Done() })}, nil
		default:
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			const body = `{"message":"too many connections to Slipway's Docker socket"}` + "\n"
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
			_ = conn.Close()
		}
	}
}

// track counts the handlers that run.
func (c *clients) track(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.wait.Add(1) // its connection is counted: the wait is not over
		defer c.wait.Done()
		h.ServeHTTP(w, r)
	})
}

type client struct {
	*net.UnixConn
	release func()
}

func (c *client) Close() error {
	defer c.release()
	return c.UnixConn.Close()
}

// quietLog takes net/http's own messages, which tell of clients that went away.
func quietLog(l *slog.Logger) *log.Logger { return log.New(debugWriter{l}, "", 0) }

type debugWriter struct{ log *slog.Logger }

func (w debugWriter) Write(b []byte) (int, error) {
	w.log.Debug("docker endpoint", "http", strings.TrimSpace(string(b)))
	return len(b), nil
}
