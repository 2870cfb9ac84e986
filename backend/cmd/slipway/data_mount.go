package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/engine"
	"github.com/slipway-desktop/slipway/backend/ninep/fusefs"
	"github.com/slipway-desktop/slipway/backend/ninep/kernelmount"
)

func (d *dataCLI) mount() *cobra.Command {
	var others bool
	cmd := &cobra.Command{
		Use: "mount DIR", Short: "Show the tree as a directory, until interrupted", Args: cobra.ExactArgs(1),
		Long: `Show the server's tree as a directory, until it is interrupted or unmounted: ls, cat
and vim work on it. The line "ready" on standard output says that it is there. On the
running Slipway's tree the versioned files are below DIR/data.

It uses the kernel's own 9P where that is there and this is root, else FUSE, which
needs /dev/fuse and, for other users than root, fusermount3 (package fuse3). Both are
Linux only. Open transactions belong to the mount: they are closed with it.`,
		Example: "  mkdir d && slipway data mount d &\n  mkdir d/branch/main/transactions/t\n" +
			"  echo hello >d/branch/main/transactions/t/rw/greeting\n  echo commit >d/branch/main/transactions/t/ctl",
		RunE: func(cmd *cobra.Command, args []string) error {
			addr := d.address()
			if addr == "" {
				home, err := d.home()
				if err != nil {
					return err
				}
				addr = engine.SocketPath(home)
			}
			// Dialled once before, for an error that says what to do.
			c, err := d.dial(cmd.Context())
			if err != nil {
				return err
			}
			c.Close()
			network, address, _, err := client.ParseAddr(addr)
			if err != nil {
				return err
			}
			d.following = true
			err = kernelmount.Auto(cmd.Context(), args[0], network, address, fusefs.Options{
				AllowOther: others, Immutable: immutable,
				Ready: func() { fmt.Fprintf(d.out, "%s shows the tree\nready\n", args[0]) },
			})
			if errors.Is(err, errors.ErrUnsupported) {
				return &control.Error{Code: control.CodeUnavailable, Message: err.Error(), Err: err}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&others, "allow-other", false, "let other users of this computer in")
	return cmd
}

// immutable: what is below a commit's or a tree's hash never changes.
func immutable(path string) bool {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/"), "data/")
	kind, rest, _ := strings.Cut(path, "/")
	return rest != "" && (kind == "snapshots" || kind == "trees" || kind == "commits")
}

func (d *dataCLI) umount() *cobra.Command {
	return &cobra.Command{
		Use: "umount DIR", Short: "Unmount what mount has mounted", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, options := "fusermount3", []string{"-u", "--"} // lets ordinary users do it
			if os.Geteuid() == 0 {
				name, options = "umount", []string{"--"}
			}
			return unmount(cmd.Context(), name, append(options, args...))
		},
	}
}

func unmount(ctx context.Context, name string, args []string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return &control.Error{
			Code: control.CodeInternal, Message: fmt.Sprintf("%s: %v: %s", name, err, strings.TrimSpace(string(out))),
			Hint: "a directory that is in use cannot be unmounted: `fuser -vm DIR` says by whom", Err: err,
		}
	}
	return nil
}
