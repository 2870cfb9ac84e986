package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// numbers is the packet numbers of a page.
func numbers(p Page) string {
	var n []uint64
	for _, r := range p.Rows {
		n = append(n, r.N)
	}
	return fmt.Sprint(n)
}

func TestPages(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	for i := range 10 {
		f := udpFrame(ap(guestIP, 5000), ap(farIP, 9), "x")
		if i%2 == 1 {
			f = pingFrame(guestIP, farIP, 8)
		}
		c.feed(x, f)
	}
	for _, q := range []struct {
		name string
		q    Query
		want string
	}{
		{"all", Query{}, "[1 2 3 4 5 6 7 8 9 10] next 10 more false"},
		{"first page", Query{Limit: 3}, "[1 2 3] next 3 more true"},
		{"next page", Query{Limit: 3, After: 3}, "[4 5 6] next 6 more true"},
		{"last page", Query{Limit: 3, After: 8}, "[9 10] next 10 more false"},
		{"up to date", Query{After: 10}, "[] next 0 more false"},
		{"tail", Query{Limit: 3, Tail: true}, "[8 9 10] next 8 more true"},
		{"before", Query{Limit: 3, Before: 3}, "[1 2] next 1 more false"},
		{"between", Query{Limit: 3, After: 2, Before: 8, Tail: true}, "[5 6 7] next 5 more true"},
		{"before the first", Query{Before: 1}, "[] next 0 more false"},
		{"filter", Query{Filter: "proto:icmp", Limit: 2}, "[2 4] next 4 more true"},
		{"filter tail", Query{Filter: "proto:icmp", Limit: 2, Tail: true}, "[8 10] next 8 more true"},
		{"filter to the end", Query{Filter: "proto:icmp", After: 6}, "[8 10] next 10 more false"},
		{"flow", Query{Flow: 1, Limit: 2, After: 1}, "[3 5] next 5 more true"},
		{"no flow", Query{Flow: 99}, "[] next 10 more false"},
	} {
		page, err := x.Packets(q.q)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(numbers(page), " next ", page.Next, " more ", page.More)
		if got != q.want {
			t.Errorf("%s: %s, want %s", q.name, got, q.want)
		}
		if page.First != 1 || page.Last != 10 {
			t.Errorf("%s: bounds %d to %d", q.name, page.First, page.Last)
		}
	}
	if page, err := newClock().capture(Options{}).Packets(Query{Tail: true}); err != nil || page.Rows == nil || len(page.Rows) > 0 {
		t.Errorf("of an empty ring: %+v, %v", page, err)
	}
}

// TestExamined: a filter that matches nothing does not look at everything at
// once, and the walk can go on to the end.
func TestExamined(t *testing.T) {
	const most = 500
	x := New(Options{})
	x.examine = most
	f := udpFrame(ap(guestIP, 5000), ap(farIP, 9), "x")
	total := most*2 + 10
	for range total {
		x.Frame(epoch, FromGuest, f)
	}
	for _, q := range []Query{{Filter: "port:1"}, {Filter: "port:1", Tail: true}} {
		calls, examined := 0, uint64(0)
		for {
			page, err := x.Packets(q)
			if err != nil {
				t.Fatal(err)
			}
			calls++
			examined += page.Examined
			if page.Examined > most {
				t.Fatalf("%d examined in one call", page.Examined)
			}
			if !page.More {
				break
			}
			if q.Tail {
				q.Before = page.Next
			} else {
				q.After = page.Next
			}
		}
		if calls != 3 || examined != uint64(total) {
			t.Errorf("%+v: %d calls examined %d of %d", q, calls, examined, total)
		}
	}
}

func TestPageTellsOfLoss(t *testing.T) {
	c := newClock()
	x := c.capture(Options{MaxBytes: MinMaxBytes})
	for range 10_000 {
		c.feed(x, out(ack, 1, 1, ""))
	}
	first := x.Status().First
	page, err := x.Packets(Query{After: 5, Limit: 1})
	if err != nil || page.Dropped != first-6 || page.Rows[0].N != first {
		t.Errorf("dropped %d, first row %d, ring from %d, %v", page.Dropped, page.Rows[0].N, first, err)
	}
}

