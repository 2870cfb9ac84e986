package main

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) ports() *cobra.Command {
	var asJSON bool
	list := c.with(func(ctx context.Context, e *control.Client, _ []string) error {
		ports, err := e.Ports(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return c.json(ports)
		}
		t := newTable(c.out, "ID", "PROTO", "HOST", "TARGET", "ORIGIN", "STATE", "IN", "OUT")
		for _, p := range ports {
			t.row(p.ID, p.Proto, net.JoinHostPort(p.HostIP, strconv.Itoa(p.HostPort)), targetOf(p), p.Origin, p.State, size(p.BytesIn), size(p.BytesOut))
		}
		if err := t.flush(); err != nil {
			return err
		}
		for _, p := range ports {
			if p.Message != "" {
				c.printWarning(control.Warning{Title: p.ID, Text: p.Message, Hint: p.Hint})
			}
		}
		return nil
	})
	ls := &cobra.Command{Use: "ls", Short: "List published ports and forwards", Args: cobra.NoArgs, RunE: list}
	add := &cobra.Command{
		Use: "add [tcp|udp] [HOST-IP:]HOST-PORT TARGET:PORT", Short: "Make a forward, which a setting keeps", Args: cobra.RangeArgs(2, 3),
		Example: "  slipway ports add 8080 web:80\n  slipway ports add udp 127.0.0.1:5353 172.17.0.2:53",
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := control.ParsePortRequest(args)
			if err != nil {
				return usageError(cmd, "%v", err)
			}
			return c.with(func(ctx context.Context, e *control.Client, _ []string) error {
				p, err := e.AddPort(ctx, request)
				if err != nil {
					return err
				}
				if asJSON {
					return c.json(p)
				}
				_, err = fmt.Fprintf(c.out, "%s %s\n", p.ID, net.JoinHostPort(p.HostIP, strconv.Itoa(p.HostPort)))
				return err
			})(cmd, args)
		},
	}
	rm := &cobra.Command{
		Use: "rm ID…", Short: "Remove forwards", Args: cobra.MinimumNArgs(1),
		RunE: c.with(func(ctx context.Context, e *control.Client, ids []string) error {
			for _, id := range ids {
				if err := e.RemovePort(ctx, id); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd := &cobra.Command{Use: "ports", Short: "List, add and remove what is reachable from this computer", Args: cobra.NoArgs, RunE: list}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(ls, add, rm)
	return cmd
}

// targetOf is where a port leads.
func targetOf(p control.Port) string {
	if p.TargetPort == 0 {
		return p.Target
	}
	return fmt.Sprintf("%s:%d", p.Target, p.TargetPort)
}
