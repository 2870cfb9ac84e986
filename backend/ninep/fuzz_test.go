package ninep

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
)

// samples holds one message of each type, with its fields filled.
func samples() []message {
	q := Qid{QidDir, 1, 2}
	at := time.Unix(1700000000, 5)
	return []message{
		&rLerror{2}, &tVersion{8192, version9P2000L}, &rVersion{8192, version9P2000L},
		&tAuth{1, "u", "a", 3}, &tAttach{0, noFid, "u", "a", 1000}, &rQid{kindTattach + 1, q},
		&tFlush{5}, &rEmpty{kindTflush + 1}, &tWalk{0, 1, []string{"a", "b"}}, &rWalk{[]Qid{q, q}},
		&tLopen{1, 2}, &rLopen{kindTlopen + 1, q, 4096}, &tLcreate{1, "f", 2, 0o644, 5}, &rLopen{kindTlcreate + 1, q, 0},
		&tRead{1, 2, 3}, &rRead{kindTread + 1, []byte("data")}, &tWrite{1, 2, []byte("data")}, &rWrite{4},
		&tReaddir{1, 2, 3}, &rRead{kindTreaddir + 1, []byte("entries")}, &tClunk{1}, &rEmpty{kindTclunk + 1},
		&tRemove{1}, &rEmpty{kindTremove + 1}, &tStatfs{1}, &rStatfs{StatFS{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		&tGetattr{1, 0x7ff}, &rGetattr{0x7ff, q, Attr{ModeDir | 0o755, 1, 2, 3, 9, 4, 5, at, at, at}},
		&tSetattr{1, SetAttr{SetSize, 1, 2, 3, 4, at, at}}, &rEmpty{kindTsetattr + 1},
		&tXattrwalk{1, 2, "user.x"}, &rXattrwalk{9}, &tFsync{1, 1}, &rEmpty{kindTfsync + 1},
		&tMkdir{1, "d", 0o755, 0}, &rQid{kindTmkdir + 1, q}, &tRename{1, 2, "n"}, &rEmpty{kindTrename + 1},
		&tRenameat{1, "a", 2, "b"}, &rEmpty{kindTrenameat + 1}, &tUnlinkat{1, "n", 0x200}, &rEmpty{kindTunlinkat + 1},
		&tSymlink{1, "n", "../t", 5}, &rQid{kindTsymlink + 1, q}, &tMknod{1, "n", 2, 3, 4, 5}, &rQid{kindTmknod + 1, q},
		&tReadlink{1}, &rReadlink{"../t"}, &tLink{1, 2, "n"}, &rEmpty{kindTlink + 1},
		&tXattrcreate{1, "user.x", 5, 1}, &rEmpty{kindTxattrcreate + 1},
		&tLock{1, LockRequest{LockWrite, 1, 2, 3, 4, "c"}}, &rLock{LockBlocked},
		&tGetlock{1, LockRequest{LockWrite, 0, 2, 3, 4, "c"}}, &rGetlock{LockRequest{Unlock, 0, 2, 3, 4, "c"}},
	}
}

// TestEveryMessage also makes sure that samples misses no type.
func TestEveryMessage(t *testing.T) {
	seen := map[uint8]bool{}
	for _, m := range samples() {
		seen[m.kind()] = true
		frame, ok := (&codec{}).appendMessage(nil, 7, m)
		if !ok {
			t.Fatalf("%T: cannot encode", m)
		}
		if n := binary.LittleEndian.Uint32(frame); int(n) != len(frame) {
			t.Errorf("%T: size %d of %d bytes", m, n, len(frame))
		}
		got, ok := (&codec{}).parseMessage(frame[4], frame[headerLen:])
		if !ok || !reflect.DeepEqual(got, m) {
			t.Errorf("%T: got %+v, want %+v", m, got, m)
		}
		for cut := headerLen; cut < len(frame); cut++ {
			_, ok := (&codec{}).parseMessage(frame[4], frame[headerLen:cut])
			if _, short := m.(*tFsync); ok && !(short && cut == headerLen+4) {
				t.Errorf("%T: accepted when cut to %d of %d bytes", m, cut, len(frame))
			}
		}
		if _, ok := (&codec{}).parseMessage(frame[4], append(frame[headerLen:], 0)); ok {
			t.Errorf("%T: accepted with a byte too many", m)
		}
	}
	for kind := range 256 {
		if newMessage(uint8(kind), Dialect9P2000L) != nil && !seen[uint8(kind)] {
			t.Errorf("no sample of message type %d", kind)
		}
	}
}

// FuzzParseMessage: what is accepted says the same when it is written again.
func FuzzParseMessage(f *testing.F) {
	for _, m := range samples() {
		frame, _ := (&codec{}).appendMessage(nil, 7, m)
		f.Add(frame[4], frame[headerLen:])
	}
	f.Add(uint8(kindTwalk), []byte{0, 0, 0, 0, 1, 0, 0, 0, 255, 255})
	f.Add(uint8(kindTwrite), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		m, ok := (&codec{}).parseMessage(kind, body)
		if !ok {
			return
		}
		frame, ok := (&codec{}).appendMessage(nil, 7, m)
		if !ok {
			t.Fatalf("accepted %+v but cannot write it", m)
		}
		again, ok := (&codec{}).parseMessage(kind, frame[headerLen:])
		if !ok || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

// FuzzServer sends frames made of the input to a server: it must neither panic
// nor hang, and leave nothing open. Handlers' panics are errors, so the log of
// the server is watched for them.
func FuzzServer(f *testing.F) {
	var all []byte
	for _, m := range samples() {
		frame, _ := (&codec{}).appendMessage(nil, 7, m)
		f.Add(frame[4:])
		if m.kind()%2 == 0 {
			all = append(append(all, byte(len(frame)-5)), frame[4:]...)
		}
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, script []byte) {
		tree := newMemTree()
		tree.addFile("f", []byte("content"))
		tree.addGate("gate")
		client, server := net.Pipe()
		s := &Server{
			NewTree: func(net.Conn) (Tree, error) { return tree, nil },
			Log:     panicLogger(t),
			Limits:  Limits{Fids: 16, Requests: 16, MessageSize: minMessage},
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.ServeConn(context.Background(), server)
		}()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			io.Copy(io.Discard, client)
		}()
		prologue, _ := (&codec{}).appendMessage(nil, noTag, &tVersion{minMessage, version9P2000L})
		prologue, _ = (&codec{}).appendMessage(prologue, 1, &tAttach{fid: 0, afid: noFid})
		prologue, _ = (&codec{}).appendMessage(prologue, 2, &tWalk{0, 1, []string{"gate"}})
		prologue, _ = (&codec{}).appendMessage(prologue, 2, &tLopen{1, uint32(ReadWrite)})
		client.Write(append(prologue, frames(script)...))
		client.Close()
		for _, c := range []chan struct{}{ended, drained} {
			select {
			case <-c:
			case <-time.After(10 * time.Second):
				t.Fatal("connection does not end")
			}
		}
		if n := tree.open.Load(); n != 0 {
			t.Fatalf("%d handles left open", n)
		}
	})
}

// frames turns a script into frames: a length byte and that many bytes of type,
// tag and body each, so that the fuzzer need not learn sizes.
func frames(script []byte) []byte {
	var out bytes.Buffer
	for len(script) > 1 {
		n := min(int(script[0]), len(script)-1)
		if n < 3 {
			n = min(3, len(script)-1)
		}
		body := script[1 : 1+n]
		script = script[1+n:]
		binary.Write(&out, binary.LittleEndian, uint32(4+len(body)))
		out.Write(body)
	}
	return out.Bytes()
}