func TestRows(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, out(syn, 1, 0, ""), in(synAck, 5, 2, ""), arpFrame(), []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x88\xccxyz"), []byte("short"))
	page, err := x.Packets(Query{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 out 192.168.65.2:40000 > 93.184.216.34:80 TCP 54 flow 1: SYN → 80 [win 64240]",
		"2 in 93.184.216.34:80 > 192.168.65.2:40000 TCP 54 flow 1: SYN, ACK → 40000 [win 64240]",
		"3 out 192.168.65.2:0 > 192.168.65.1:0 ARP 42 flow 0: Who has 192.168.65.1? Tell 192.168.65.2",
		"4 out 07:08:09:0a:0b:0c:0 > 01:02:03:04:05:06:0 Ethernet 17 flow 0: EtherType 0x88cc [len 3]",
		"5 out :0 > :0 Ethernet 5 flow 0: EtherType 0x0000 [len 0] [truncated]",
	}
	for i, r := range page.Rows {
		got := fmt.Sprintf("%d %s %s:%d > %s:%d %s %d flow %d: %s", r.N, r.Dir, r.Src, r.SrcPort, r.Dst, r.DstPort, r.Proto, r.Length, r.Flow, r.Info)
		if got != want[i] {
			t.Errorf("%s\nwant %s", got, want[i])
		}
	}
	if !page.Rows[1].Time.Equal(epoch.Add(1_000_000)) {
		t.Errorf("time %v", page.Rows[1].Time)
	}
}

func TestFilter(t *testing.T) {
	c, names := newClock(), &parties{}
	names.set(web, container("web"))
	names.set(ap(gateIP, 0), Endpoint{Kind: KindGateway, Name: "gateway"})
	x := c.capture(Options{Names: names})
	dns, client := ap(gateIP, 53), ap(guestIP, 5000)
	c.feed(x,
		udpFrame(client, dns, dnsMessage("www.example.org")),        // 1
		udpFrame(dns, client, dnsMessage("www.example.org", farIP)), // 2
		out(syn, 1, 0, ""), in(synAck, 1, 2, ""), // 3, 4
		out(ack, 2, 2, "GET /Path HTTP/1.1\r\nHost: www.example.org\r\n\r\n"), // 5
		in(ack, 2, 9, "HTTP/1.1 404 Not Found\r\n\r\n"),                       // 6
		pingFrame(guestIP, farIP, 8),                                          // 7
		arpFrame(),                                                            // 8
	)
	for _, f := range []struct{ filter, want string }{
		{"", "[1 2 3 4 5 6 7 8]"},
		{"  ", "[1 2 3 4 5 6 7 8]"},
		{"port:80", "[3 4 5 6]"},
		{"port:53 dir:in", "[2]"},
		{"80", "[3 4 5 6]"}, // not in "40000"
		{"404", "[6]"},
		{"path", "[5]"},
		{"-path port:80", "[3 4 6]"},
		{`"Not Found"`, "[6]"},
		{`-"not found" proto:http`, "[5]"},
		{"proto:tcp", "[3 4 5 6]"},
		{"proto:HTTP", "[5 6]"},
		{"proto:dns", "[1 2]"},
		{"-proto:tcp -proto:udp", "[7 8]"},
		{"host:web", "[3 4 5 6]"},
		{"host:example.org", "[3 4 5 6 7]"}, // by the name learned
		{"host:192.168.65.1", "[1 2 8]"},
		{"host:192.168.65.0/30 -host:192.168.65.1", "[3 4 5 6 7]"},
		{"host:gate", "[1 2 8]"},
		{"container:web", "[3 4 5 6]"},
		{"container:we", "[]"},
		{"web", "[3 4 5 6]"},
		{"93.184", "[2 3 4 5 6 7]"},
		{"flow:2", "[3 4 5 6]"},
		{"dir:in flow:2", "[4 6]"},
		{`"port:80"`, "[]"},
		{"dead::beef", "[]"},
		{"http://x", "[]"},
		{"SYN", "[3 4]"},
	} {
		page, err := x.Packets(Query{Filter: f.filter})
		if err != nil || numbers(page) != f.want {
			t.Errorf("%q: %s, %v, want %s", f.filter, numbers(page), err, f.want)
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for _, f := range []struct {
		filter string
		pos    int
		msg    string
	}{
		{"port:http", 5, `"http" does not fit`},
		{"port:65536", 5, `"65536" does not fit`},
		{"web port:", 9, "port: has no value"},
		{"-port:x", 6, `"x" does not fit`},
		{"proto:smtp", 6, `"smtp" is no protocol`},
		{"dir:up", 4, `"up" is no direction`},
		{"flow:a", 5, `"a" does not fit`},
		{"a conteiner:web", 2, `no field "conteiner"`},
		{`a "b`, 2, "a quote is not closed"},
		{"web -", 4, "nothing to look for"},
		{`""`, 0, "nothing to look for"},
		{strings.Repeat("x", maxFilter+1), maxFilter, "too long"},
	} {
		_, err := Compile(f.filter)
		var fe *FilterError
		if !errors.As(err, &fe) || fe.Pos != f.pos || !strings.Contains(fe.Msg, f.msg) || fe.Hint == "" {
			t.Errorf("%.20q: %+v, want %q at %d", f.filter, err, f.msg, f.pos)
		}
	}
}

// TestJSON: the names in JSON are a promise to the control tree's readers and
// to the window: each field has one, in camelCase.
func TestJSON(t *testing.T) {
	for _, v := range []any{Status{}, Query{}, Page{}, Row{}, Detail{}, Flow{}, FlowChanges{}, Endpoint{}, FilterError{}, packet.Layer{}, packet.Field{}} {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous {
				continue
			}
			lower := string(unicode.ToLower(rune(f.Name[0]))) + f.Name[1:]
			if tag == "" || tag != lower && !strings.EqualFold(tag, f.Name) && f.Name != "Msg" {
				t.Errorf("%s.%s is %q in JSON", typ.Name(), f.Name, tag)
			}
		}
	}
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, arpFrame())
	d, err := x.Packet(1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Detail
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, d) {
		t.Errorf("a detail comes back from JSON as %+v, %v", back, err)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"port:80 -dns", `"a b" host:10.0.0.0/8`, "container:web", "-", `"`} {
		f.Add(s)
	}
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, out(syn, 1, 0, ""), arpFrame())
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := x.Packets(Query{Filter: s}); err != nil {
			var fe *FilterError
			if !errors.As(err, &fe) || fe.Pos < 0 || fe.Pos > len(s) {
				t.Fatalf("%#v", err)
			}
		}
	})
}

