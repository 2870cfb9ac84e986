package packet

import (
	"fmt"
	"strings"
)

func (t *tree) dns() {
	p, d := t.p, &t.p.DNS
	off := d.Message.Start
	f := t.fields(d.Message.End)
	if p.Set.Has(TCP) {
		f.num("dns.length", "Length", off-2, 2, "")
	}
	f.hex("dns.id", "Transaction ID", off, 2, "")
	f.add("dns.flags", "Flags", fmt.Sprintf("0x%04x", d.Flags), off+2, 2, f.dnsFlags(d, off+2)...)
	f.num("dns.count.queries", "Questions", off+4, 2, "")
	f.num("dns.count.answers", "Answers", off+6, 2, "")
	f.num("dns.count.auth_rr", "Authority records", off+8, 2, "")
	f.num("dns.count.add_rr", "Additional records", off+10, 2, "")
	at := f.dnsQuestions(d, off)
	f.dnsRecords(p, at)
	name := strings.ToLower(p.Protocol())
	start := off
	if p.Set.Has(TCP) {
		start -= 2
	}
	t.add(name, "Domain Name System: "+string(p.dnsInfo(nil)), start, d.Message.End, f)
	t.data(d.Message.End, p.Payload.End)
}

func (f *fields) dnsFlags(d *DNSFields, off int) []Field {
	s := f.sub()
	s.bit("dns.flags.response", "Response", off, 2, 0x8000)
	s.add("dns.flags.opcode", "Opcode", fmt.Sprint(d.Flags>>11&15), off, 2)
	if d.Response() {
		s.bit("dns.flags.authoritative", "Authoritative", off, 2, 0x0400)
	}
	s.bit("dns.flags.truncated", "Truncated", off, 2, 0x0200)
	s.bit("dns.flags.recdesired", "Recursion desired", off, 2, 0x0100)
	if d.Response() {
		s.bit("dns.flags.recavail", "Recursion available", off, 2, 0x0080)
		s.add("dns.flags.rcode", "Reply code", fmt.Sprintf("%s (%d)", rcodeName(d.RCode()), d.RCode()), off, 2)
	}
	return s.list
}

// dnsQuestions adds the questions and returns where they end.
func (f *fields) dnsQuestions(d *DNSFields, base int) int {
	msg := f.b[base:]
	off := dnsHeaderLen
	for i := range d.Questions {
		n := dnsNameLen(msg, off)
		if n == 0 || off+n+4 > len(msg) {
			return base + off
		}
		if i == maxItems {
			f.more(base + off)
			return len(f.b)
		}
		name, _ := appendDNSName(nil, msg, off)
		q := f.sub()
		q.add("dns.qry.name", "Name", string(name), base+off, n)
		q.num("dns.qry.type", "Type", base+off+n, 2, dnsTypeName(be16(msg[off+n:])))
		q.hex("dns.qry.class", "Class", base+off+n+2, 2, dnsClass(be16(msg[off+n+2:])))
		f.add("", "Question", string(name), base+off, n+4, q.list...)
		off += n + 4
	}
	return base + off
}

func dnsClass(c uint16) string {
	if c&0x7fff == 1 { // mDNS uses the top bit (RFC 6762 §5.4, §10.2)
		return "IN"
	}
	return ""
}

func (f *fields) dnsRecords(p *Parsed, end int) {
	d := &p.DNS
	base := d.Message.Start
	for it := p.DNSRecords(); it.Next(); {
		r := it.Record()
		if it.Index() == maxItems {
			f.more(end)
			return
		}
		section := "Answer"
		switch {
		case it.Index() >= int(d.Answers)+int(d.Authority):
			section = "Additional"
		case it.Index() >= int(d.Answers):
			section = "Authority"
		}
		start, fixed := base+r.span.Start, base+r.Data.Start-10
		name := string(it.AppendName(nil, r.Name))
		s := f.sub()
		s.add("dns.resp.name", "Name", name, start, fixed-start)
		s.num("dns.resp.type", "Type", fixed, 2, dnsTypeName(r.Type))
		if r.Type != TypeOPT {
			s.hex("dns.resp.class", "Class", fixed+2, 2, dnsClass(r.Class))
			s.add("dns.resp.ttl", "Time to live", fmt.Sprintf("%d s", r.TTL), fixed+4, 4)
		}
		s.num("dns.resp.len", "Data length", fixed+8, 2, "")
		s.dnsData(&it, base)
		value := name + " " + string(appendDNSType(nil, r.Type))
		f.add("", section, value, start, r.span.Len(), s.list...)
		end = base + r.span.End
	}
}

// dnsData adds what the record's data says. Names in it may be compressed, and
// refer to the whole message, but the bytes they take are in the data.
func (f *fields) dnsData(it *DNSRecords, base int) {
	r := it.Record()
	off, n := base+r.Data.Start, r.Data.Len()
	name := func(field, label string, skip int) {
		if skip < n {
			f.add(field, label, string(it.AppendName(nil, r.Data.Start+skip)), off+skip, n-skip)
		}
	}
	switch r.Type {
	case TypeA:
		f.ipData("dns.a", r, off, n)
	case TypeAAAA:
		f.ipData("dns.aaaa", r, off, n)
	case TypeCNAME:
		name("dns.cname", "Canonical name", 0)
	case TypeNS:
		name("dns.ns", "Name server", 0)
	case TypePTR:
		name("dns.ptr.domain_name", "Domain name", 0)
	case TypeMX:
		f.num("dns.mx.preference", "Preference", off, min(n, 2), "")
		name("dns.mx.mail_exchange", "Mail exchange", 2)
	case TypeSRV:
		if n > 6 {
			f.num("dns.srv.priority", "Priority", off, 2, "")
			f.num("dns.srv.weight", "Weight", off+2, 2, "")
			f.num("dns.srv.port", "Port", off+4, 2, "")
			name("dns.srv.target", "Target", 6)
		}
	case TypeTXT:
		for i := 0; i < n && len(f.list) < maxItems; {
			c := int(f.b[off+i])
			if i+1+c > n {
				break
			}
			f.text("dns.txt", "Text", off+i+1, c)
			i += 1 + c
		}
	case TypeSOA:
		if m := dnsNameLen(it.msg[:r.Data.End], r.Data.Start); m > 0 {
			f.add("dns.soa.mname", "Primary server", string(it.AppendName(nil, r.Data.Start)), off, m)
		}
	default:
		f.raw("dns.data", "Data", off, n)
	}
}

func (f *fields) ipData(name string, r *DNSRecord, off, n int) {
	if r.Addr.IsValid() {
		f.add(name, "Address", r.Addr.String(), off, n)
	}
}
