package client_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
)

// BenchmarkTransaction is one durable commit over 9P: begin, write a small file in a
// tree of 1,000, commit.
func BenchmarkTransaction(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	store, err := datakit.Open(ctx, filepath.Join(b.TempDir(), "r.git"), datakit.Options{})
	if err != nil {
		b.Fatal(err)
	}
	addr := "unix://" + filepath.Join(b.TempDir(), "s")
	l, err := tree.Listen(ctx, addr, tree.ListenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- tree.New(store, tree.Options{}).Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := errors.Join(<-served, store.Close()); err != nil {
			b.Error(err)
		}
	}()
	c, err := client.Dial(ctx, addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Update(ctx, "main", "base", func(tx *client.Tx) error {
		for n := range 1000 {
			if err := tx.Write(ctx, fmt.Sprintf("%d/%d/%d", n/100, n/10%10, n%10), []byte("x")); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		tx, err := c.Begin(ctx, "main")
		if err != nil {
			b.Fatal(err)
		}
		if err := tx.Write(ctx, fmt.Sprintf("%d/%d/%d", n%10, n/10%10, n/100%10), fmt.Appendf(nil, "changed %d", n)); err != nil {
			b.Fatal(err)
		}
		if _, err := tx.Commit(ctx, "change"); err != nil {
			b.Fatal(err)
		}
	}
}
