// Command slipway runs and steers Slipway from a terminal or a script.
//
// It hosts an engine (slipway up) or talks to the one that runs on the home, by
// its control tree, as the window does. One file holds one subcommand.
//
// Rules of its output: what was asked for goes to standard output, in aligned
// columns or, with --json, as one JSON document (one per line for what is
// followed); progress and errors go to standard error; nothing is coloured.
// Errors say what is the matter on the first line and what to do on the second.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
)

// The exit codes, which scripts rely on.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitNotRunning = 3
	exitConflict   = 4 // for scripts that want to try again
)

// version is set by the linker.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks; a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &cli{in: in, out: out, err: errOut}
	root := c.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) && c.following {
		return exitOK
	}
	if !c.started {
		err = &control.Error{Message: err.Error(), Hint: fmt.Sprintf("see `%s --help`", cmd.CommandPath()), Err: errUsage}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = errors.New("interrupted")
	}
	c.complain(err)
	return exitCode(err)
}

var (
	errUsage = errors.New("usage")
	errQuiet = errors.New("already said") // an error that needs no further words
)

// complain shows an error as a person reads it.
func (c *cli) complain(err error) {
	if errors.Is(err, errQuiet) {
		return
	}
	fmt.Fprintf(c.err, "slipway: %v\n", err)
	var e *control.Error
	if errors.As(err, &e) && e.Hint != "" {
		fmt.Fprintf(c.err, "  %s\n", e.Hint)
	}
}

func exitCode(err error) int {
	var e *control.Error
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errConflict):
		return exitConflict
	case errors.As(err, &e) && e.Code == control.CodeUnavailable:
		return exitNotRunning
	}
	return exitFailure
}

// usageError refuses what was typed.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return &control.Error{
		Code: control.CodeInvalid, Message: fmt.Sprintf(format, args...),
		Hint: fmt.Sprintf("see `%s --help`", cmd.CommandPath()), Err: errUsage,
	}
}

// programVersion is the version that was linked in, else what Go knows of the build.
func programVersion() string {
	if version != "devel" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) > 12 {
				return "devel-" + s.Value[:12]
			}
		}
	}
	return version
}
