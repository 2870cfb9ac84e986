package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) flows() *cobra.Command {
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use: "flows", Short: "List who talks to whom, by container name", Args: cobra.NoArgs,
		Long: `List who talks to whom, by container name.

With --follow each flow is printed again when it has changed, until interrupted;
with --json as well, each is a line of its own.`,
		RunE: c.with(func(ctx context.Context, e *control.Client, _ []string) error {
			if follow {
				c.following = true
				return e.Events(ctx, func(ev control.Event) error { return c.printFlowChanges(ev, asJSON) })
			}
			flows, err := e.Flows(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.json(flows)
			}
			return c.printFlows(flows)
		}),
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what changes")
	return cmd
}

func (c *cli) printFlows(flows []capture.Flow) error {
	t := newTable(c.out, "ID", "PROTO", "FROM", "TO", "CONTAINER", "APP", "STATE", "OUT", "IN", "DETAIL")
	for _, f := range flows {
		t.row(strconv.FormatUint(f.ID, 10), f.Proto, endpoint(f.SrcName, f.Src, f.SrcPort), endpoint(f.DstName, f.Dst, f.DstPort),
			f.Container, f.App, f.State, size(f.BytesOut), size(f.BytesIn), f.Detail)
	}
	return t.flush()
}

func (c *cli) printFlowChanges(ev control.Event, asJSON bool) error {
	if ev.Topic != control.TopicFlows {
		return nil
	}
	var changes control.FlowChanges
	if err := json.Unmarshal(ev.Data, &changes); err != nil {
		return fmt.Errorf("decode flows: %w", err)
	}
	for _, f := range changes.Changed {
		if asJSON {
			if err := c.json(f); err != nil {
				return err
			}
			continue
		}
		_, err := fmt.Fprintf(c.out, "%s %d %s %s -> %s %s %s out %s in %s %s\n", f.Last.Local().Format("15:04:05.000"), f.ID, f.Proto,
			endpoint(f.SrcName, f.Src, f.SrcPort), endpoint(f.DstName, f.Dst, f.DstPort), f.State, f.App,
			size(f.BytesOut), size(f.BytesIn), f.Detail)
		if err != nil {
			return err
		}
	}
	return nil
}

// endpoint prefers the name.
func endpoint(name, address string, port uint16) string {
	if name != "" {
		address = name
	}
	if port == 0 {
		return address
	}
	return net.JoinHostPort(address, strconv.Itoa(int(port)))
}
