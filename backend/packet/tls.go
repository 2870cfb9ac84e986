package packet

const (
	tlsRecordLen = 5
	// maxTLSRecord is the greatest length of a protected record: RFC 5246
	// §6.2.3 (RFC 8446 allows less).
	maxTLSRecord = 1<<14 + 2048

	recordChangeCipher = 20
	recordAlert        = 21
	recordHandshake    = 22
	recordData         = 23

	handshakeClientHello = 1
	handshakeServerHello = 2

	extServerName        = 0
	extALPN              = 16
	extSupportedVersions = 43
)

// TLSFields are those of the first record of a segment and, if it holds a
// ClientHello, of that (RFC 8446 §4.1.2). A ClientHello longer than the segment
// is read as far as it goes.
type TLSFields struct {
	Record        uint8  // type of the first record: 20 to 23
	Version       uint16 // of the first record
	Handshake     uint8  // type of its first message; valid iff in the clear, else 0
	ServerName    Span   // SNI; empty: none, or not in this segment
	ALPN          Span   // first protocol offered
	MaxVersion    uint16 // highest version offered that is not GREASE; 0: unknown
	HelloComplete bool   // the whole ClientHello was in the segment
	hello         Span
	helloVersion  uint16 // legacy_version of the ClientHello
}

// decodeTLS reports whether the payload begins with a TLS record.
func (p *Parsed) decodeTLS() bool {
	b := p.Bytes(p.Payload)
	if !isTLSRecord(b) {
		return false
	}
	p.Set |= TLS
	t := &p.TLS
	t.Record, t.Version = b[0], be16(b[1:])
	end := min(tlsRecordLen+int(be16(b[3:])), len(b))
	if t.Record != recordHandshake || end < tlsRecordLen+4 {
		return true
	}
	n := int(b[6])<<16 | int(be16(b[7:]))
	// An encrypted handshake message shows a random type and length; a clear
	// one fits the record, unless it is a hello too long for one.
	switch typ := b[5]; {
	case typ == handshakeClientHello:
		t.Handshake = typ
		t.HelloComplete = tlsRecordLen+4+n <= end
		t.hello = Span{p.Payload.Start + tlsRecordLen + 4, p.Payload.Start + min(tlsRecordLen+4+n, end)}
		p.decodeHello()
	case typ == handshakeServerHello, handshakeName(typ) != "" && tlsRecordLen+4+n <= end:
		t.Handshake = typ
	}
	return true
}

func isTLSRecord(b []byte) bool {
	return len(b) >= tlsRecordLen && b[0] >= recordChangeCipher && b[0] <= recordData &&
		b[1] == 3 && b[2] <= 4 && be16(b[3:]) <= maxTLSRecord && be16(b[3:]) > 0
}

// decodeHello reads the ClientHello whose body is in p.TLS.hello.
func (p *Parsed) decodeHello() {
	t := &p.TLS
	r := reader{b: p.Frame[:t.hello.End], off: t.hello.Start}
	t.helloVersion = r.u16()
	t.MaxVersion = t.helloVersion
	r.skip(32)            // random
	r.skip(int(r.u8()))   // session
	r.skip(int(r.u16()))  // cipher suites
	r.skip(int(r.u8()))   // compression methods
	r.limit(int(r.u16())) // extensions
	for !r.failed && r.left() > 0 {
		typ, n := r.u16(), int(r.u16())
		body := r.sub(n)
		switch typ {
		case extServerName:
			t.ServerName = sniHost(body)
		case extALPN:
			body.skip(2)
			t.ALPN = body.span(int(body.u8()))
		case extSupportedVersions:
			t.MaxVersion = maxVersion(body)
		}
	}
}

// sniHost reads a server_name extension (RFC 6066 §3).
func sniHost(r reader) Span {
	r.skip(2)
	if r.u8() != 0 {
		return Span{}
	}
	return r.span(int(r.u16()))
}

// maxVersion reads a supported_versions extension (RFC 8446 §4.2.1), leaving
// out the reserved values of RFC 8701.
func maxVersion(r reader) (best uint16) {
	r.skip(1)
	for r.left() >= 2 {
		if v := r.u16(); v>>8 == 3 && v > best {
			best = v
		}
	}
	return best
}

func tlsVersionName(v uint16) string {
	switch v {
	case 0x0300:
		return "SSL 3.0"
	case 0x0301:
		return "TLS 1.0"
	case 0x0302:
		return "TLS 1.1"
	case 0x0303:
		return "TLS 1.2"
	case 0x0304:
		return "TLS 1.3"
	}
	return ""
}

func recordName(typ uint8) string {
	switch typ {
	case recordChangeCipher:
		return "Change Cipher Spec"
	case recordAlert:
		return "Alert"
	case recordHandshake:
		return "Handshake"
	}
	return "Application Data"
}

func handshakeName(typ uint8) string {
	switch typ {
	case 0:
		return "Hello Request"
	case handshakeClientHello:
		return "Client Hello"
	case handshakeServerHello:
		return "Server Hello"
	case 4:
		return "New Session Ticket"
	case 8:
		return "Encrypted Extensions"
	case 11:
		return "Certificate"
	case 12:
		return "Server Key Exchange"
	case 13:
		return "Certificate Request"
	case 14:
		return "Server Hello Done"
	case 15:
		return "Certificate Verify"
	case 16:
		return "Client Key Exchange"
	case 20:
		return "Finished"
	case 22:
		return "Certificate Status"
	}
	return ""
}

// reader takes big-endian numbers and runs of bytes from b[off:]. What is not
// there reads as zero and sets failed, after which nothing is there.
type reader struct {
	b      []byte
	off    int
	failed bool
}

func (r *reader) left() int { return len(r.b) - r.off }

func (r *reader) take(n int) bool {
	if r.failed || n > r.left() {
		r.failed = true
		return false
	}
	r.off += n
	return true
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) u8() uint8 {
	if !r.take(1) {
		return 0
	}
	return r.b[r.off-1]
}

func (r *reader) u16() uint16 {
	if !r.take(2) {
		return 0
	}
	return be16(r.b[r.off-2:])
}

// span takes n bytes and says where they are; empty if they are not all there.
func (r *reader) span(n int) Span {
	if !r.take(n) {
		return Span{}
	}
	return Span{r.off - n, r.off}
}

// sub takes n bytes, or what is left of them, as a reader of their own.
func (r *reader) sub(n int) reader {
	end := min(r.off+n, len(r.b))
	s := reader{b: r.b[:end], off: r.off, failed: r.failed}
	r.skip(n)
	return s
}

// limit ends the reader n bytes on, if that is before its end.
func (r *reader) limit(n int) {
	if n < r.left() {
		r.b = r.b[:r.off+n]
	}
}
