package resolver

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// upstreamServer is a DNS server on the loopback interface, over UDP and TCP
// on one port, that answers what its handler says. A nil answer is silence.
type upstreamServer struct {
	addr     netip.AddrPort
	udp, tcp atomic.Int32
}

func serve(t *testing.T, handle func(q *dns.Msg, tcp bool) *dns.Msg) *upstreamServer {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	pc, err := net.ListenPacket("udp4", addr.String())
	if err != nil {
		t.Skipf("the same port is taken for UDP: %v", err)
	}
	u := &upstreamServer{addr: addr}
	mux := func(count *atomic.Int32, tcp bool) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			count.Add(1)
			if m := handle(q, tcp); m != nil {
				_ = w.WriteMsg(m)
			}
		}
	}
	servers := []*dns.Server{{PacketConn: pc, Handler: mux(&u.udp, false)}, {Listener: l, Handler: mux(&u.tcp, true)}}
	for _, s := range servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		go func() { defer close(done); _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown(); <-done })
	}
	return u
}

func newResolver(t *testing.T, up Upstream) *Resolver {
	t.Helper()
	if up.File == "" {
		up.File = os.DevNull
	}
	r, err := New(Config{Names: map[string]netip.Addr{
		"host.docker.internal": netip.MustParseAddr("192.168.65.254"),
		"db.internal":          netip.MustParseAddr("fd00::7"),
	}, Upstream: up, Pending: 4})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask packs a question, has it answered and unpacks the answer.
func ask(t *testing.T, r *Resolver, q *dns.Msg, stream bool) *dns.Msg {
	t.Helper()
	packed, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	raw := r.Answer(context.Background(), packed, stream)
	if raw == nil {
		t.Fatal("no answer")
	}
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil {
		t.Fatalf("answer %x: %v", raw, err)
	}
	if m.Id != q.Id || !m.Response || !slices.Equal(m.Question, q.Question) {
		t.Errorf("answer does not belong to its question:\n%s", m)
	}
	return m
}

func question1(name string, qtype uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
}

func rr(text string) dns.RR {
	r, err := dns.NewRR(text)
	if err != nil {
		panic(err)
	}
	return r
}

func reply(q *dns.Msg, records ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for _, r := range records {
		m.Answer = append(m.Answer, rr(r))
	}
	return m
}

func TestBuiltInNames(t *testing.T) {
	r := newResolver(t, Upstream{})
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string // the answer's data; "" for none
	}{
		{"host.docker.internal", dns.TypeA, "192.168.65.254"},
		{"HOST.Docker.Internal", dns.TypeA, "192.168.65.254"},
		{"host.docker.internal", dns.TypeAAAA, ""},
		{"host.docker.internal", dns.TypeHTTPS, ""},
		{"db.internal", dns.TypeAAAA, "fd00::7"},
		{"db.internal", dns.TypeA, ""},
		{"254.65.168.192.in-addr.arpa", dns.TypePTR, "host.docker.internal."},
	} {
		m := ask(t, r, question1(c.name, c.qtype), false)
		got := ""
		if len(m.Answer) > 0 {
			fields := strings.Fields(m.Answer[0].String())
			got = fields[len(fields)-1]
		}
		if m.Rcode != dns.RcodeSuccess || got != c.want || len(m.Answer) > 1 {
			t.Errorf("%s %s: rcode %d, answer %q, want %q", c.name, dns.TypeToString[c.qtype], m.Rcode, got, c.want)
		}
	}
	if got := r.Stats(); got.Local != 7 || got.Forwarded != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestEverythingElsePassesUnchanged(t *testing.T) {
	u := serve(t, func(q *dns.Msg, _ bool) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		switch q.Question[0].Name {
		case "txt.example.":
			m.Answer = append(m.Answer, rr(`txt.example. 60 IN TXT "a b" "c"`))
		case "odd.example.": // a type nobody knows
			m.Answer = append(m.Answer, rr(`odd.example. 60 IN TYPE65399 \# 3 010203`))
		case "empty.example.":
			m.Ns = append(m.Ns, rr("example. 60 IN SOA ns.example. root.example. 1 2 3 4 5"))
		default:
			m.Rcode = dns.RcodeNameError
		}
		return m
	})
	r := newResolver(t, Upstream{Servers: []netip.AddrPort{u.addr}})
	for _, c := range []struct {
		name    string
		qtype   uint16
		rcode   int
		answers int
	}{
		{"txt.example", dns.TypeTXT, dns.RcodeSuccess, 1},
		{"odd.example", 65399, dns.RcodeSuccess, 1},
		{"empty.example", dns.TypeAAAA, dns.RcodeSuccess, 0},
		{"none.example", dns.TypeA, dns.RcodeNameError, 0},
	} {
		m := ask(t, r, question1(c.name, c.qtype), false)
		if m.Rcode != c.rcode || len(m.Answer) != c.answers {
			t.Errorf("%s: rcode %d, %d answers", c.name, m.Rcode, len(m.Answer))
		}
	}
}

