package packet

import (
	"encoding/json"
	"strings"
	"testing"
)

// check holds what is true of every frame: spans lie in it, text is printable,
// fields lie in their layer.
func check(t *testing.T, p *Parsed) {
	t.Helper()
	for _, s := range []Span{
		p.Payload, p.ip, p.DNS.Message, p.TLS.ServerName, p.TLS.ALPN, p.TLS.hello,
		p.HTTP.Method, p.HTTP.Target, p.HTTP.Host, p.HTTP.Reason, p.HTTP.Version, p.HTTP.line, p.HTTP.headers,
	} {
		if s.Start < 0 || s.End < s.Start || s.End > len(p.Frame) {
			t.Fatalf("span %v in a frame of %d bytes", s, len(p.Frame))
		}
	}
	if p.PayloadLen < 0 || p.PayloadLen < p.Payload.Len() {
		t.Fatalf("PayloadLen %d, Payload %v", p.PayloadLen, p.Payload)
	}
	checkText(t, string(p.AppendInfo(nil)))
	end := 0
	for _, l := range p.Layers() {
		if l.Start < end || l.End < l.Start || l.End > len(p.Frame) {
			t.Fatalf("layer %s is %d:%d after %d, in a frame of %d bytes", l.Name, l.Start, l.End, end, len(p.Frame))
		}
		end = l.Start // an ICMP error may be shown again as data
		if l.Fields == nil {
			t.Fatalf("layer %s would be null in JSON", l.Name)
		}
		checkText(t, l.Summary)
		checkFields(t, l.Fields, l.Start, max(l.End, fieldsEnd(l)))
	}
}

// fieldsEnd lets an ICMP layer point at its message's target address, which is
// in the bytes behind its common header.
func fieldsEnd(l Layer) int {
	if l.Name == "icmpv6" {
		return l.End + 16
	}
	return l.End
}

func checkFields(t *testing.T, fields []Field, start, end int) {
	t.Helper()
	for _, f := range fields {
		if f.Start < start || f.End < f.Start || f.End > end {
			t.Fatalf("field %s %q is %d:%d, its parent %d:%d", f.Name, f.Label, f.Start, f.End, start, end)
		}
		checkText(t, f.Label)
		checkText(t, f.Value)
		checkFields(t, f.Fields, f.Start, f.End)
	}
}

func checkText(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r < 0x20 || r > 0x7e && r != '→' && r != '…' {
			t.Fatalf("text holds %q: %q", r, s)
		}
	}
}

// find returns the first field with a name, in the layers or below.
func find(layers []Layer, name string) (Field, bool) {
	var in func([]Field) (Field, bool)
	in = func(fields []Field) (Field, bool) {
		for _, f := range fields {
			if f.Name == name {
				return f, true
			}
			if g, ok := in(f.Fields); ok {
				return g, true
			}
		}
		return Field{}, false
	}
	for _, l := range layers {
		if f, ok := in(l.Fields); ok {
			return f, true
		}
	}
	return Field{}, false
}

func TestLayers(t *testing.T) {
	for _, x := range fixtures {
		check(t, decode(x.frame))
	}
	for _, x := range []struct {
		frame       []byte
		name, value string
		bytes       string // of the frame that the field covers
	}{
		{tcpSYN, "tcp.dstport", "80", "\x00\x50"},
		{tcpSYN, "tcp.flags.syn", "Set", "\x02"},
		{tcpSYN, "tcp.options.mss_val", "1460", "\x05\xb4"},
		{dnsAnswer, "dns.a", "93.184.216.34", "\x5d\xb8\xd8\x22"},
		{dnsAnswer, "dns.cname", "edge.example.org", "\x04edge\xc0\x10"},
		{dnsTCP, "dns.aaaa", "2606:2800:220:1::1", "\x26\x06\x28\x00\x02\x20\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01"},
		{dhcpACK, "dhcp.option.ip_address_lease_time", "1h0m0s (3600)", "\x00\x00\x0e\x10"},
		{dhcpDiscover, "dhcp.option.hostname", "slipway", "slipway"},
		{tlsHello, "tls.handshake.extensions_server_name", "secure.example.org", "secure.example.org"},
		{tlsHello, "tls.handshake.extensions.supported_version", "0x5a5a", "\x5a\x5a"},
		{httpRequest, "http.host", "example.org", "Host: example.org\r\n"},
		{httpResponse, "http.response.code", "404", "404"},
		{httpResponse, "data.data", "676f6e650a", "gone\n"},
		{vlanUDP, "vlan.id", "42", "\x60\x2a"},
		{ipv6Ext, "ipv6.fraghdr.ident", "0xdeadbeef", "\xde\xad\xbe\xef"},
		{neighborSolicit, "icmpv6.nd.ns.target_address", "fd00::1", "\xfd\x00" + strings.Repeat("\x00", 13) + "\x01"},
		{arpReply, "arp.src.hw_mac", "52:54:00:00:00:02", "\x52\x54\x00\x00\x00\x02"},
	} {
		f, ok := find(decode(x.frame).Layers(), x.name)
		switch {
		case !ok:
			t.Errorf("%s is missing", x.name)
		case f.Value != x.value:
			t.Errorf("%s = %q, want %q", x.name, f.Value, x.value)
		case string(x.frame[f.Start:f.End]) != x.bytes:
			t.Errorf("%s covers %q, want %q", x.name, x.frame[f.Start:f.End], x.bytes)
		}
	}
}

// TestTreeIsBounded shows a message made of as many records as fit, each with a
// long name, does not make a tree of a size to match.
func TestTreeIsBounded(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 3) + "\x00"
	msg := "\xbe\xef\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00" + long + "\x00\x01\x00\x01" +
		strings.Repeat("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04", 4000)
	layers := decode(withDNS([]byte(msg))).Layers()
	b, err := json.Marshal(layers)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 300_000 {
		t.Errorf("the tree takes %d bytes", len(b))
	}
	if !strings.Contains(string(b), `"More"`) {
		t.Error("nothing says that records were left out")
	}
}

func FuzzDecode(f *testing.F) {
	for _, x := range fixtures {
		f.Add(x.frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > MaxFrame {
			return
		}
		p := decode(frame)
		check(t, p)
		for it, n := p.DNSRecords(), 0; it.Next(); n++ {
			if n > len(frame)/11 {
				t.Fatal("more records than bytes for them")
			}
			checkText(t, string(it.AppendName(nil, it.Record().Name)))
		}
	})
}
