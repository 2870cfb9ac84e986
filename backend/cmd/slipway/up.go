package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// dialPatience is how long an engine that has been started may take to serve, or
// one that ends to let go of its home.
const dialPatience = 20 * time.Second

func (c *cli) up() *cobra.Command {
	var detach, hostOnly bool
	var image string
	cmd := &cobra.Command{
		Use: "up", Short: "Start Slipway and its machine", Args: cobra.NoArgs,
		Long: `Start Slipway and its machine, and stay in the foreground: an interrupt stops both
cleanly. With --detach, return when Docker answers and leave them running.

If Slipway runs already on this home, only the machine is started.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := c.home()
			if err != nil {
				return err
			}
			h := host{c, home, image}
			switch {
			case hostOnly:
				return h.run(cmd.Context())
			case detach:
				return h.detached(cmd.Context())
			}
			return h.foreground(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "return when Docker answers")
	cmd.Flags().StringVar(&image, "image", "", "directory of the guest image (default: SLIPWAY_IMAGE, else beside the program)")
	cmd.Flags().BoolVar(&hostOnly, "host-only", false, "run the engine and leave the machine to others")
	if err := cmd.Flags().MarkHidden("host-only"); err != nil {
		panic(err) // the flag is three lines above
	}
	return cmd
}

// host starts an engine on a home, in this process or in one of its own.
type host struct {
	*cli
	home, image string
}

// running is an engine that was started.
type running struct {
	done chan struct{} // closed when it has ended
	err  error         // why; set before done is closed
}

// foreground hosts the engine in this process, unless one runs already.
func (h host) foreground(ctx context.Context) error {
	if client, err := h.connect(ctx); err == nil {
		return h.join(ctx, client)
	}
	life, end := context.WithCancel(ctx)
	defer end()
	r := &running{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = h.run(life)
	}()
	stop := context.AfterFunc(ctx, func() { fmt.Fprintln(h.err, "Stopping.") })
	defer stop()
	err := h.bringUp(ctx, r)
	if err != nil {
		end() // nothing to host
	}
	<-r.done
	switch {
	case errors.Is(r.err, engine.ErrHomeTaken) && err == nil:
		return nil // somebody else was faster, and has started the machine
	case r.err != nil:
		return r.err
	case ctx.Err() != nil:
		return nil // stopped cleanly, as asked
	}
	return err
}

// detached hosts the engine in a process of its own, unless one runs already. An
// engine whose machine does not start is ended: nobody would see it.
func (h host) detached(ctx context.Context) error {
	if client, err := h.connect(ctx); err == nil {
		return h.join(ctx, client)
	}
	r, err := h.spawn()
	if err != nil {
		return err
	}
	err = h.bringUp(ctx, r)
	if err == nil {
		return nil
	}
	quitting, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if client, derr := h.connect(quitting); derr == nil {
		defer client.Close()
		if qerr := h.quit(quitting, client); qerr != nil {
			h.complain(qerr)
		}
	}
	return err
}

// join starts the machine of an engine that runs already.
func (h host) join(ctx context.Context, client *control.Client) error {
	defer client.Close()
	fmt.Fprintln(h.err, "Slipway runs already.")
	return h.ready(ctx, client)
}

// bringUp waits for an engine to serve, then starts its machine.
func (h host) bringUp(ctx context.Context, r *running) error {
	client, err := h.dial(ctx, r)
	if err != nil {
		return err
	}
	defer client.Close()
	return h.ready(ctx, client)
}

// ready starts the machine and says where Docker answers.
func (h host) ready(ctx context.Context, client *control.Client) error {
	if err := h.startMachine(ctx, client); err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	use := "DOCKER_HOST=" + st.Docker.Host
	if st.Docker.Context != "" {
		use = "docker --context " + st.Docker.Context
	}
	_, err = fmt.Fprintf(h.out, "Docker answers at %s (%s)\n", st.Docker.Host, use)
	return err
}

// dial waits for an engine to serve, as long as it has not ended.
func (h host) dial(ctx context.Context, r *running) (*control.Client, error) {
	patience := time.After(dialPatience)
	for ended := false; ; {
		client, err := h.connect(ctx)
		if err == nil {
			return client, nil
		}
		if ended {
			return nil, cmp.Or(r.err, err)
		}
		select {
		case <-r.done:
			ended = true // another engine may have the home: look once more
		case <-time.After(20 * time.Millisecond):
		case <-patience:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// run is the engine itself, until ctx ends or somebody quits it.
func (h host) run(ctx context.Context) error {
	image, err := h.findImage()
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		e, err := engine.New(engine.Options{Home: h.home, Image: image, Version: programVersion()})
		if err != nil {
			return err
		}
		err = e.Run(ctx)
		if !errors.Is(err, engine.ErrHomeTaken) || time.Since(began) > dialPatience {
			return err
		}
		// Either the engine before has stopped serving and is about to let go, or
		// another one works.
		if client, derr := h.connect(ctx); derr == nil {
			client.Close()
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func (h host) findImage() (string, error) {
	if h.image != "" {
		return filepath.Abs(h.image)
	}
	return engine.FindImage()
}
