package packet

import "net/netip"

const (
	portDNS   = 53
	portMDNS  = 5353
	portLLMNR = 5355

	dnsHeaderLen = 12
	maxDNSName   = 255 // RFC 1035 §2.3.4, as bytes on the wire
)

// DNS record types told apart here (RFC 1035, 3596, 2782, 9460).
const (
	TypeA     = 1
	TypeNS    = 2
	TypeCNAME = 5
	TypeSOA   = 6
	TypePTR   = 12
	TypeMX    = 15
	TypeTXT   = 16
	TypeAAAA  = 28
	TypeSRV   = 33
	TypeOPT   = 41
	TypeSVCB  = 64
	TypeHTTPS = 65
	TypeANY   = 255
)

// DNSFields are those of a message's header and first question (RFC 1035 §4.1).
type DNSFields struct {
	Message                                   Span // without TCP's length
	ID                                        uint16
	Flags                                     uint16
	Questions, Answers, Authority, Additional uint16
	QName                                     int // offset of the first question's name in the frame; 0: none
	QType                                     uint16
}

// Response reports whether the message is an answer.
func (d *DNSFields) Response() bool { return d.Flags&0x8000 != 0 }

// RCode is the response code: 0 success, 3 no such name.
func (d *DNSFields) RCode() int { return int(d.Flags & 0xf) }

func isDNSPort(port uint16) bool {
	return port == portDNS || port == portMDNS || port == portLLMNR
}

func dnsFlavour(src, dst uint16) string {
	switch {
	case src == portMDNS || dst == portMDNS:
		return "mDNS"
	case src == portLLMNR || dst == portLLMNR:
		return "LLMNR"
	}
	return "DNS"
}

// decodeDNSOverTCP reads the first message of a segment, which a length precedes
// (RFC 1035 §4.2.2). A segment that continues a message looks like anything, so
// only what has exactly one question, as all messages in practice do, counts.
func (p *Parsed) decodeDNSOverTCP() {
	b := p.Bytes(p.Payload)
	if len(b) < 2+dnsHeaderLen || be16(b) < dnsHeaderLen || be16(b[2+4:]) != 1 {
		return
	}
	off := p.Payload.Start + 2
	p.decodeDNS(off, min(off+int(be16(b)), p.Payload.End))
}

func (p *Parsed) decodeDNS(off, end int) {
	if end-off < dnsHeaderLen {
		if !p.Truncated {
			p.Malformed |= DNS
		}
		return
	}
	b := p.Frame[off:end]
	p.Set |= DNS
	d := &p.DNS
	d.Message = Span{off, end}
	d.ID, d.Flags = be16(b), be16(b[2:])
	d.Questions, d.Answers = be16(b[4:]), be16(b[6:])
	d.Authority, d.Additional = be16(b[8:]), be16(b[10:])
	if d.Questions == 0 {
		return
	}
	n := dnsNameLen(b, dnsHeaderLen)
	if n == 0 || dnsHeaderLen+n+4 > len(b) {
		if !p.Truncated {
			p.Malformed |= DNS
		}
		return
	}
	d.QName = off + dnsHeaderLen
	d.QType = be16(b[dnsHeaderLen+n:])
}

// dnsNameLen is the number of bytes the name at off takes there, following no
// pointer, or 0 if it runs out of the message.
func dnsNameLen(msg []byte, off int) int {
	for i := off; i < len(msg); {
		switch c := int(msg[i]); {
		case c == 0:
			return i + 1 - off
		case c&0xc0 == 0xc0:
			if i+2 > len(msg) {
				return 0
			}
			return i + 2 - off
		case c&0xc0 != 0:
			return 0
		default:
			i += 1 + c
		}
		if i-off > maxDNSName {
			return 0
		}
	}
	return 0
}

// appendDNSName appends the name at off of msg, dots between labels, "." for
// the root, and reports whether the name was sound. A pointer must lead to
// before the place where the run of labels it ends began, so a loop
// cannot be made; the length is that of RFC 1035.
func appendDNSName(dst, msg []byte, off int) ([]byte, bool) {
	start, wire, limit := len(dst), 0, off
	for off < len(msg) {
		c := int(msg[off])
		switch {
		case c == 0:
			if len(dst) == start {
				dst = append(dst, '.')
			}
			return dst, true
		case c&0xc0 == 0xc0:
			if off+2 > len(msg) {
				return dst, false
			}
			to := c&0x3f<<8 | int(msg[off+1])
			if to >= limit {
				return dst, false
			}
			off, limit = to, to
		case c&0xc0 != 0:
			return dst, false
		default:
			wire += 1 + c
			if off+1+c > len(msg) || wire > maxDNSName {
				return dst, false
			}
			if len(dst) > start {
				dst = append(dst, '.')
			}
			dst = appendLabel(dst, msg[off+1:off+1+c])
			off += 1 + c
		}
	}
	return dst, false
}

