package ninep

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// slowTree is a directory of one file, and takes longer for everything than a call
// keeps the turn.
type slowTree struct{ root *memNode }

func (s slowTree) Attach(context.Context, AttachRequest) (Node, error) { return slowNode{s.root}, nil }
func (s slowTree) Close()                                              {}

type slowNode struct{ *memNode }

func (n slowNode) Lookup(_ context.Context, name string) (Node, error) {
	time.Sleep(5 * patience)
	n.t.mu.Lock()
	defer n.t.mu.Unlock()
	if found := n.children[name]; found != nil {
		return slowNode{found}, nil
	}
	return nil, ENOENT
}

func (n slowNode) Open(ctx context.Context, flags OpenFlags) (Handle, error) {
	time.Sleep(5 * patience)
	return n.memNode.Open(ctx, flags)
}

// TestRequestsKeepTheirOrder: a request that uses a fid waits for those before it that
// make or open that fid, however the calls are spread over goroutines.
func TestRequestsKeepTheirOrder(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", []byte("content"))
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	conn := newConn(&Server{}, far, slowTree{tree.root})
	conn.slow.Store(^uint64(0)) // as if all calls had been slow before
	var served sync.WaitGroup
	served.Go(func() {
		if err := conn.run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer served.Wait()
	defer far.Close()
	defer cancel()
	c, err := NewClient(ctx, near, AttachRequest{UID: NoUID, Name: plainName})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 25 {
				b, err := c.ReadFile(ctx, "f", 100)
				if err != nil || string(b) != "content" {
					t.Errorf("read %q, %v", b, err)
					return
				}
			}
		})
	}
	readers.Wait()
}
