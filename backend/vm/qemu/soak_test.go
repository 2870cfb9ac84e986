package qemu

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/disk"
)

var (
	soakBoots = flag.Int("soak", 0, "how many boots TestSoak makes")
	soakMark  = flag.String("soak-mark", "Run /init", "console text that tells a boot is good: PID 1 runs")
	soakCPUs  = flag.Int("soak-cpus", 1, "virtual CPUs, for accelerators that have more than one")
	soakAccel = flag.String("soak-accelerator", vm.TCG, "accelerator")
	soakLimit = flag.Duration("soak-limit", 2*time.Minute, "how long a boot may take before it counts as hung")
	soakKeep  = flag.String("soak-keep", os.TempDir(), "directory for the consoles of failures")
)

// boot is what became of one boot of the soak.
type boot struct {
	firstLine, ready time.Duration
	console          []byte
	err              error
}

// TestSoak boots again and again until PID 1 runs and the agent's channel can be
// reached, and keeps the console of each boot that did not:
//
//	go test ./backend/vm/qemu -run TestSoak -v -timeout 1h -args -soak 100
func TestSoak(t *testing.T) {
	if *soakBoots == 0 {
		t.Skip("not run: it takes minutes; ask for it with -args -soak 100")
	}
	var first, ready []time.Duration
	failures := 0
	for i := range *soakBoots {
		b := soakBoot(t)
		if b.err != nil {
			failures++
			path := filepath.Join(*soakKeep, fmt.Sprintf("soak-%d-%d.console", os.Getpid(), i))
			if err := os.WriteFile(path, b.console, 0o600); err != nil {
				t.Error(err)
			}
			t.Errorf("boot %d: %v; its console is in %s", i+1, b.err, path)
			continue
		}
		first, ready = append(first, b.firstLine), append(ready, b.ready)
		if (i+1)%10 == 0 {
			t.Logf("%d boots, %d failures", i+1, failures)
		}
	}
	t.Logf("%d of %d boots failed; first line: %s; %q: %s", failures, *soakBoots, spread(first), *soakMark, spread(ready))
}

func spread(d []time.Duration) string {
	if len(d) == 0 {
		return "never"
	}
	slices.Sort(d)
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
	return fmt.Sprintf("median %v, least %v, most %v", round(d[len(d)/2]), round(d[0]), round(d[len(d)-1]))
}

func soakBoot(t *testing.T) (b boot) {
	c := realConfig(t, *soakAccel)
	c.CPUs, c.MemoryMiB = *soakCPUs, 1024
	root := filepath.Join(filepath.Dir(c.Kernel), "root.erofs")
	if _, err := os.Stat(root); err == nil {
		c.Disks = append(c.Disks, vm.Disk{ID: "root", Path: root, Format: vm.Raw, ReadOnly: true})
	}
	data := filepath.Join(c.Dir, "data.qcow2")
	if err := disk.CreateQcow2(data, 8<<30); err != nil {
		t.Fatal(err)
	}
	c.Disks = append(c.Disks, vm.Disk{ID: "data", Path: data, Format: vm.Qcow2})
	ctx, cancel := context.WithTimeout(t.Context(), *soakLimit)
	defer cancel()
	begin := time.Now()
	m, err := New(Options{}).Start(ctx, c)
	if err != nil {
		b.err = err
		return b
	}
	defer func() { <-m.Done() }()
	defer m.Kill()
	diagnosis := make(chan string, 1)
	stop := context.AfterFunc(ctx, func() {
		diagnosis <- diagnose(m.(*instance))
		m.Kill() // ends the reading below
	})
	defer stop()
	buf := make([]byte, 16<<10)
	for !bytes.Contains(b.console, []byte(*soakMark)) {
		n, err := m.Console().Read(buf)
		if n > 0 && b.firstLine == 0 && strings.TrimSpace(string(buf[:n])) != "" {
			b.firstLine = time.Since(begin)
		}
		b.console = append(b.console, buf[:n]...)
		if err != nil {
			b.err = fmt.Errorf("%q never came within %v: machine %v", *soakMark, time.Since(begin), m.Err())
			if ctx.Err() != nil {
				b.console = append(b.console, <-diagnosis...)
			}
			return b
		}
	}
	b.ready = time.Since(begin)
	agent, err := m.Agent(ctx)
	if err != nil {
		b.err = err
		return b
	}
	agent.Close()
	return b
}

// diagnose asks QEMU about a guest that stands still: does its processor run,
// and does it wait for its disks?
func diagnose(m *instance) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var report strings.Builder
	for _, command := range []string{"info status", "info registers", "info pic", "info blockstats", "info registers"} {
		var answer string
		err := m.monitor.execute(ctx, "human-monitor-command", map[string]any{"command-line": command}, &answer)
		fmt.Fprintf(&report, "\n--- %s (%v)\n%s", command, err, answer)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.info.PID))
	fmt.Fprintf(&report, "\n--- process (%v)\n%s", err, stat)
	return report.String()
}