func TestFailedServersArePassedOver(t *testing.T) {
	silent := serve(t, func(*dns.Msg, bool) *dns.Msg { return nil })
	lame := serve(t, func(q *dns.Msg, _ bool) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure) })
	good := serve(t, func(q *dns.Msg, _ bool) *dns.Msg { return reply(q, "a.example. 60 IN A 192.0.2.7") })
	closed := closedPort(t)
	r := newResolver(t, Upstream{Servers: []netip.AddrPort{closed, lame.addr, silent.addr, good.addr}, Timeout: 100 * time.Millisecond})
	if m := ask(t, r, question1("a.example", dns.TypeA), false); len(m.Answer) != 1 {
		t.Errorf("answer %s", m)
	}
	r = newResolver(t, Upstream{Servers: []netip.AddrPort{closed, silent.addr}, Timeout: 50 * time.Millisecond})
	begin := time.Now()
	if m := ask(t, r, question1("a.example", dns.TypeA), false); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("rcode %d", m.Rcode)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("gave up after %s", took)
	}
	r = newResolver(t, Upstream{Servers: []netip.AddrPort{lame.addr}})
	if m := ask(t, r, question1("a.example", dns.TypeA), false); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("rcode %d", m.Rcode)
	}
	if n := lame.udp.Load(); n != 2 {
		t.Errorf("the lame server was asked %d times, want once in each resolver", n)
	}
}

func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestNoServerIsAFailureAtOnce(t *testing.T) {
	r := newResolver(t, Upstream{})
	if m := ask(t, r, question1("a.example", dns.TypeA), false); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("rcode %d", m.Rcode)
	}
}

func TestLongAnswers(t *testing.T) {
	u := serve(t, func(q *dns.Msg, tcp bool) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		for i := range 100 {
			m.Answer = append(m.Answer, rr(fmt.Sprintf("big.example. 60 IN A 192.0.2.%d", i)))
		}
		if !tcp {
			m.Truncate(512)
		}
		return m
	})
	r := newResolver(t, Upstream{Servers: []netip.AddrPort{u.addr}})
	q := question1("big.example", dns.TypeA)
	if m := ask(t, r, q, false); !m.Truncated || len(m.Answer) != 0 {
		t.Errorf("over UDP: TC %v, %d answers", m.Truncated, len(m.Answer))
	}
	if m := ask(t, r, q, true); m.Truncated || len(m.Answer) != 100 {
		t.Errorf("over TCP: TC %v, %d answers", m.Truncated, len(m.Answer))
	}
	q.SetEdns0(4096, false)
	if m := ask(t, r, q, false); m.Truncated || len(m.Answer) != 100 {
		t.Errorf("over UDP with room: TC %v, %d answers", m.Truncated, len(m.Answer))
	}
}

