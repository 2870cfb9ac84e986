package packet

import "bytes"

// HTTPFields are those of a request or status line and the Host header
// (RFC 9112 §3 and §4).
type HTTPFields struct {
	Request bool
	Method  Span // valid iff Request
	Target  Span // valid iff Request
	Host    Span // Host header; empty: none, or not in this segment
	Status  int  // valid iff not Request
	Reason  Span // valid iff not Request
	Version Span
	line    Span // the first line, without its end
	headers Span // what follows it up to the blank line, present bytes only
}

const (
	maxMethod    = 16
	httpVersion  = "HTTP/1."
	versionBytes = len(httpVersion) + 1
)

// decodeHTTP reports whether the payload begins with an HTTP/1 message.
func (p *Parsed) decodeHTTP() bool {
	b, base := p.Bytes(p.Payload), p.Payload.Start
	h := &p.HTTP
	if !looksHTTP(b) {
		return false
	}
	eol := bytes.IndexByte(b, '\n')
	lineEnd, next := eol, eol+1
	if eol < 0 {
		// A request line longer than a segment: a method and a target that
		// goes on is enough to say so.
		lineEnd, next = len(b), len(b)
	}
	if lineEnd > 0 && b[lineEnd-1] == '\r' {
		lineEnd--
	}
	line := b[:lineEnd]
	ok := false
	if bytes.HasPrefix(line, []byte(httpVersion)) {
		ok = h.statusLine(line, base)
	} else {
		ok = h.requestLine(line, base, eol >= 0)
	}
	if !ok {
		*h = HTTPFields{}
		return false
	}
	p.Set |= HTTP
	h.line = Span{base, base + lineEnd}
	h.headers = Span{base + next, base + next}
	h.scanHeaders(b[next:], base+next)
	return true
}

// looksHTTP is the cheap test that lets other traffic pass.
func looksHTTP(b []byte) bool {
	if len(b) < 6 || b[0] < 'A' || b[0] > 'Z' {
		return false
	}
	for i, c := range b[:min(len(b), maxMethod)] {
		switch {
		case c == ' ':
			return i >= 3
		case c == '/':
			return bytes.HasPrefix(b, []byte(httpVersion))
		case c < 'A' || c > 'Z':
			return false
		}
	}
	return false
}

func (h *HTTPFields) requestLine(line []byte, base int, whole bool) bool {
	sp := bytes.IndexByte(line, ' ')
	if sp < 3 {
		return false
	}
	end := len(line)
	if whole {
		v := len(line) - versionBytes
		if v-1 <= sp || line[v-1] != ' ' || !bytes.HasPrefix(line[v:], []byte(httpVersion)) {
			return false
		}
		h.Version = Span{base + v, base + len(line)}
		end = v - 1
	} else if !knownMethod(line[:sp]) {
		return false
	}
	if end <= sp+1 {
		return false
	}
	h.Request = true
	h.Method = Span{base, base + sp}
	h.Target = Span{base + sp + 1, base + end}
	return true
}

func knownMethod(m []byte) bool {
	switch string(m) {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH":
		return true
	}
	return false
}

func (h *HTTPFields) statusLine(line []byte, base int) bool {
	const code = versionBytes + 1
	if len(line) < code+3 || line[versionBytes] != ' ' {
		return false
	}
	for _, c := range line[code : code+3] {
		if c < '0' || c > '9' {
			return false
		}
		h.Status = h.Status*10 + int(c-'0')
	}
	h.Version = Span{base, base + versionBytes}
	if len(line) > code+4 {
		h.Reason = Span{base + code + 4, base + len(line)}
	}
	return true
}

// scanHeaders finds the end of the header section in b and the Host in it.
func (h *HTTPFields) scanHeaders(b []byte, base int) {
	for off := 0; off < len(b); {
		n := bytes.IndexByte(b[off:], '\n')
		if n < 0 {
			h.headers.End = base + len(b)
			return
		}
		line := bytes.TrimSuffix(b[off:off+n], []byte{'\r'})
		if len(line) == 0 {
			h.headers.End = base + off
			return
		}
		if h.Host.Len() == 0 && len(line) > 5 && line[4] == ':' && foldEqual(line[:4], "host") {
			v := bytes.Trim(line[5:], " \t")
			at := base + off + len(line) - len(bytes.TrimLeft(line[5:], " \t"))
			h.Host = Span{at, at + len(v)}
		}
		off += n + 1
		h.headers.End = base + off
	}
}

// foldEqual reports whether b is the lower-case ASCII word, in any case.
func foldEqual(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
