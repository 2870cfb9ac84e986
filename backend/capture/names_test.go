package capture

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// parties is a Names that can be changed.
type parties struct {
	mu sync.Mutex
	m  map[netip.AddrPort]Endpoint
}

func (p *parties) set(ep netip.AddrPort, e Endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = map[netip.AddrPort]Endpoint{}
	}
	p.m[ep] = e
}

func (p *parties) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.m)
}

func (p *parties) Name(proto uint8, ep netip.AddrPort) (Endpoint, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.m[ep]; ok {
		return e, true
	}
	e, ok := p.m[ap(ep.Addr(), 0)]
	return e, ok
}

func container(name string) Endpoint {
	return Endpoint{Kind: KindContainer, Name: name, Container: name, Image: name + ":1", Project: "shop", Service: name}
}

// ends is a flow's names, and detail.
func ends(f Flow) string {
	return fmt.Sprintf("%s(%s) > %s %s %q", f.SrcName, f.Container, f.DstName, f.App, f.Detail)
}

// rowEnds is a packet's names.
func rowEnds(t *testing.T, c *Capture, n uint64) string {
	t.Helper()
	d, err := c.Packet(n)
	if err != nil {
		t.Fatal(err)
	}
	return d.SrcName + " > " + d.DstName
}

func TestContainerNames(t *testing.T) {
	c, names := newClock(), &parties{}
	names.set(web, container("web"))
	names.set(ap(gateIP, 0), Endpoint{Kind: KindGateway, Name: "gateway"})
	x := c.capture(Options{Names: names})
	c.feed(x, out(syn, 1, 0, ""), in(synAck, 1, 2, ""), arpFrame())
	f := x.Flows()[0]
	if got := ends(f); got != `web(web) >   ""` {
		t.Errorf("flow: %s", got)
	}
	if f.Image != "web:1" || f.Project != "shop" || f.Service != "web" {
		t.Errorf("container of the flow: %+v", f)
	}
	if got := rowEnds(t, x, 2); got != " > web" {
		t.Errorf("answer: %s", got)
	}
	if got := rowEnds(t, x, 3); got != " > gateway" {
		t.Errorf("ARP: %s", got)
	}

	// The container goes, its flow ends and leaves the table: its packets keep
	// its name, also when the port is another container's by then.
	names.forget()
	names.set(web, container("other"))
	c.feed(x, in(rst, 2, 2, ""))
	if got := ends(x.Flows()[0]); got != `web(web) >   ""` {
		t.Errorf("flow of the container that went: %s", got)
	}
	c.after(time.Hour)
	if n := len(x.Flows()); n != 0 {
		t.Fatalf("%d flows are left", n)
	}
	if got := rowEnds(t, x, 1); got != "web > " {
		t.Errorf("packet of the container that went: %s", got)
	}
	if got := rowEnds(t, x, 3); got != " > gateway" {
		t.Errorf("ARP of the gateway that went: %s", got)
	}
	page, err := x.Packets(Query{Filter: "container:web"})
	if err != nil || len(page.Rows) != 3 {
		t.Errorf("container:web finds %d packets, %v", len(page.Rows), err)
	}
}

// TestLateName: the engine often learns of a container after its first packets.
func TestLateName(t *testing.T) {
	c, names := newClock(), &parties{}
	x := c.capture(Options{Names: names})
	c.feed(x, out(syn, 1, 0, ""), in(rst, 1, 2, ""))
	seq := x.FlowsSince(0).Seq
	names.set(web, container("web"))
	ch := x.FlowsSince(seq)
	if len(ch.Changed) != 1 || ch.Changed[0].SrcName != "web" {
		t.Fatalf("a name that came late: %+v", ch)
	}
	if ch = x.FlowsSince(ch.Seq); len(ch.Changed) != 0 {
		t.Errorf("told twice: %+v", ch)
	}

	// But not so late that the port may be another's.
	names.forget()
	x.Clear()
	c.feed(x, out(syn, 1, 0, ""), in(rst, 1, 2, ""))
	c.after(nameGrace + time.Second)
	names.set(web, container("other"))
	if f := x.Flows()[0]; f.SrcName != "" {
		t.Errorf("named after its end: %+v", f)
	}
}

func TestLearnedNames(t *testing.T) {
	dns, client := ap(gateIP, 53), ap(guestIP, 5000)
	c := newClock()
	x := c.capture(Options{})
	c.feed(x,
		udpFrame(client, dns, dnsMessage("www.example.org")),
		udpFrame(dns, client, dnsMessage("www.example.org", farIP, gateIP)),
		out(syn, 1, 0, ""))
	flows := x.Flows()
	if got := ends(flows[0]); got != `() > www.example.org  ""` {
		t.Errorf("flow to an address learned: %s", got)
	}
	if got := ends(flows[1]); got != `() > www.example.org DNS "www.example.org"` {
		t.Errorf("flow of the question: %s", got)
	}

	// What the flow itself says is better.
	c.feed(x, out(ack, 2, 1, "GET / HTTP/1.1\r\nHost: shop.example.org\r\n\r\n"))
	if got := ends(x.Flows()[0]); got != `() > shop.example.org HTTP "shop.example.org"` {
		t.Errorf("flow with a Host: %s", got)
	}
	tls := ap(farIP, 443)
	c.feed(x, tcpFrame(web, tls, ack, 1, 1, clientHello("secure.example.org")))
	if got := ends(x.Flows()[0]); got != `() > secure.example.org TLS "secure.example.org"` {
		t.Errorf("flow with a server name: %s", got)
	}
	c.feed(x, tcpFrame(web, tls, ack, 99, 1, "GET / HTTP/1.1\r\nHost: chance\r\n\r\n"))
	if got := ends(x.Flows()[0]); got != `() > secure.example.org TLS "secure.example.org"` {
		t.Errorf("TLS flow with bytes like HTTP: %s", got)
	}
}

// TestNamesAreNotForged: the guest's own frames teach no names, and text that
// is no name is not shown as one.
func TestNamesAreNotForged(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	x.Frame(c.now(), FromGuest, udpFrame(ap(guestIP, 53), ap(farIP, 5000), dnsMessage("bank.example", farIP)))
	c.feed(x, out(syn, 1, 0, ""))
	if got := ends(x.Flows()[0]); got != `() >   ""` {
		t.Errorf("taught by the guest: %s", got)
	}
	c.feed(x, out(ack, 2, 1, "GET / HTTP/1.1\r\nHost: a\x1b[2Jb\r\n\r\n"))
	if got := ends(x.Flows()[0]); got != `() >  HTTP ""` {
		t.Errorf("a Host with control characters: %s", got)
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newMemory[int, string](3)
	for i := range 5 {
		m.put(i, fmt.Sprint(i))
	}
	m.put(4, "four")
	if fmt.Sprint(m.m) != "map[2:2 3:3 4:four]" || m.dropped != 2 || len(m.order) != 3 {
		t.Errorf("%v, %d dropped", m.m, m.dropped)
	}
}
