package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// maxFilter bounds a filter's text, and with it the work for each packet.
const maxFilter = 1024

// FilterError is a filter that cannot be understood.
type FilterError struct {
	Pos  int    `json:"pos"` // byte offset in the filter's text
	Msg  string `json:"message"`
	Hint string `json:"hint"`
}

func (e *FilterError) Error() string { return fmt.Sprintf("filter: %s (%s)", e.Msg, e.Hint) }

// Filter is a compiled filter. It holds no state of a match, so that any number
// of readers may share one.
type Filter struct {
	terms []term
	text  bool // some term needs the packet's text
	names bool // some term needs names
}

type fieldKind uint8

const (
	fieldText fieldKind = iota
	fieldPort
	fieldHost
	fieldProto
	fieldContainer
	fieldDir
	fieldFlow
)

// term is one condition. Which of the values is used depends on field.
type term struct {
	field  fieldKind
	not    bool
	word   []byte // text, host: lower case
	whole  bool   // text: only between other characters than letters and digits
	prefix netip.Prefix
	name   string // container, or host if prefix is not valid
	number uint64 // port, flow, dir
	proto  packet.Set
}

// Compile reads a filter. Words are joined by "and"; a word with a leading "-"
// must not match; quotes hold a phrase together. A plain word is looked for in
// addresses, names, ports, protocol and info, in any case; a number only as a
// whole. The rest are fields:
//
//	port:80           either port
//	host:web          either end: a part of its name or address, or a network (10.0.0.0/8)
//	container:web     either end is exactly this container
//	proto:dns         the packet has this layer
//	dir:in            or out, as the guest sees it
//	flow:12           this flow
//
// Errors are of type *FilterError.
func Compile(text string) (*Filter, error) {
	if len(text) > maxFilter {
		return nil, &FilterError{maxFilter, "the filter is too long", fmt.Sprintf("use at most %d bytes", maxFilter)}
	}
	f := &Filter{}
	for pos := 0; pos < len(text); {
		if text[pos] == ' ' || text[pos] == '\t' {
			pos++
			continue
		}
		start := pos
		t := term{}
		if text[pos] == '-' {
			t.not = true
			pos++
		}
		word, quoted, end, err := takeWord(text, pos)
		if err != nil {
			return nil, err
		}
		if word == "" {
			return nil, &FilterError{start, "there is nothing to look for here", `write a word, such as -dns or "404 Not Found"`}
		}
		pos = end
		if err := t.parse(word, quoted, start); err != nil {
			return nil, err
		}
		f.text = f.text || t.field == fieldText
		f.names = f.names || t.field == fieldText || t.field == fieldHost || t.field == fieldContainer
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// takeWord returns the word at pos without its quotes, and where it ends.
// quoted is true if it began with one, and so is no field.
func takeWord(text string, pos int) (word string, quoted bool, end int, err error) {
	var b strings.Builder
	quoted = pos < len(text) && text[pos] == '"'
	for pos < len(text) && text[pos] != ' ' && text[pos] != '\t' {
		if text[pos] != '"' {
			b.WriteByte(text[pos])
			pos++
			continue
		}
		n := strings.IndexByte(text[pos+1:], '"')
		if n < 0 {
			return "", false, 0, &FilterError{pos, "a quote is not closed", `end the phrase with "`}
		}
		b.WriteString(text[pos+1 : pos+1+n])
		pos += n + 2
	}
	return b.String(), quoted, pos, nil
}

func (t *term) parse(word string, quoted bool, pos int) error {
	name, value, isField := strings.Cut(word, ":")
	if quoted || !isField || !isLetters(name) || strings.HasPrefix(value, "//") || isAddress(word) {
		t.word = []byte(strings.ToLower(word))
		t.whole = strings.Trim(word, "0123456789") == ""
		return nil
	}
	pos += strings.IndexByte(word, ':') + 1
	if t.not {
		pos++
	}
	if value == "" {
		return &FilterError{pos, fmt.Sprintf("%s: has no value", name), fmt.Sprintf("write it without a space, such as %s:%s", name, exampleOf(name))}
	}
	switch strings.ToLower(name) {
	case "port":
		t.field = fieldPort
		return t.parseNumber(value, 16, pos, "a port is a number from 0 to 65535")
	case "flow":
		t.field = fieldFlow
		return t.parseNumber(value, 64, pos, "a flow is a number, as the flow list shows it")
	case "dir":
		t.field = fieldDir
		switch strings.ToLower(value) {
		case "in":
			t.number = uint64(ToGuest)
		case "out":
			t.number = uint64(FromGuest)
		default:
			return &FilterError{pos, fmt.Sprintf("%q is no direction", value), "use dir:in for what the guest receives, dir:out for what it sends"}
		}
	case "proto":
		t.field = fieldProto
		t.proto = protocols[strings.ToLower(value)]
		if t.proto == 0 {
			return &FilterError{pos, fmt.Sprintf("%q is no protocol known here", value), "use one of " + protocolList}
		}
	case "host":
		t.field = fieldHost
		if p, err := netip.ParsePrefix(value); err == nil {
			t.prefix = p.Masked()
		} else if a, err := netip.ParseAddr(value); err == nil {
			t.prefix = netip.PrefixFrom(a, a.BitLen())
		} else {
			t.word = []byte(strings.ToLower(value))
		}
	case "container":
		t.field = fieldContainer
		t.name = value
	default:
		return &FilterError{
			pos - len(name) - 1, fmt.Sprintf("there is no field %q", name),
			`use port, host, container, proto, dir or flow; to search for the text, put it in quotes`,
		}
	}
	return nil
}

func (t *term) parseNumber(value string, bits, pos int, hint string) (err error) {
	if t.number, err = strconv.ParseUint(value, 10, bits); err != nil {
		return &FilterError{pos, fmt.Sprintf("%q does not fit", value), hint}
	}
	return nil
}

var protocols = map[string]packet.Set{
	"eth": packet.Ethernet, "vlan": packet.VLAN, "arp": packet.ARP,
	"ip": packet.IPv4, "ipv4": packet.IPv4, "ipv6": packet.IPv6,
	"icmp": packet.ICMPv4, "icmpv6": packet.ICMPv6, "udp": packet.UDP, "tcp": packet.TCP,
	"dns": packet.DNS, "dhcp": packet.DHCP, "tls": packet.TLS, "http": packet.HTTP,
}

const protocolList = "eth, vlan, arp, ip, ipv6, icmp, icmpv6, udp, tcp, dns, dhcp, tls, http"

func exampleOf(field string) string {
	switch field {
	case "port":
		return "80"
	case "proto":
		return "dns"
	case "dir":
		return "in"
	case "flow":
		return "12"
	}
	return "web"
}

func isLetters(s string) bool {
	for _, c := range []byte(s) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return s != ""
}

// isAddress reports whether a word with colons is a whole address, so that
// dead::beef is not taken for a field.
func isAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) == 17 && strings.Count(s, ":") == 5
}

