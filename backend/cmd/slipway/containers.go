package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) containers() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "containers", Short: "List the containers", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, e *control.Client, _ []string) error {
			list, err := e.Containers(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.json(list)
			}
			t := newTable(c.out, "NAME", "STATE", "IMAGE", "ADDRESS", "PORTS", "STATUS")
			for _, k := range list {
				var ports []string
				for _, p := range k.Ports {
					if p.HostPort != 0 {
						ports = append(ports, fmt.Sprintf("%d->%d/%s", p.HostPort, p.ContainerPort, p.Proto))
					}
				}
				t.row(k.Name, k.State, k.Image, strings.Join(k.Addresses, ","), strings.Join(ports, ","), k.Status)
			}
			return t.flush()
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