func TestAnswersAreKeptAndAge(t *testing.T) {
	u := serve(t, func(q *dns.Msg, _ bool) *dns.Msg {
		if strings.HasPrefix(q.Question[0].Name, "none") {
			return new(dns.Msg).SetRcode(q, dns.RcodeNameError) // without SOA
		}
		return reply(q, "a.example. 30 IN A 192.0.2.7")
	})
	now := time.Now()
	r, err := New(Config{Upstream: Upstream{Servers: []netip.AddrPort{u.addr}}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		passed time.Duration
		ttl    uint32
		asked  int32
	}{{0, 30, 1}, {10 * time.Second, 20, 1}, {19 * time.Second, 1, 1}, {time.Second, 30, 2}} {
		now = now.Add(c.passed)
		m := ask(t, r, question1("a.example", dns.TypeA), false)
		if got := m.Answer[0].Header().Ttl; got != c.ttl || u.udp.Load() != c.asked {
			t.Errorf("ttl %d after %d questions, want %d after %d", got, u.udp.Load(), c.ttl, c.asked)
		}
	}
	ask(t, r, question1("none.example", dns.TypeA), false)
	ask(t, r, question1("none.example", dns.TypeA), false)
	if n := u.udp.Load(); n != 4 {
		t.Errorf("an answer without a lifetime was kept: %d questions", n)
	}
}

func TestResolverFileIsFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(text string) {
		// As a network manager does it: a new file in the old one's place.
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	flushed := 0
	u := &upstream{cfg: Upstream{File: file}, changed: func() { flushed++ }}
	want := func(text string) {
		t.Helper()
		now = now.Add(2 * recheck)
		if got := fmt.Sprint(u.current(now)); got != text {
			t.Errorf("servers %s, want %s", got, text)
		}
	}
	want("[]")
	write("# comment\nsearch lan\nnameserver 192.0.2.1\nnameserver nonsense\nnameserver\nnameserver fe80::1%eth0\n")
	want("[192.0.2.1:53 [fe80::1%eth0]:53]")
	before := flushed
	want("[192.0.2.1:53 [fe80::1%eth0]:53]")
	if flushed != before {
		t.Error("an unchanged file emptied the cache")
	}
	write("nameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\nnameserver 192.0.2.5\n")
	want("[192.0.2.2:53 192.0.2.3:53 192.0.2.4:53]")
	if flushed == before {
		t.Error("a changed file left the cache as it was")
	}
	os.Remove(file)
	want("[]")
}

func TestForgedAnswersAreIgnored(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		buf := make([]byte, 1500)
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		_ = q.Unpack(buf[:n])
		forged := reply(q, "a.example. 60 IN A 203.0.113.66")
		forged.Id++
		other := reply(q, "a.example. 60 IN A 203.0.113.66")
		other.Question[0].Name = "b.example."
		for _, m := range []*dns.Msg{forged, other, reply(q, "a.example. 60 IN A 192.0.2.7")} {
			p, _ := m.Pack()
			_, _ = pc.WriteTo(p, from)
		}
	}()
	r := newResolver(t, Upstream{Servers: []netip.AddrPort{pc.LocalAddr().(*net.UDPAddr).AddrPort()}})
	m := ask(t, r, question1("a.example", dns.TypeA), false)
	if len(m.Answer) != 1 || !strings.HasSuffix(m.Answer[0].String(), "192.0.2.7") {
		t.Errorf("answer %s", m)
	}
}

func TestQuestionsInProgressAreBounded(t *testing.T) {
	release := make(chan struct{})
	u := serve(t, func(q *dns.Msg, _ bool) *dns.Msg { <-release; return reply(q, "a.example. 60 IN A 192.0.2.7") })
	r := newResolver(t, Upstream{Servers: []netip.AddrPort{u.addr}, Timeout: 5 * time.Second})
	packed, _ := question1("a.example", dns.TypeA).Pack()
	answers := make(chan []byte, 4)
	for range 4 {
		go func() { answers <- r.Answer(context.Background(), packed, false) }()
	}
	for len(r.pending) < 4 {
		time.Sleep(time.Millisecond)
	}
	if m := ask(t, r, question1("b.example", dns.TypeA), false); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("rcode %d for one too many", m.Rcode)
	}
	close(release)
	for range 4 {
		if a := <-answers; a[3]&rcodeMask != rcodeNoError {
			t.Errorf("rcode %d", a[3]&rcodeMask)
		}
	}
	if got := r.Stats(); got.Refused != 1 || got.Forwarded != 4 {
		t.Errorf("stats %+v", got)
	}
}

