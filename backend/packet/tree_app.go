package packet

import (
	"bytes"
	"fmt"
	"strings"
)

func (t *tree) tls() {
	p := t.p
	end := p.Payload.End
	f := t.fields(end)
	off := p.Payload.Start
	for i := 0; off < end && isTLSRecord(p.Frame[off:end]); i++ {
		if i == maxItems {
			f.more(off)
			break
		}
		n := int(be16(p.Frame[off+3:]))
		last := min(off+tlsRecordLen+n, end)
		s := t.fields(last)
		s.num("tls.record.content_type", "Content type", off, 1, recordName(p.Frame[off]))
		s.hex("tls.record.version", "Version", off+1, 2, tlsVersionName(be16(p.Frame[off+1:])))
		s.num("tls.record.length", "Length", off+3, 2, "")
		value := recordName(p.Frame[off])
		switch {
		case i == 0 && p.TLS.Handshake != 0:
			value = handshakeName(p.TLS.Handshake)
			s.tlsHandshake(p, off+tlsRecordLen)
		case p.Frame[off] == recordData:
			s.raw("tls.app_data", "Encrypted data", off+tlsRecordLen, last-off-tlsRecordLen)
		}
		f.add("tls.record", "Record", value, off, last-off, s.list...)
		off = last
	}
	t.add("tls", "Transport Layer Security: "+string(p.tlsInfo(nil)), p.Payload.Start, off, f)
	t.data(off, end)
}

func (f *fields) tlsHandshake(p *Parsed, off int) {
	f.num("tls.handshake.type", "Handshake type", off, 1, handshakeName(p.TLS.Handshake))
	f.num("tls.handshake.length", "Handshake length", off+1, 3, "")
	if p.TLS.Handshake == handshakeClientHello {
		hello := fields{b: p.Frame[:p.TLS.hello.End]}
		hello.clientHello(p)
		f.list = append(f.list, hello.list...)
	}
}

// clientHello adds the fields of RFC 8446 §4.1.2, as far as the segment goes.
func (f *fields) clientHello(p *Parsed) {
	r := reader{b: p.Frame[:p.TLS.hello.End], off: p.TLS.hello.Start}
	f.hex("tls.handshake.version", "Version", r.off, 2, tlsVersionName(p.TLS.helloVersion))
	r.skip(2)
	f.raw("tls.handshake.random", "Random", r.off, 32)
	r.skip(32)
	f.num("tls.handshake.session_id_length", "Session ID length", r.off, 1, "")
	n := int(r.u8())
	f.raw("tls.handshake.session_id", "Session ID", r.off, n)
	r.skip(n)
	f.num("tls.handshake.cipher_suites_length", "Cipher suites length", r.off, 2, "")
	n = int(r.u16())
	suites := f.sub()
	for i := 0; i+2 <= n && len(suites.list) < maxItems; i += 2 {
		suites.hex("tls.handshake.ciphersuite", "Cipher suite", r.off+i, 2, "")
	}
	f.add("tls.handshake.ciphersuites", "Cipher suites", plural(n/2, "suite"), r.off, n, suites.list...)
	r.skip(n)
	r.skip(int(r.u8())) // compression methods: none are left in use
	f.num("tls.handshake.extensions_length", "Extensions length", r.off, 2, "")
	r.limit(int(r.u16()))
	for i := 0; !r.failed && r.left() >= 4; i++ {
		if i == maxItems {
			f.more(r.off)
			return
		}
		start := r.off
		typ, n := r.u16(), int(r.u16())
		body := r.sub(n)
		s := f.sub()
		s.num("tls.handshake.extension.type", "Type", start, 2, extName(typ))
		s.num("tls.handshake.extension.len", "Length", start+2, 2, "")
		s.extension(typ, body)
		f.add("", "Extension", fmt.Sprintf("%s (%d)", extName(typ), typ), start, min(4+n, len(r.b)-start), s.list...)
	}
}

func (f *fields) extension(typ uint16, r reader) {
	switch typ {
	case extServerName:
		if host := sniHost(r); host.Len() > 0 {
			f.text("tls.handshake.extensions_server_name", "Server name", host.Start, host.Len())
		}
	case extALPN:
		r.skip(2)
		for r.left() > 0 && !r.failed && len(f.list) < maxItems {
			if name := r.span(int(r.u8())); name.Len() > 0 {
				f.text("tls.handshake.extensions_alpn_str", "Protocol", name.Start, name.Len())
			}
		}
	case extSupportedVersions:
		r.skip(1)
		for r.left() >= 2 && len(f.list) < maxItems {
			v := r.u16()
			f.hex("tls.handshake.extensions.supported_version", "Supported version", r.off-2, 2, tlsVersionName(v))
		}
	default:
		f.raw("tls.handshake.extension.data", "Data", r.off, r.left())
	}
}

