// Command boot measures how long a machine takes from its launch to Docker's API, by
// phase, beside a bare boot of the same kernel and initramfs to the first line of
// PID 1. Both are done in turn, several times, and the medians are printed as the
// lines of build/bench/boot.md; -append adds them to that file.
//
// It measures what users get: `slipway up -d` on an empty home, engine, network,
// recording and all.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/driver"
)

func main() {
	rounds := flag.Int("n", 5, "rounds")
	file := flag.String("append", "", "file to append the table to")
	slipway := flag.String("slipway", "build/bin/slipway", "the command line")
	image := flag.String("image", filepath.Join("guest-image/out", runtime.GOARCH), "the guest image")
	flag.Parse()
	if err := run(*rounds, *slipway, *image, *file); err != nil {
		fmt.Fprintln(os.Stderr, "boot:", err)
		os.Exit(1)
	}
}

// A series is one row of the table: milliseconds, a round each.
type series struct {
	name string
	ms   []float64
}

func run(rounds int, slipway, image, file string) error {
	slipway, err := filepath.Abs(slipway)
	if err != nil {
		return err
	}
	image, err = filepath.Abs(image)
	if err != nil {
		return err
	}
	var rows []series
	add := func(name string, ms float64) {
		for i := range rows {
			if rows[i].name == name {
				rows[i].ms = append(rows[i].ms, ms)
				return
			}
		}
		rows = append(rows, series{name, []float64{ms}})
	}
	accelerator := ""
	for range rounds {
		ms, err := bare(image)
		if err != nil {
			return fmt.Errorf("bare boot: %w", err)
		}
		add("bare kernel and initramfs to PID 1", ms)
		status, total, err := full(slipway, image)
		if err != nil {
			return fmt.Errorf("whole boot: %w", err)
		}
		accelerator = status.Machine.Accelerator.Name
		for _, p := range status.Machine.Phases {
			add("launch to the end of phase "+p.Name, p.EndMS)
		}
		add("`slipway up -d` in all, the process included", total)
	}
	text := table(rows, rounds, accelerator)
	fmt.Print(text)
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// bare boots kernel and initramfs without a root disk, so that PID 1 says that it
// cannot go on, and returns the milliseconds to its first line.
func bare(image string) (float64, error) {
	dir, err := os.MkdirTemp("", "bare")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	text, err := os.ReadFile(filepath.Join(image, "manifest.json"))
	if err != nil {
		return 0, err
	}
	var manifest struct {
		KernelArgs []string `json:"kernelArgs"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	began := time.Now()
	m, err := driver.Default(driver.Options{}).Start(ctx, vm.Config{
		Name: "bare", Dir: dir, CPUs: 1, MemoryMiB: 1024, Accelerator: vm.TCG,
		Kernel: filepath.Join(image, "vmlinux"), Initrd: filepath.Join(image, "initrd"), Cmdline: manifest.KernelArgs,
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = m.Kill() // it is of no further use
		<-m.Done()
	}()
	lines := bufio.NewScanner(m.Console())
	for lines.Scan() {
		if strings.Contains(lines.Text(), "level=") { // slog: the agent's
			return float64(time.Since(began).Microseconds()) / 1000, nil
		}
	}
	return 0, errors.New("PID 1 said nothing")
}

func full(slipway, image string) (control.Status, float64, error) {
	var status control.Status
	dir, err := os.MkdirTemp("", "boot")
	if err != nil {
		return status, 0, err
	}
	defer os.RemoveAll(dir)
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(slipway, args...)
		cmd.Env = append(os.Environ(), "SLIPWAY_HOME="+dir, "SLIPWAY_IMAGE="+image, "DOCKER_CONFIG="+filepath.Join(dir, "docker"), "HOME="+dir)
		cmd.Stderr = os.Stderr
		return cmd
	}
	began := time.Now()
	if err := command("up", "-d").Run(); err != nil {
		return status, 0, err
	}
	total := float64(time.Since(began).Microseconds()) / 1000
	text, err := command("status", "--json").Output()
	if err == nil {
		err = json.Unmarshal(text, &status)
	}
	return status, total, errors.Join(err, command("down").Run())
}

func table(rows []series, rounds int, accelerator string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n## %s · %s/%s, %d processors, accelerator %s, median of %d\n\n",
		time.Now().Format("2006-01-02 15:04"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), accelerator, rounds)
	fmt.Fprintf(&out, "| from the launch to | median ms | least | most | ratio to bare |\n|---|---|---|---|---|\n")
	base := median(rows[0].ms)
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %.0f | %.0f | %.0f | %.2f |\n", r.name, median(r.ms), slices.Min(r.ms), slices.Max(r.ms), median(r.ms)/base)
	}
	return out.String()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