func TestMalformedQuestions(t *testing.T) {
	r := newResolver(t, Upstream{})
	two := question1("a.example", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	update := new(dns.Msg).SetUpdate("example.")
	for _, c := range []struct {
		m     *dns.Msg
		rcode byte
	}{{two, rcodeFormErr}, {update, rcodeNotImp}} {
		p, _ := c.m.Pack()
		if a := r.Answer(context.Background(), p, false); a == nil || a[3]&rcodeMask != c.rcode || !bytes.Equal(a[:2], p[:2]) {
			t.Errorf("answer %x, want rcode %d", a, c.rcode)
		}
	}
	response, _ := reply(question1("a.example", dns.TypeA)).Pack()
	for _, p := range [][]byte{nil, {1, 2, 3}, response} {
		if a := r.Answer(context.Background(), p, false); a != nil {
			t.Errorf("%x was answered: %x", p, a)
		}
	}
	if _, err := New(Config{Names: map[string]netip.Addr{"a..b": {}}}); err == nil {
		t.Error("a name with an empty label was accepted")
	}
}

func TestServeStreamAnswersSeveralQuestionsAndEnds(t *testing.T) {
	r := newResolver(t, Upstream{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.ServeStream(ctx, l) }()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	packed, _ := question1("host.docker.internal", dns.TypeA).Pack()
	for range 2 {
		if err := writeStream(c, packed); err != nil {
			t.Fatal(err)
		}
		if answer, err := readStream(c); err != nil || answer[7] != 1 {
			t.Fatalf("%x, %v", answer, err)
		}
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("ServeStream: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

// FuzzAnswer checks that nothing a guest sends breaks the resolver, and that
// every answer parses as one.
func FuzzAnswer(f *testing.F) {
	for _, m := range []*dns.Msg{
		question1("host.docker.internal", dns.TypeA), question1("db.internal", dns.TypeAAAA),
		question1("a.example", dns.TypeTXT), question1("254.65.168.192.in-addr.arpa", dns.TypePTR),
		new(dns.Msg).SetUpdate("example."),
	} {
		m.SetEdns0(1232, true)
		p, _ := m.Pack()
		f.Add(p)
	}
	r, err := New(Config{Names: map[string]netip.Addr{"host.docker.internal": netip.MustParseAddr("192.168.65.254")}, Upstream: Upstream{File: os.DevNull}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, stream := range []bool{false, true} {
			a := r.Answer(context.Background(), data, stream)
			if a == nil {
				continue
			}
			if !bytes.Equal(a[:2], data[:2]) || a[2]&flagResponse == 0 || !stream && len(a) > max(udpLimit(data), maxUDPPlain) {
				t.Fatalf("answer %x", a)
			}
			if err := walk(a, func(record) {}); err != nil {
				t.Fatalf("answer %x: %v", a, err)
			}
		}
	})
}

// FuzzUpstream checks what is done with the bytes of a server.
func FuzzUpstream(f *testing.F) {
	q := question1("a.example", dns.TypeA)
	query, _ := q.Pack()
	good, _ := reply(q, "a.example. 30 IN A 192.0.2.7").Pack()
	f.Add(good)
	f.Add(query)
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := parseQuestion(query)
		if err != nil {
			t.Fatal(err)
		}
		if !matches(data, query, parsed) {
			return
		}
		var c cache
		now := time.Now()
		c.put(query, data, now)
		if kept := c.get(query, now.Add(time.Second)); kept != nil && len(kept) != len(data) {
			t.Fatal("a kept answer changed its length")
		}
		if short := truncate(data); len(short) < headerLen || binary.BigEndian.Uint16(short[6:]) != 0 {
			t.Fatalf("cut answer %x", short)
		}
	})
}
