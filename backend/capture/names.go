package capture

import (
	"net/netip"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

const (
	maxLearned  = 8192  // addresses named by DNS answers
	maxRemember = 4096  // addresses that Names once knew
	maxPast     = 16384 // flows whose names outlive them
	maxDetail   = 255   // bytes of a server name, host or question that is kept

	// nameGrace is how long after its last packet a flow may still get a name.
	nameGrace = 10 * time.Second
)

// memory is a map that forgets the oldest key when full.
type memory[K, V comparable] struct {
	max     int
	m       map[K]V
	order   []K // a ring once max long
	at      int
	dropped uint64
}

func newMemory[K, V comparable](n int) memory[K, V] {
	return memory[K, V]{max: n, m: map[K]V{}}
}

func (m *memory[K, V]) put(k K, v V) {
	old, known := m.m[k]
	if known && old == v {
		return
	}
	m.m[k] = v
	switch {
	case known:
	case len(m.order) < m.max:
		m.order = append(m.order, k)
	default:
		delete(m.m, m.order[m.at])
		m.order[m.at] = k
		m.at = (m.at + 1) % m.max
		m.dropped++
	}
}

// names joins what the engine knows with what the frames told. Its methods are
// called with the Capture's lock held.
type names struct {
	source  Names                        // may be nil
	parties memory[netip.Addr, Endpoint] // by address alone: the last answer of source
	dns     memory[netip.Addr, string]   // by address: the question that it answered
	past    memory[uint64, label]        // of flows no longer in the table, whose packets may still be kept
	buf     []byte
}

func newNames(source Names) names {
	return names{
		source:  source,
		parties: newMemory[netip.Addr, Endpoint](maxRemember),
		dns:     newMemory[netip.Addr, string](maxLearned),
		past:    newMemory[uint64, label](maxPast),
		buf:     make([]byte, 0, 1024),
	}
}

// party asks the source about ep.
func (n *names) party(proto uint8, ep netip.AddrPort) (Endpoint, bool) {
	if n.source == nil || !ep.Addr().IsValid() {
		return Endpoint{}, false
	}
	return n.source.Name(proto, ep)
}

// address is the name of an address alone, as it is or last was: a party, else
// a DNS name, else empty.
func (n *names) address(a netip.Addr) string {
	if e, ok := n.party(0, netip.AddrPortFrom(a, 0)); ok {
		n.parties.put(a, e)
		return e.Name
	}
	if e, ok := n.parties.m[a]; ok {
		return e.Name
	}
	return n.dns.m[a]
}

// learn takes addresses from a DNS answer. All of them get the name asked for,
// not the canonical one at the end of an alias chain, because the first is what
// the program said.
func (n *names) learn(p *packet.Parsed, dir Direction) {
	if dir != ToGuest || !p.Set.Has(packet.DNS) || !p.DNS.Response() || p.DNS.QName == 0 ||
		p.DNS.QType != packet.TypeA && p.DNS.QType != packet.TypeAAAA {
		return
	}
	n.buf = p.AppendQName(n.buf[:0])
	if len(n.buf) > maxDetail {
		return // escapes have made it longer than any host's name
	}
	for it := p.DNSRecords(); it.Next() && it.Index() < int(p.DNS.Answers); {
		a := it.Record().Addr
		if !a.IsValid() || n.dns.m[a] == string(n.buf) {
			continue
		}
		n.dns.put(a, string(n.buf))
	}
}

// resolve fills in the parties of f that are not known yet. A flow that has been
// over for a while is left alone: its address may be somebody else's by now.
func (n *names) resolve(f *flow, now time.Time) {
	if f.done() && now.Sub(f.last) > nameGrace {
		return
	}
	if f.srcInfo.Name == "" {
		f.srcInfo, _ = n.party(f.key.proto, f.src)
	}
	if f.dstInfo.Name == "" {
		f.dstInfo, _ = n.party(f.key.proto, f.dst)
	}
}

// srcName and dstName are the names of a flow's ends, or empty.
func (n *names) srcName(f *flow) string {
	if f.srcInfo.Name != "" {
		return f.srcInfo.Name
	}
	return n.address(f.src.Addr())
}

func (n *names) dstName(f *flow) string {
	switch {
	case f.dstInfo.Name != "":
		return f.dstInfo.Name
	case (f.app == "TLS" || f.app == "HTTP") && f.detail != "":
		return f.detail
	}
	return n.address(f.dst.Addr())
}

func (n *names) label(f *flow) label {
	return label{f.dir, n.srcName(f), n.dstName(f), f.srcInfo.Container, f.dstInfo.Container}
}

// keep remembers the names of a flow that leaves the table, if addresses alone
// would not give them.
func (n *names) keep(f *flow) {
	if f.srcInfo.Name != "" || f.dstInfo.Name != "" || f.detail != "" {
		n.past.put(f.id, n.label(f))
	}
}

// note records which application p shows its flow to carry.
func (n *names) note(f *flow, p *packet.Parsed) {
	switch {
	case p.Set.Has(packet.TLS):
		f.app = "TLS"
		n.detail(f, p.Bytes(p.TLS.ServerName))
	case p.Set.Has(packet.HTTP):
		// Once a flow is TLS, what looks like HTTP is chance.
		if f.app == "" || f.app == "HTTP" {
			f.app = "HTTP"
			n.detail(f, p.Bytes(p.HTTP.Host))
		}
	case p.Set.Has(packet.DNS):
		f.app = p.Protocol()
		if !p.DNS.Response() && p.DNS.QName > 0 {
			n.buf = p.AppendQName(n.buf[:0])
			n.detail(f, n.buf)
		}
	case p.Set.Has(packet.DHCP):
		f.app = "DHCP"
	}
}

// detail sets a flow's detail to text a frame showed, unless there is none.
func (n *names) detail(f *flow, text []byte) {
	if len(text) == 0 || len(text) > maxDetail || string(text) == f.detail {
		return
	}
	for _, c := range text {
		if c <= 0x20 || c > 0x7e {
			return
		}
	}
	f.detail = string(text)
}
