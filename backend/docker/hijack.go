package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// hijackPath are the requests that dockerd takes over the connection for even when
// the client did not say Upgrade (Engine API, ContainerAttach and ExecStart).
var hijackPath = regexp.MustCompile(`^(/v[0-9.]+)?/(containers/[^/]+/attach|exec/[^/]+/start)$`)

// mayHijack tells whether r may turn its connection into a raw stream: attach, exec,
// and buildkit's session and gRPC.
func mayHijack(r *http.Request) bool {
	upgrade := httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") && r.Header.Get("Upgrade") != ""
	return upgrade || r.Method == http.MethodPost && hijackPath.MatchString(r.URL.Path)
}

// isRaw tells whether what follows the response's head is a raw stream: after a
// switch of protocols, or in dockerd's older way after a 200 that has no end of its
// own.
func isRaw(resp *http.Response) bool {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	kind := resp.Header.Get("Content-Type")
	return resp.StatusCode == http.StatusOK && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 &&
		(strings.HasPrefix(kind, "application/vnd.docker.raw-stream") || strings.HasPrefix(kind, "application/vnd.docker.multiplexed-stream"))
}

// hijack passes r on over a connection of its own, and the raw stream after it.
func (e *Endpoint) hijack(w http.ResponseWriter, r *http.Request) {
	// Not r's context: net/http ends it when the client has ended its side, which a
	// client without input may do at once.
	ctx, cancel := context.WithCancel(e.life)
	defer cancel()
	up, err := e.opts.Dial(ctx)
	if err != nil {
		e.unreachable(w, r, err)
		return
	}
	defer up.Close()
	defer context.AfterFunc(ctx, func() { _ = up.Close() })()

	if err := writeRequest(up, r); err != nil {
		e.unreachable(w, r, err)
		return
	}
	limited := &headLimit{r: up, left: maxResponseHeader}
	in := bufio.NewReader(limited)
	resp, err := readResponse(in, r)
	if err != nil {
		e.unreachable(w, r, err)
		return
	}
	limited.left = -1
	defer resp.Body.Close()
	if !isRaw(resp) {
		passResponse(w, resp)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		e.unreachable(w, r, err)
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := writeHead(conn, resp); err != nil {
		return
	}
	relay(
		side{in: buffered.Reader, conn: conn},
		side{in: in, conn: up},
	)
}

func writeRequest(w io.Writer, r *http.Request) error {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "", ""
	if _, named := out.Header["User-Agent"]; !named {
		out.Header.Set("User-Agent", "") // none, rather than Go's
	}
	buf := bufio.NewWriter(w)
	if err := out.Write(buf); err != nil {
		return err
	}
	return buf.Flush()
}

// readResponse returns the first response that is not merely informational.
func readResponse(in *bufio.Reader, r *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(in, r)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// passResponse answers with an ordinary response.
func passResponse(w http.ResponseWriter, resp *http.Response) {
	for name, values := range resp.Header {
		if name != "Connection" && name != "Keep-Alive" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	out := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return
		}
		_ = out.Flush()
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the client must not take it for the end
		}
	}
}

func writeHead(w io.Writer, resp *http.Response) error {
	buf := bufio.NewWriter(w)
	fmt.Fprintf(buf, "HTTP/1.1 %s\r\n", resp.Status)
	if err := resp.Header.Write(buf); err != nil {
		return err
	}
	_, _ = buf.WriteString("\r\n")
	return buf.Flush()
}

// A side of a raw stream: in holds what was read ahead of conn.
type side struct {
	in   *bufio.Reader
	conn net.Conn
}

// relay copies in both directions. The end of one direction is passed on as a
// half-close, and the other goes on; a failure ends both. It returns when both have
// ended.
func relay(a, b side) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		oneWay(b.conn, a)
	}()
	oneWay(a.conn, b)
	<-done
}

func oneWay(to net.Conn, from side) {
	_, err := io.CopyN(to, from.in, int64(from.in.Buffered()))
	if err == nil {
		_, err = io.Copy(to, from.conn)
	}
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		_ = to.Close()
		_ = from.conn.Close()
	}
}

var errLongHead = errors.New("the response's head is too long")

// headLimit fails after a number of bytes until left is set below zero.
type headLimit struct {
	r    io.Reader
	left int
}

func (h *headLimit) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, errLongHead
	}
	if h.left > 0 {
		p = p[:min(len(p), h.left)]
	}
	n, err := h.r.Read(p)
	if h.left > 0 {
		h.left -= n
	}
	return n, err
}