func extName(typ uint16) string {
	switch typ {
	case extServerName:
		return "server_name"
	case 5:
		return "status_request"
	case 10:
		return "supported_groups"
	case 11:
		return "ec_point_formats"
	case 13:
		return "signature_algorithms"
	case extALPN:
		return "application_layer_protocol_negotiation"
	case 18:
		return "signed_certificate_timestamp"
	case 21:
		return "padding"
	case 22:
		return "encrypt_then_mac"
	case 23:
		return "extended_master_secret"
	case 27:
		return "compress_certificate"
	case 35:
		return "session_ticket"
	case 41:
		return "pre_shared_key"
	case 42:
		return "early_data"
	case extSupportedVersions:
		return "supported_versions"
	case 45:
		return "psk_key_exchange_modes"
	case 51:
		return "key_share"
	case 0xff01:
		return "renegotiation_info"
	}
	if typ&0x0f0f == 0x0a0a && typ>>8 == typ&0xff { // RFC 8701
		return "GREASE"
	}
	return "unknown"
}

func (t *tree) http() {
	p, h := t.p, &t.p.HTTP
	f := t.fields(p.Payload.End)
	line := f.sub()
	prefix := "http.response"
	if h.Request {
		prefix = "http.request"
		line.text("http.request.method", "Method", h.Method.Start, h.Method.Len())
		line.text("http.request.uri", "Target", h.Target.Start, h.Target.Len())
		if h.Version.Len() > 0 {
			line.text("http.request.version", "Version", h.Version.Start, h.Version.Len())
		}
	} else {
		line.text("http.response.version", "Version", h.Version.Start, h.Version.Len())
		line.add("http.response.code", "Status code", fmt.Sprint(h.Status), h.Version.End+1, 3)
		if h.Reason.Len() > 0 {
			line.text("http.response.phrase", "Reason", h.Reason.Start, h.Reason.Len())
		}
	}
	f.add("", "First line", textOf(p.Bytes(h.line)), h.line.Start, h.line.Len(), line.list...)
	f.httpHeaders(prefix+".line", h.headers)
	end := h.headers.End
	if rest := p.Frame[end:p.Payload.End]; bytes.HasPrefix(rest, []byte("\r\n")) {
		end += 2
	} else if bytes.HasPrefix(rest, []byte("\n")) {
		end++
	}
	t.add("http", "Hypertext Transfer Protocol: "+string(p.httpInfo(nil)), p.Payload.Start, end, f)
	t.data(end, p.Payload.End)
}

// httpHeaders adds the header fields in at, each with the name that a display
// filter would use if there is one.
func (f *fields) httpHeaders(lineField string, at Span) {
	for i, off := 0, at.Start; off < at.End; i++ {
		if i == maxItems {
			f.more(off)
			return
		}
		n := bytes.IndexByte(f.b[off:at.End], '\n') + 1
		if n == 0 {
			n = at.End - off
		}
		line := bytes.TrimRight(f.b[off:off+n], "\r\n")
		name, value, ok := bytes.Cut(line, []byte{':'})
		field := lineField
		if ok {
			if known := knownHeader(string(bytes.ToLower(name))); known != "" {
				field = known
			}
		}
		f.add(field, textOf(name), textOf(bytes.Trim(value, " \t")), off, n)
		off += n
	}
}

// knownHeader is the display filter field of a header, given in lower case.
func knownHeader(name string) string {
	switch name {
	case "host", "connection", "date", "server", "referer", "cookie", "location", "upgrade", "accept":
		return "http." + name
	case "user-agent", "content-type", "content-encoding", "transfer-encoding", "set-cookie",
		"cache-control", "last-modified", "accept-language", "accept-encoding":
		return "http." + strings.ReplaceAll(name, "-", "_")
	case "content-length":
		return "http.content_length_header"
	case "authorization":
		return "http.authorization"
	case "x-forwarded-for":
		return "http.x_forwarded_for"
	}
	return ""
}
