package holder

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestFindNamesThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the search on this system needs tools that the test machine may lack")
	}
	for _, network := range []string{"tcp4", "tcp6", "udp4"} {
		var at netip.AddrPort
		if strings.HasPrefix(network, "tcp") {
			l, err := net.Listen(network, "localhost:0")
			if err != nil {
				t.Logf("%s: %v", network, err)
				continue
			}
			defer l.Close()
			at = l.Addr().(*net.TCPAddr).AddrPort()
		} else {
			pc, err := net.ListenPacket(network, "0.0.0.0:0")
			if err != nil {
				t.Fatal(err)
			}
			defer pc.Close()
			at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(pc.LocalAddr().(*net.UDPAddr).Port))
		}
		h, ok := Find(context.Background(), network[:3], at)
		if !ok || h.PID != os.Getpid() || h.Process == "" {
			t.Errorf("%s: %+v %v, want pid %d", network, h, ok, os.Getpid())
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	if h, ok := Find(context.Background(), "tcp", at); ok {
		t.Errorf("a free port is held by %+v", h)
	}
}

const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F91 0100007F:D3A2 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
   3: garbage
`

const procTCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4714 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:0052 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4715 1 0000000000000000 100 0 0 10 0
`

func TestInodes(t *testing.T) {
	for _, c := range []struct{ table, addr, want string }{
		{procTCP, "127.0.0.1:8080", "4711"},
		{procTCP, "0.0.0.0:8080", "4711"},
		{procTCP, "127.0.0.2:8080", ""},
		{procTCP, "127.0.0.1:8081", ""}, // a connection, not a listener
		{procTCP, "127.0.0.1:80", "4713"},
		{procTCP, "[::1]:80", ""},
		{procTCP6, "127.0.0.1:81", "4714"},
		{procTCP6, "[::1]:82", "4715"},
		{procTCP6, "127.0.0.1:82", ""},
	} {
		got := inodes(strings.NewReader(c.table), stateListen, netip.MustParseAddrPort(c.addr))
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %v, want %q", c.addr, got, c.want)
		}
	}
}

func TestParseLsof(t *testing.T) {
	out := "p501\ncnode\nf21\nn*:3000\nf22\nn[::1]:8080\np777\ncpython3.11\nf3\nn127.0.0.1:8080\n"
	for addr, want := range map[string]Holder{
		"127.0.0.1:8080": {777, "python3.11"},
		"[::1]:8080":     {501, "node"},
		"127.0.0.1:3000": {501, "node"},
	} {
		if got, ok := parseLsof(out, netip.MustParseAddrPort(addr)); !ok || got != want {
			t.Errorf("%s: %+v %v, want %+v", addr, got, ok, want)
		}
	}
	if got, ok := parseLsof(out, netip.MustParseAddrPort("127.0.0.1:1")); ok {
		t.Errorf("found %+v", got)
	}
}

func TestParseNetstat(t *testing.T) {
	out := "\r\nAktive Verbindungen\r\n\r\n  Proto  Lokale Adresse  Remoteadresse  Status  PID\r\n" +
		"  TCP    127.0.0.1:8080   127.0.0.1:50000   HERGESTELLT   1\r\n" +
		"  TCP    127.0.0.1:8080   0.0.0.0:0   ABHÖREN   4242\r\n  UDP    0.0.0.0:53   *:*   99\r\n"
	if pid, ok := parseNetstat(out, netip.MustParseAddrPort("127.0.0.1:8080")); !ok || pid != 4242 {
		t.Errorf("tcp: %d %v", pid, ok)
	}
	if pid, ok := parseNetstat(out, netip.MustParseAddrPort("127.0.0.1:53")); !ok || pid != 99 {
		t.Errorf("udp: %d %v", pid, ok)
	}
	if got := parseTasklist("\"node.exe\",\"4242\",\"Console\",\"1\",\"30,000 K\"\r\n"); got != "node.exe" {
		t.Errorf("name %q", got)
	}
	if got := parseTasklist("INFO: No tasks are running\r\n"); got != "" {
		t.Errorf("name %q", got)
	}
}