// appendLabel appends a label as text; a dot inside it is escaped as in zone
// files (RFC 1035 §5.1).
func appendLabel(dst, label []byte) []byte {
	for _, c := range label {
		if c == '.' {
			dst = append(dst, '\\')
		}
		dst = appendPrintable(dst, c)
	}
	return dst
}

// AppendQName appends the first question's name.
func (p *Parsed) AppendQName(dst []byte) []byte {
	if p.DNS.QName == 0 {
		return dst
	}
	msg := p.Bytes(p.DNS.Message)
	dst, _ = appendDNSName(dst, msg, p.DNS.QName-p.DNS.Message.Start)
	return dst
}

// DNSRecord is one resource record.
type DNSRecord struct {
	Name  int // offset of its owner's name, in the message
	Type  uint16
	Class uint16
	TTL   uint32
	Data  Span       // in the message
	Addr  netip.Addr // valid iff Type is TypeA or TypeAAAA
	span  Span       // the whole record, in the message
}

// DNSRecords walks the records of a message in order: answers, authority,
// additional.
type DNSRecords struct {
	msg   []byte
	off   int
	left  int
	index int
	rec   DNSRecord
}

// DNSRecords returns a walker over the message's records; empty unless Set has
// DNS. It stops at the first record that does not fit the message.
func (p *Parsed) DNSRecords() DNSRecords {
	if !p.Set.Has(DNS) {
		return DNSRecords{}
	}
	d := &p.DNS
	r := DNSRecords{msg: p.Bytes(d.Message), off: dnsHeaderLen}
	for range d.Questions {
		n := dnsNameLen(r.msg, r.off)
		if n == 0 || r.off+n+4 > len(r.msg) {
			return DNSRecords{}
		}
		r.off += n + 4
	}
	r.left = int(d.Answers) + int(d.Authority) + int(d.Additional)
	r.index = -1
	return r
}

// Next advances to the next record, if there is one.
func (r *DNSRecords) Next() bool {
	if r.left == 0 {
		return false
	}
	r.left--
	n := dnsNameLen(r.msg, r.off)
	at := r.off + n
	if n == 0 || at+10 > len(r.msg) {
		r.left = 0
		return false
	}
	b := r.msg[at:]
	data := Span{at + 10, at + 10 + int(be16(b[8:]))}
	if data.End > len(r.msg) {
		r.left = 0
		return false
	}
	r.rec = DNSRecord{
		Name: r.off, Type: be16(b), Class: be16(b[2:]), TTL: be32(b[4:]),
		Data: data, span: Span{r.off, data.End},
	}
	switch {
	case r.rec.Type == TypeA && data.Len() == 4:
		r.rec.Addr = netip.AddrFrom4([4]byte(r.msg[data.Start:]))
	case r.rec.Type == TypeAAAA && data.Len() == 16:
		r.rec.Addr = netip.AddrFrom16([16]byte(r.msg[data.Start:]))
	}
	r.off = data.End
	r.index++
	return true
}

// Record is the one Next advanced to.
func (r *DNSRecords) Record() *DNSRecord { return &r.rec }

// Index is that record's place, from 0; those below DNSFields.Answers are
// answers.
func (r *DNSRecords) Index() int { return r.index }

// AppendName appends the name at off of the message.
func (r *DNSRecords) AppendName(dst []byte, off int) []byte {
	dst, _ = appendDNSName(dst, r.msg, off)
	return dst
}

func dnsTypeName(t uint16) string {
	switch t {
	case TypeA:
		return "A"
	case TypeNS:
		return "NS"
	case TypeCNAME:
		return "CNAME"
	case TypeSOA:
		return "SOA"
	case TypePTR:
		return "PTR"
	case TypeMX:
		return "MX"
	case TypeTXT:
		return "TXT"
	case TypeAAAA:
		return "AAAA"
	case TypeSRV:
		return "SRV"
	case TypeOPT:
		return "OPT"
	case TypeSVCB:
		return "SVCB"
	case TypeHTTPS:
		return "HTTPS"
	case TypeANY:
		return "ANY"
	}
	return ""
}

func rcodeName(code int) string {
	names := [...]string{
		"No error", "Format error", "Server failure", "No such name",
		"Not implemented", "Refused",
	}
	if code < len(names) {
		return names[code]
	}
	return "Error"
}
