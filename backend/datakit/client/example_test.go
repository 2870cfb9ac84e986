package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
)

// withServer runs an example beside a server of its own.
func withServer(example func(ctx context.Context, addr string) error) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := datakit.OpenMemory(datakit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	addr := "unix://" + filepath.Join(dir, "s")
	l, err := tree.Listen(ctx, addr, tree.ListenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- tree.New(store, tree.Options{}).Serve(ctx, l) }()
	err = example(ctx, addr)
	cancel()
	if err := errors.Join(err, <-served); err != nil {
		fmt.Println(err)
	}
}

// A transaction reads what is there and changes it; Update does it again if
// somebody else was faster.
func Example_transaction() {
	withServer(func(ctx context.Context, addr string) error {
		c, err := client.Dial(ctx, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		commit, err := c.Update(ctx, "main", "Count the visitor", func(tx *client.Tx) error {
			count := 0
			b, err := tx.Read(ctx, "visitors")
			if err == nil {
				_, err = fmt.Sscan(string(b), &count)
			}
			if err != nil && !errors.Is(err, client.ErrNotExist) {
				return err
			}
			return tx.Write(ctx, "visitors", fmt.Appendln(nil, count+1))
		})
		if err != nil {
			return err // nothing has changed
		}
		b, err := c.Snapshot(commit).Read(ctx, "visitors")
		fmt.Print(string(b)) // it is on disk
		return err
	})
	// Output: 1
}

// A watch yields what there is, and then each change of it.
func Example_watch() {
	withServer(func(ctx context.Context, addr string) error {
		c, err := client.Dial(ctx, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		for node, err := range c.Watch(ctx, "main", "etc/motd") {
			switch {
			case err != nil:
				return err // of the connection, for example
			case node.Kind == client.Absent:
				fmt.Println("no etc/motd yet")
				if _, err := c.Update(ctx, "main", "Say something", func(tx *client.Tx) error {
					return tx.Write(ctx, "etc/motd", []byte("Welcome\n"))
				}); err != nil {
					return err
				}
			default:
				fmt.Println("it is", node)
				return nil // leaves the watch
			}
		}
		return ctx.Err()
	})
	// Output:
	// no etc/motd yet
	// it is F-ba4c5142cc3836ccd2c913c6c45b1326aaa32a85
}

// A record is a program's settings: typed, with defaults, and with news.
func Example_record() {
	withServer(func(ctx context.Context, addr string) error {
		c, err := client.Dial(ctx, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		r, err := c.NewRecord(client.RecordOptions{
			Lookup: []string{"policy"}, State: "state", Defaults: "defaults", Path: "net",
		})
		if err != nil {
			return err
		}
		port := r.Int("port", 80)
		if err := errors.Join(r.Upgrade(ctx, 1), r.Seal(ctx)); err != nil {
			return err
		}
		n, since := port.Get()
		fmt.Println("port", n)
		if err := port.Set(ctx, "80 is taken", 8080); err != nil {
			return err
		}
		for _, err := range r.Changes(ctx) {
			if err != nil {
				return err
			}
			if port.HasChanged(since) {
				n, _ = port.Get()
				fmt.Println("port", n)
				break
			}
		}
		return nil
	})
	// Output:
	// port 80
	// port 8080
}
