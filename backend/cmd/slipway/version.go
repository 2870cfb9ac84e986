package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of slipway, and of what runs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(c.out, "slipway %s\n", programVersion())
			client, err := c.connect(cmd.Context())
			if err != nil {
				return nil // nothing runs that has a version
			}
			defer client.Close()
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "engine %s\n", st.Versions.Slipway)
			if st.Versions.Hypervisor != "" {
				fmt.Fprintf(c.out, "hypervisor %s\n", st.Versions.Hypervisor)
			}
			for _, name := range slices.Sorted(maps.Keys(st.Versions.Guest)) {
				fmt.Fprintf(c.out, "%s %s\n", name, st.Versions.Guest[name])
			}
			return nil
		},
	}
}