// match reports whether the packet in v is what the filter asks for.
func (f *Filter) match(v *view) bool {
	if len(f.terms) == 0 {
		return true
	}
	v.decode()
	if f.names {
		v.label()
	}
	if f.text {
		v.render()
	}
	for i := range f.terms {
		if t := &f.terms[i]; t.match(v) == t.not {
			return false
		}
	}
	return true
}

func (t *term) match(v *view) bool {
	switch t.field {
	case fieldPort:
		return v.parsed.Set.Any(packet.TCP|packet.UDP) &&
			(uint64(v.parsed.SrcPort) == t.number || uint64(v.parsed.DstPort) == t.number)
	case fieldFlow:
		return v.flow == t.number
	case fieldDir:
		return uint64(v.dir) == t.number
	case fieldProto:
		return v.parsed.Set.Any(t.proto)
	case fieldContainer:
		return v.names.srcContainer == t.name || v.names.dstContainer == t.name
	case fieldHost:
		if t.prefix.IsValid() {
			return t.prefix.Contains(v.src) || t.prefix.Contains(v.dst)
		}
		return v.hosts(t.word)
	}
	if t.whole {
		return containsWhole(v.text, t.word)
	}
	return bytes.Contains(v.text, t.word)
}

// containsWhole reports whether the word stands in text with neither a letter
// nor a digit beside it.
func containsWhole(text, word []byte) bool {
	for off := 0; ; off++ {
		i := bytes.Index(text[off:], word)
		if i < 0 {
			return false
		}
		off += i
		end := off + len(word)
		if (off == 0 || !isWordByte(text[off-1])) && (end == len(text) || !isWordByte(text[end])) {
			return true
		}
	}
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