func FuzzFrame(f *testing.F) {
	for _, x := range hotFrames {
		f.Add(x.frame[:min(len(x.frame), 2000)], true)
	}
	f.Add(arpFrame(), false)
	f.Add([]byte{}, false)
	f.Add(tcpFrame(web, server, ack, 1, 1, clientHello("secure.example.org")), false)
	f.Fuzz(func(t *testing.T, frame []byte, toGuest bool) {
		dir := FromGuest
		if toGuest {
			dir = ToGuest
		}
		c := newClock()
		x := c.capture(Options{MaxBytes: MinMaxBytes, MaxFlows: 2})
		x.Frame(c.now(), dir, frame)
		c.feed(x, out(syn, 1, 0, ""))
		x.Frame(c.now(), 1-dir, frame)
		for n := uint64(1); n <= 3; n++ {
			d, err := x.Packet(n)
			if err != nil {
				t.Fatal(err)
			}
			if n != 2 && string(d.Bytes) != string(frame[:min(len(frame), packet.MaxFrame)]) {
				t.Fatal("the frame kept is another")
			}
			if _, err := json.Marshal(d); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(x.Flows()); n < 1 || n > 2 {
			t.Fatalf("%d flows", n)
		}
		if n, err := x.WritePcapng(t.Context(), new(strings.Builder), ""); n != 3 || err != nil {
			t.Fatalf("%d written, %v", n, err)
		}
	})
}
