package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// statusDocument is what status --json prints: the engine's status, and the
// machine's state where a script finds it first. "stopped" if no engine runs.
type statusDocument struct {
	State string `json:"state"`
	control.Status
}

func (c *cli) status() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show machine, Docker, network and settings at a glance", Args: cobra.NoArgs,
		Long: `Show machine, Docker, network and settings at a glance.

Exits with 3 if no engine runs; the state is then "stopped". With --json the
fields are those of /engine/status in the control tree, and the machine's state
once more as "state".`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := c.readStatus(cmd.Context())
			var e *control.Error
			stopped := errors.As(err, &e) && e.Code == control.CodeUnavailable
			if err != nil && !stopped {
				return err
			}
			if asJSON {
				if jerr := c.json(statusDocument{st.Machine.State, st}); jerr != nil {
					return jerr
				}
				if stopped {
					return errors.Join(errQuiet, err)
				}
				return nil
			}
			if stopped {
				fmt.Fprintln(c.out, "stopped")
				return err
			}
			return c.printStatus(st)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readStatus returns the status; that of nothing beside CodeUnavailable.
func (c *cli) readStatus(ctx context.Context) (control.Status, error) {
	home, err := c.home()
	if err != nil {
		return control.Status{}, err
	}
	nothing := control.Status{
		Home:     home,
		Versions: control.Versions{Slipway: programVersion(), Guest: map[string]string{}},
		Machine:  control.MachineStatus{Name: "default", State: "stopped", Phases: []control.Phase{}},
		Docker:   control.DockerStatus{State: "stopped"},
		Settings: control.SettingsState{Pending: []string{}},
		Warnings: []control.Warning{},
	}
	client, err := control.Dial(ctx, engine.SocketPath(home))
	if err != nil {
		return nothing, err
	}
	defer client.Close()
	st, err := client.Status(ctx)
	if err != nil {
		return nothing, err
	}
	return st, nil
}

func (c *cli) printStatus(st control.Status) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	m := st.Machine
	line("machine", "%s", strings.Join(notEmpty(m.State, brackets(m.Driver, m.Accelerator.Name), since(m)), " "))
	if m.Reason != "" {
		line("", "%s", m.Reason)
	}
	if m.Hint != "" {
		line("", "%s", m.Hint)
	}
	line("size", "%s, %s memory, %s disk", count(m.CPUs, "processor"), size(uint64(m.MemoryMiB)<<20), size(uint64(m.DiskGiB)<<30))
	if n := len(m.Phases); n > 0 && m.Phases[n-1].EndMS > 0 {
		var phases []string
		for _, p := range m.Phases {
			phases = append(phases, fmt.Sprintf("%s %s", p.Name, milliseconds(p.EndMS-p.StartMS)))
		}
		line("boot", "%s (%s)", milliseconds(m.Phases[n-1].EndMS), strings.Join(phases, ", "))
	}
	if m.Retries > 0 {
		line("retries", "%d", m.Retries)
	}
	context := ""
	if st.Docker.Context != "" {
		context = "(context " + st.Docker.Context + ")"
	}
	line("docker", "%s", strings.Join(notEmpty(st.Docker.State, st.Docker.Problem), ": "))
	line("", "%s", strings.Join(notEmpty(st.Docker.Host, context), " "))
	if st.Guest.Address != "" {
		line("address", "%s", st.Guest.Address)
	}
	line("network", "%s in, %s out, %s", size(st.Network.BytesIn), size(st.Network.BytesOut), count(st.Network.Flows, "flow"))
	settings := cmp.Or(short(st.Settings.Head), "all at their defaults")
	if len(st.Settings.Pending) > 0 {
		settings += "; after a restart of the machine: " + strings.Join(st.Settings.Pending, ", ")
	}
	line("settings", "%s", strings.Join(notEmpty(settings, st.Settings.Problem), ": "))
	line("home", "%s (engine %d)", st.Home, st.PID)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, warning := range st.Warnings {
		c.printWarning(warning)
	}
	return nil
}

// printWarning goes to standard error, where it disturbs no script.
func (c *cli) printWarning(w control.Warning) {
	fmt.Fprintf(c.err, "warning: %s\n", strings.Join(notEmpty(w.Title, w.Text), ": "))
	if w.Hint != "" {
		fmt.Fprintf(c.err, "  %s\n", w.Hint)
	}
}

func since(m control.MachineStatus) string {
	if m.State != "running" || m.Since.IsZero() {
		return ""
	}
	return "for " + age(m.Since)
}

// notEmpty returns the words that are not "".
func notEmpty(words ...string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

// brackets holds the words that are not "".
func brackets(words ...string) string {
	if words = notEmpty(words...); len(words) == 0 {
		return ""
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// count is a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
