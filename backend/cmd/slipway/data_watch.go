package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

// dataEvent is a line of watch with --json.
type dataEvent struct {
	Branch string `json:"branch"`
	Path   string `json:"path"`
	Kind   string `json:"kind"` // "dir", "file", "exec", "link", "commit", "" if there is nothing
	Hash   string `json:"hash"`
	line   string
}

func (d *dataCLI) watch() *cobra.Command {
	var asJSON, heads, reflog bool
	var command string
	var count int
	cmd := &cobra.Command{
		Use: "watch BRANCH [PATH]", Short: "Print a line now and whenever a file or directory changes", Args: cobra.RangeArgs(1, 2),
		Long: `Print a line now and whenever a file or directory of a branch changes: F-, X-, L- or
D- (file, program, link, directory) and the hash of its content; "-" if it does not
exist. Branch and path need not exist yet. Who is slow sees the latest state, not each.

With --heads, print the hash of each newest commit instead; with --reflog, of each
commit from now on, without skipping any.

--exec runs a command in the shell for each event instead, one after the other, with
SLIPWAY_BRANCH, SLIPWAY_PATH, SLIPWAY_KIND and SLIPWAY_HASH.`,
		Example: "  slipway data watch main etc/hosts\n  slipway data watch main --heads --exec 'make deploy REV=$SLIPWAY_HASH'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if heads && reflog || len(args) == 2 && (heads || reflog) {
				return usageError(cmd, "--heads and --reflog are for a branch: one of them, and no path")
			}
			return d.with(func(ctx context.Context, c *client.Client, args []string) error {
				d.following = true
				path := ""
				if len(args) == 2 {
					path = cleanPath(args[1])
				}
				events := nodeEvents(c.Watch(ctx, args[0], path))
				switch {
				case heads:
					events = commitEvents(c.Heads(ctx, args[0]))
				case reflog:
					events = commitEvents(c.Reflog(ctx, args[0]))
				}
				for e, err := range events {
					if err != nil {
						return err
					}
					e.Branch, e.Path = args[0], path
					if err := d.tell(ctx, e, asJSON, command); err != nil {
						return err
					}
					if count--; count == 0 {
						return nil
					}
				}
				return ctx.Err()
			})(cmd, args)
		},
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&command, "exec", "", "command to run for each event")
	cmd.Flags().BoolVar(&heads, "heads", false, "watch the newest commit")
	cmd.Flags().BoolVar(&reflog, "reflog", false, "print each commit from now on, lossless")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "end after this many events; 0 is never")
	return cmd
}

func nodeEvents(nodes iter.Seq2[client.Node, error]) iter.Seq2[dataEvent, error] {
	words := map[client.Kind]string{client.Dir: "dir", client.File: "file", client.Exec: "exec", client.Link: "link", client.Absent: ""}
	return func(yield func(dataEvent, error) bool) {
		for n, err := range nodes {
			e := dataEvent{line: "-"}
			if n.Kind != client.Absent {
				word, ok := words[n.Kind]
				if !ok {
					word = "odd"
				}
				e = dataEvent{Kind: word, Hash: n.Hash.String(), line: n.String()}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func commitEvents(heads iter.Seq2[client.Hash, error]) iter.Seq2[dataEvent, error] {
	return func(yield func(dataEvent, error) bool) {
		for h, err := range heads {
			e := dataEvent{line: "-"}
			if !h.IsZero() {
				e = dataEvent{Kind: "commit", Hash: h.String(), line: h.String()}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// tell prints an event or runs the command for it. A command that fails is told,
// and the watch goes on.
func (d *dataCLI) tell(ctx context.Context, e dataEvent, asJSON bool, command string) error {
	switch {
	case asJSON:
		return d.json(e)
	case command == "":
		_, err := fmt.Fprintln(d.out, e.line)
		return err
	}
	run := exec.CommandContext(ctx, shell[0], append(shell[1:len(shell):len(shell)], command)...)
	run.Env = append(os.Environ(), "SLIPWAY_BRANCH="+e.Branch, "SLIPWAY_PATH="+e.Path, "SLIPWAY_KIND="+e.Kind, "SLIPWAY_HASH="+e.Hash)
	run.Stdin, run.Stdout, run.Stderr = strings.NewReader(""), d.out, d.err
	err := run.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(d.err, "slipway: %s: %v\n", command, err)
	}
	return nil
}
