package engine

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/docker"
)

func TestAddressPlan(t *testing.T) {
	for _, c := range []struct{ subnet, gateway, guest, host string }{
		{"192.168.65.0/24", "192.168.65.1", "192.168.65.3", "192.168.65.254"},
		{"10.1.0.0/16", "10.1.0.1", "10.1.0.3", "10.1.255.254"},
		{"172.20.5.8/29", "172.20.5.9", "172.20.5.11", "172.20.5.14"},
	} {
		got := addressPlan(netip.MustParsePrefix(c.subnet))
		want := addresses{netip.MustParseAddr(c.gateway), netip.MustParseAddr(c.guest), netip.MustParseAddr(c.host)}
		if got != want {
			t.Errorf("addressPlan(%s) = %v, want %v", c.subnet, got, want)
		}
	}
}

// A slow subscriber must get the last state, and each topic once a round.
func TestHubCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		ctx, cancel := context.WithCancel(t.Context())
		value := 0
		var got []string
		done := make(chan error, 1)
		release := make(chan struct{})
		go func() {
			done <- h.follow(ctx, map[control.Topic]snapshot{
				"a": func(context.Context) (any, error) { return value, nil },
				"b": func(context.Context) (any, error) { return nil, nil },
			}, func(e control.Event) error {
				<-release
				got = append(got, string(e.Topic)+string(e.Data))
				return nil
			})
		}()
		synctest.Wait() // fn has the first event of a
		for value = 1; value < 100; value++ {
			h.changed("a")
		}
		value = 99
		close(release)
		time.Sleep(10 * eventInterval)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := strings.Join(got, " "); s != "a0 a99" {
			t.Errorf("events %q, want the first and the last state", s)
		}
		if h.followed() {
			t.Error("a subscriber that left is still counted")
		}
	})
}

func TestHubEndsWithItsReader(t *testing.T) {
	h := newHub()
	gone := errors.New("gone")
	err := h.follow(t.Context(), map[control.Topic]snapshot{
		"a": func(context.Context) (any, error) { return 1, nil },
	}, func(control.Event) error { return gone })
	if !errors.Is(err, gone) || h.followed() {
		t.Errorf("follow returned %v", err)
	}
}

func TestLogbookKeepsTheNewestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	said := 0
	book, err := openLogbook(path, func() { said++ })
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	log := slog.New(&handler{book: book}).With("kit", "vm").WithGroup("port")
	for range logLines + 10 {
		log.Info("opened", "id", 7, "by", "a b")
	}
	book.add(control.LogLine{Source: "console", Text: strings.Repeat("x", 2*logLineSize)})
	lines, next := book.since(0)
	if len(lines) != logLines || next != logLines+11 || said != int(next) {
		t.Errorf("%d lines kept, next is %d, %d calls", len(lines), next, said)
	}
	if text := lines[0].Text; text != `opened kit=vm port.id=7 port.by="a b"` {
		t.Errorf("line %q", text)
	}
	if n := len(lines[len(lines)-1].Text); n > logLineSize+8 {
		t.Errorf("a line of %d bytes was kept", n)
	}
	if fresh, _ := book.since(next); len(fresh) != 0 {
		t.Errorf("%d lines since the last", len(fresh))
	}
	stored, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(stored), "xxx") || strings.Count(string(stored), "\n") != logLines+10 {
		t.Errorf("the file has %d bytes, %v; want the engine's lines only", len(stored), err)
	}
}

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	book, err := openLogbook(path, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	line := control.LogLine{Source: "engine", Text: strings.Repeat("x", logLineSize)}
	for range 2*logFileSize/logLineSize + 10 {
		book.add(line)
	}
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil || info.Size() > logFileSize+2*logLineSize {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}

func TestHomeRefusesALongPath(t *testing.T) {
	h := home(filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath)))
	_, err := h.open()
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Hint == "" {
		t.Errorf("open: %v", err)
	}
	if _, err := os.Stat(string(h)); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused home was made")
	}
}

func TestForwardLine(t *testing.T) {
	line, err := forwardLine(control.PortRequest{Proto: "udp", HostPort: 53, Target: "dns:53"})
	if err != nil || line != "udp 127.0.0.1:53 -> dns:53" {
		t.Errorf("%q, %v", line, err)
	}
	line, err = forwardLine(control.PortRequest{HostIP: "::1", Target: "web:80"})
	if err != nil || !strings.HasPrefix(line, "tcp [::1]:") || strings.Contains(line, ":0 ") {
		t.Errorf("with a port to choose: %q, %v", line, err)
	}
}

func TestMergeTwins(t *testing.T) {
	four := control.Port{ID: "tcp/127.0.0.1:80", Origin: originDocker, Proto: "tcp", HostPort: 80, TargetIP: "172.17.0.2", TargetPort: 80, BytesIn: 1, Connections: 1}
	six := four
	six.ID, six.BytesIn = "tcp/[::1]:80", 2
	list := []control.Port{four}
	if !merge(list, six) || list[0].BytesIn != 3 || list[0].Connections != 2 {
		t.Errorf("twins: %+v", list)
	}
	other := six
	other.TargetIP = "172.17.0.3"
	if merge(list, other) {
		t.Error("ports of two containers were merged")
	}
}

func TestImageThatIsNotThere(t *testing.T) {
	err := image(t.TempDir()).check()
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Code != control.CodeNotFound || !strings.Contains(refused.Hint, "make image") {
		t.Errorf("check: %v", err)
	}
	t.Setenv("SLIPWAY_IMAGE", "/somewhere")
	if dir, err := FindImage(); dir != "/somewhere" || err != nil {
		t.Errorf("FindImage: %q, %v", dir, err)
	}
}

func TestErrorsTravelAsJSON(t *testing.T) {
	text, err := json.Marshal(control.Errorf(control.CodeTaken, "port 80 is taken").WithHint("pick another"))
	if err != nil || string(text) != `{"code":"taken","message":"port 80 is taken","hint":"pick another"}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNamesTellClientsOfTheHostFromTheGateway(t *testing.T) {
	n := newNames()
	n.place(addressPlan(netip.MustParsePrefix("192.168.65.0/24")))
	n.learn([]docker.Container{{Name: "web", Addresses: []string{"172.17.0.2"}}})
	for _, c := range []struct {
		proto uint8
		ep    string
		want  string
	}{
		{6, "192.168.65.1:40000", "host"}, // a browser, through a published port
		{6, "192.168.65.1:53", "gateway"},
		{17, "192.168.65.1:67", "gateway"},
		{1, "192.168.65.1:0", "gateway"},
		{6, "192.168.65.254:8080", "host"},
		{17, "192.168.65.3:68", "machine"},
		{6, "172.17.0.2:80", "web"},
	} {
		if got, ok := n.Name(c.proto, netip.MustParseAddrPort(c.ep)); !ok || got.Name != c.want {
			t.Errorf("Name(%d, %s) = %q, %v, want %q", c.proto, c.ep, got.Name, ok, c.want)
		}
	}
	n.forget()
	if got, ok := n.Name(6, netip.MustParseAddrPort("172.17.0.2:80")); ok {
		t.Errorf("a container of a machine that is down is still %q", got.Name)
	}
}
