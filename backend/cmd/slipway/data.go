package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

// errConflict is told apart by its exit code; what conflicts was printed.
var errConflict = errors.New("conflict")

// dataCLI is what the subcommands of `slipway data` share.
type dataCLI struct {
	*cli
	addr string
}

func (c *cli) data() *cobra.Command {
	d := &dataCLI{cli: c}
	cmd := group(&cobra.Command{
		Use: "data", Short: "Use versioned files: branches, transactions, merges, watches",
		Long: `Use versioned files: branches, transactions, merges, watches. They are an ordinary
git repository, which git can read and write at the same time.

The files are those of the running Slipway, or of any server with --addr or
SLIPWAY_DATA: unix://PATH, tcp://HOST:PORT, or the path of a socket. Start one with
"slipway data serve".

A change is one transaction: it is acknowledged when the command exits with 0, and
nothing of it is there otherwise. Exit code 4 says that it conflicts with what
somebody else changed; the paths are on standard error.`,
		Example: "  echo 42 | slipway data write answer -m 'know it'\n  slipway data log --path answer\n" +
			"  slipway data watch main answer --exec 'slipway data cat answer'",
	}, d.serve(), d.ls(), d.cat(), d.write(), d.rm(), d.commit(), d.branches(), d.log(), d.diff(), d.restore(), d.revert(),
		d.merge(), d.watch(), d.tx(), d.clone(), d.remote(), d.mount(), d.umount())
	cmd.PersistentFlags().StringVar(&d.addr, "addr", "", "server (default: SLIPWAY_DATA, else the running Slipway)")
	return cmd
}

// address is the server that was named, "" for the running engine.
func (d *dataCLI) address() string {
	if d.addr != "" {
		return d.addr
	}
	return os.Getenv("SLIPWAY_DATA")
}

// dial connects to the server that was named, else to the engine of the home.
func (d *dataCLI) dial(ctx context.Context) (*client.Client, error) {
	addr := d.address()
	if addr == "" {
		engine, err := d.connect(ctx)
		if err != nil {
			return nil, err
		}
		return client.New(engine.Tree(), "/data"), nil
	}
	if _, _, _, err := client.ParseAddr(addr); err != nil {
		return nil, &control.Error{Code: control.CodeInvalid, Message: err.Error(), Err: errUsage}
	}
	c, err := client.Dial(ctx, addr)
	switch {
	case err == nil || ctx.Err() != nil:
		return c, err
	case errors.Is(err, fs.ErrPermission):
		return nil, &control.Error{
			Code: control.CodeDenied, Message: fmt.Sprintf("the server at %s is somebody else's", addr),
			Hint: "run as its owner", Err: err,
		}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, client.ErrLost):
		return nil, &control.Error{
			Code: control.CodeUnavailable, Message: fmt.Sprintf("no server answers at %s", addr),
			Hint: "start one: slipway data serve --git PATH --listen " + addr, Err: err,
		}
	}
	return nil, err
}

// with makes a subcommand's body of a function that needs the server.
func (d *dataCLI) with(do func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := d.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return d.explain(do(cmd.Context(), c, args))
	}
}

// explain says what to do about an error of the client. The paths of a conflict
// are a line each.
func (d *dataCLI) explain(err error) error {
	var conflict *client.ConflictError
	var told *control.Error
	e := &control.Error{Code: control.CodeInvalid, Err: err}
	switch {
	case err == nil, errors.As(err, &told):
		return err
	case errors.As(err, &conflict):
		fmt.Fprintf(d.err, "slipway: somebody else changed the same\n")
		for _, path := range conflict.Paths {
			fmt.Fprintf(d.err, "%s\n", path)
		}
		return fmt.Errorf("%w: %w", errConflict, errQuiet)
	case errors.Is(err, client.ErrNoBranch):
		e.Code, e.Hint = control.CodeNotFound, "`slipway data branches` lists them"
	case errors.Is(err, client.ErrNotExist):
		e.Code = control.CodeNotFound
	case errors.Is(err, client.ErrExist):
		e.Code = control.CodeExists
	case errors.Is(err, client.ErrDenied):
		e.Code, e.Hint = control.CodeDenied, "the server's --access rules say who may"
	case errors.Is(err, client.ErrLost):
		e.Code, e.Hint = control.CodeUnavailable, "the server has ended, or ended the connection; what was not acknowledged may or may not be there"
	default:
		return err
	}
	e.Message = err.Error()
	return e
}

// made prints the commit that a change has become.
func (d *dataCLI) made(branch string, h client.Hash, message string, err error) error {
	if errors.Is(err, client.ErrNoChange) {
		fmt.Fprintf(d.err, "Nothing to change: %s has this already.\n", branch)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.out, "%s %s\n", h.Short(), firstLine(message))
	return err
}

// messageFlag adds -m.
func messageFlag(cmd *cobra.Command, message *string) {
	cmd.Flags().StringVarP(message, "message", "m", "", "why, for the history")
}

// branchFlag adds -b.
func branchFlag(cmd *cobra.Command, branch *string, what string) {
	cmd.Flags().StringVarP(branch, "branch", "b", "main", what)
}

// cleanPath makes the path of a file in a branch of what people type.
func cleanPath(path string) string {
	return strings.Join(strings.FieldsFunc(path, func(r rune) bool { return r == '/' }), "/")
}
