//go:build unix

package link

import (
	"net"
	"path/filepath"
	"testing"
)

func TestPeerAnswersWhoSpokeLast(t *testing.T) {
	dir := t.TempDir()
	addr := func(name string) *net.UnixAddr { return &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unixgram"} }
	bound, err := net.ListenUnixgram("unixgram", addr("host"))
	if err != nil {
		t.Fatal(err)
	}
	host := Peer(bound)
	defer host.Close()
	if n, err := host.Write([]byte("nobody is there")); n != 15 || err != nil {
		t.Errorf("a message to nobody: %d, %v", n, err)
	}
	buf := make([]byte, 64)
	for _, name := range []string{"first", "second"} { // a machine that was started again
		guest, err := net.DialUnix("unixgram", addr(name), addr("host"))
		if err != nil {
			t.Fatal(err)
		}
		defer guest.Close()
		if _, err := guest.Write([]byte("from " + name)); err != nil {
			t.Fatal(err)
		}
		if n, err := host.Read(buf); err != nil || string(buf[:n]) != "from "+name {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
		if _, err := host.Write([]byte("to " + name)); err != nil {
			t.Fatal(err)
		}
		if n, err := guest.Read(buf); err != nil || string(buf[:n]) != "to "+name {
			t.Errorf("%s read %q, %v", name, buf[:n], err)
		}
	}
}
