package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) capture() *cobra.Command {
	var file, filter string
	var follow bool
	cmd := &cobra.Command{
		Use: "capture -w FILE", Short: "Write the recorded packets as a pcapng file", Args: cobra.NoArgs,
		Long: `Write the recorded packets as a pcapng file, which Wireshark and tshark read.
FILE is replaced; "-" is standard output.`,
		Example: "  slipway capture -w web.pcapng --filter 'container == \"web\"'\n  slipway capture -f -w - | tshark -r -",
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usageError(cmd, "capture needs -w and the file to write")
			}
			return c.with(func(ctx context.Context, e *control.Client, _ []string) error {
				c.following = follow
				return c.writeCapture(ctx, e, file, filter, follow)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVarP(&file, "write", "w", "", "file to write; - is standard output")
	cmd.Flags().StringVar(&filter, "filter", "", "only packets that this display filter selects")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new packets until interrupted")
	return cmd
}

func (c *cli) writeCapture(ctx context.Context, e *control.Client, file, filter string, follow bool) error {
	if file == "-" {
		if f, ok := c.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return control.Errorf(control.CodeInvalid, "packets are no text for a terminal").
				WithHint("name a file, or pipe them: slipway capture -w - | tshark -r -")
		}
		return e.Pcapng(ctx, filter, follow, c.out)
	}
	out := &lateFile{path: file}
	err := e.Pcapng(ctx, filter, follow, out)
	if cerr := out.close(); err == nil {
		err = cerr
	}
	return err
}

// lateFile is made with the first write, so that a refused filter destroys nothing.
type lateFile struct {
	path string
	file *os.File
}

func (l *lateFile) Write(p []byte) (int, error) {
	if l.file == nil {
		f, err := os.Create(l.path)
		if err != nil {
			return 0, fmt.Errorf("make the capture file: %w", err)
		}
		l.file = f
	}
	n, err := l.file.Write(p)
	if err != nil {
		err = fmt.Errorf("write the capture file: %w", err)
	}
	return n, err
}

func (l *lateFile) close() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("write the capture file: %w", err)
	}
	return nil
}
