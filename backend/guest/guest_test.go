package guest

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCmdline(t *testing.T) {
	b := Boot{
		Hostname: "slipway",
		Shares: []ShareMount{
			{Tag: "home", Path: "/home/me"},
			{Tag: "odd", Path: `/srv/ü "quoted", 50% = a b`, ReadOnly: true},
		},
		DockerArgs: []string{"--mtu=1400", "--registry-mirror=https://a.b/c?d=e f"},
	}
	words := Cmdline(b)
	want := []string{
		"slipway.host=slipway",
		"slipway.share=home,rw,/home/me",
		"slipway.share=odd,ro,/srv/%C3%BC%20%22quoted%22%2C%2050%25%20=%20a%20b",
		"slipway.docker=--mtu=1400",
		"slipway.docker=--registry-mirror=https://a.b/c%3Fd=e%20f",
	}
	if !reflect.DeepEqual(words, want) {
		t.Fatalf("%q", words)
	}
	got, err := ParseCmdline("console=ttyS0 quiet " + strings.Join(words, " ") + " panic=-1\n")
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
}

// What is not understood is an error, and the rest is still there.
func TestParseCmdlineErrors(t *testing.T) {
	for _, bad := range []string{
		"slipway.new=1", "slipway.share=a,rw", "slipway.share=a,wo,/x", "slipway.share=a,rw,x", "slipway.share=a,rw,/x/../y",
		"slipway.share=,rw,/x", "slipway.host=%zz", "slipway.host=-x", "slipway.share", "slipway.docker=a,b", "slipway.",
	} {
		got, err := ParseCmdline(bad + " slipway.host=ok")
		if err == nil || !strings.Contains(err.Error(), strings.Fields(bad)[0]) || got.Hostname != "ok" {
			t.Errorf("%s: %+v, %v", bad, got, err)
		}
	}
}

func TestBootCheck(t *testing.T) {
	for want, b := range map[string]Boot{
		"host name":        {Hostname: "a.b"},
		"tag":              {Shares: []ShareMount{{Tag: strings.Repeat("x", maxShareTag+1), Path: "/x"}}},
		"clean path":       {Shares: []ShareMount{{Tag: "x", Path: "/x/"}}},
		"share fewer":      {Shares: []ShareMount{{Tag: "x", Path: "/" + strings.Repeat("ü", 300)}}},
		"Docker's options": {DockerArgs: []string{strings.Repeat("x", maxCmdline)}},
	} {
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func FuzzParseCmdline(f *testing.F) {
	f.Add("quiet slipway.host=a slipway.share=t,ro,/a%20b slipway.docker=--x")
	f.Add("slipway.share=t,ro,/%00 slipway.x")
	f.Fuzz(func(t *testing.T, line string) {
		b, _ := ParseCmdline(line)
		words := Cmdline(b)
		again, err := ParseCmdline(strings.Join(words, " "))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v became %+v, %v", b, again, err)
		}
		for _, w := range words {
			if strings.ContainsAny(w, " \t\n\"") {
				t.Fatalf("%q is no word of a command line", w)
			}
		}
	})
}

func TestPortRequestCheck(t *testing.T) {
	good := PortRequest{Proto: "udp", HostIP: netip.IPv6Unspecified(), ContainerIP: netip.MustParseAddr("172.17.0.2"), ContainerPort: 53}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*PortRequest){
		"proto":     func(p *PortRequest) { p.Proto = "sctp" },
		"host":      func(p *PortRequest) { p.HostIP = netip.Addr{} },
		"container": func(p *PortRequest) { p.ContainerIP = netip.IPv4Unspecified() },
		"port":      func(p *PortRequest) { p.ContainerPort = 0 },
		"zone":      func(p *PortRequest) { p.HostIP = netip.MustParseAddr("fe80::1%eth0") },
	} {
		p := good
		if spoil(&p); p.Check() == nil {
			t.Errorf("%s: %+v passes", name, p)
		}
	}
}

func TestFactsCheck(t *testing.T) {
	f := Facts{
		Docker:   DockerReady,
		Phases:   []Phase{{Name: "a\x1b[31m", At: 1}},
		Versions: map[string]string{"k\n\t": strings.Repeat("v", 2*maxName)},
		Problem:  "two\nlines\x07",
	}
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	if f.Phases[0].Name != "a\ufffd[31m" || f.Problem != "two\nlines\ufffd" || len(f.Versions["k\ufffd\ufffd"]) != maxName {
		t.Fatalf("%+v", f)
	}
	for _, bad := range []Facts{
		{Docker: "up"},
		{Docker: DockerReady, Phases: make([]Phase, maxPhases+1)},
		{Docker: DockerReady, Phases: []Phase{{At: -time.Second}}},
	} {
		if bad.check() == nil {
			t.Errorf("%.60v passes", bad)
		}
	}
}

func TestNoIPv6(t *testing.T) {
	if !noIPv6(syscall.EAFNOSUPPORT) || noIPv6(syscall.EADDRINUSE) || noIPv6(nil) || noIPv6(errors.New("x")) {
		t.Fatal("an error is taken for another")
	}
}
