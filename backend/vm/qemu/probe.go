package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// probeLimit is how long a trial boot may take to print its first line. A
// working accelerator needs a tenth of it; choose must answer within 3 s.
const probeLimit = 2500 * time.Millisecond

// native is the system's own accelerator.
var native = map[string]string{"linux": vm.KVM, "darwin": vm.HVF, "windows": vm.WHPX}

// prober finds the accelerator for a machine.
type prober struct {
	dir, binary, version string
	limit                time.Duration // probeLimit
	log                  *slog.Logger
}

// choose answers within 3 s. It falls back to TCG, with a warning that says
// why, unless the Config insists on another.
func (p prober) choose(ctx context.Context, c vm.Config) (vm.Accelerator, error) {
	want := c.Accelerator
	if want == "" {
		want = vm.Auto
	}
	if want == vm.TCG {
		return emulation(c, "", vm.Accelerator{}), nil
	}
	name := native[runtime.GOOS]
	if want != vm.Auto && want != name {
		return vm.Accelerator{}, &vm.Fault{Code: vm.CodeAccelerator,
			Message: fmt.Sprintf("There is no accelerator %s on this system.", want), Hint: "Set the accelerator to auto."}
	}
	result := vm.Accelerator{Name: name}
	problem, hint := closed(name)
	if problem == "" {
		a, err := p.ask(ctx, c.Kernel, name, want != vm.Auto)
		if err != nil {
			return vm.Accelerator{}, err
		}
		result.Probed, result.ProbeMS = a.fresh, a.MS
		if a.Works {
			return result, nil
		}
		problem = fmt.Sprintf("%s is there, but no Linux boots with it on this computer", strings.ToUpper(name))
		hint = "If this computer is a virtual machine itself, its host must allow nested virtualisation."
	}
	if want != vm.Auto {
		return vm.Accelerator{}, &vm.Fault{Code: vm.CodeAccelerator, Message: problem + ".",
			Hint: hint + " Or set the accelerator to auto."}
	}
	return emulation(c, problem+". "+hint, result), nil
}

// emulation is TCG, with what its user misses.
func emulation(c vm.Config, why string, probed vm.Accelerator) vm.Accelerator {
	a := vm.Accelerator{Name: vm.TCG, Probed: probed.Probed, ProbeMS: probed.ProbeMS}
	warning := []string{"The machine runs in software emulation, which is several times slower."}
	if why != "" {
		warning = append(warning, why)
	}
	if c.CPUs > 1 {
		warning = append(warning, fmt.Sprintf("It has 1 CPU instead of %d: more are not reliable in emulation.", c.CPUs))
	}
	a.Warning = strings.Join(warning, " ")
	return a
}

// answer is what a trial boot found. Key holds all that it depends on.
type answer struct {
	Key   string    `json:"key"`
	Works bool      `json:"works"`
	MS    float64   `json:"ms"`
	At    time.Time `json:"at"`
	fresh bool
}

// ask looks the answer up or finds it. Who insists on an accelerator gets a new
// trial after a bad answer.
func (p prober) ask(ctx context.Context, kernel, name string, insist bool) (answer, error) {
	key, err := p.key(kernel, name)
	if err != nil {
		return answer{}, err
	}
	known := p.load()
	i := slices.IndexFunc(known, func(a answer) bool { return a.Key == key })
	if i >= 0 && (known[i].Works || !insist) {
		return known[i], nil
	}
	start := time.Now()
	works, detail := p.trial(ctx, kernel, name)
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	a := answer{Key: key, Works: works, MS: float64(time.Since(start).Microseconds()) / 1000, At: start.UTC(), fresh: true}
	p.log.Info("accelerator probed", "accelerator", name, "works", works, "ms", a.MS, "detail", detail)
	if i >= 0 {
		known = slices.Delete(known, i, i+1)
	}
	if err := p.save(append(known, a)); err != nil {
		p.log.Warn("answer of the accelerator's probe not kept", "err", err)
	}
	return a, nil
}

func (p prober) key(kernel, name string) (string, error) {
	parts := []string{name, p.version, hostKernel()}
	for _, path := range []string{p.binary, kernel} {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("probe accelerator: %w", err)
		}
		parts = append(parts, fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano()))
	}
	return strings.Join(parts, "; "), nil
}

// maxAnswers bounds the file of answers; the oldest go first.
const maxAnswers = 8

func (p prober) load() []answer {
	f, err := os.Open(filepath.Join(p.dir, answersFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	var known []answer
	if json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&known) != nil {
		return nil // asking again costs less than explaining a damaged cache
	}
	return known[max(0, len(known)-maxAnswers):]
}

func (p prober) save(known []answer) error {
	data, err := json.MarshalIndent(known[max(0, len(known)-maxAnswers):], "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(p.dir, answersFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(p.dir, answersFile))
}

// trial boots the kernel with nothing but a console and waits for its first
// line. It leaves no process.
func (p prober) trial(ctx context.Context, kernel, name string) (works bool, detail string) {
	b, err := newBoard(thisHost(name))
	if err != nil {
		return false, err.Error()
	}
	early := "earlycon"
	if b.Arch == "amd64" {
		early = "earlyprintk=serial,ttyS0"
	}
	args := append(b.base(1, vm.MinMemoryMiB), "-serial", "stdio", "-kernel", kernel,
		"-append", strings.Join(append(b.words(), early), " "))
	spoke := make(chan struct{})
	proc, err := startProcess(p.binary, args, &firstLine{spoke: spoke})
	if err != nil {
		return false, err.Error()
	}
	defer proc.end()
	limit := time.NewTimer(p.limit)
	defer limit.Stop()
	select {
	case <-spoke:
		return true, ""
	case <-proc.gone:
		select { // the line can have come with the end
		case <-spoke:
			return true, ""
		default:
			return false, proc.tail.String()
		}
	case <-limit.C:
		return false, fmt.Sprintf("no console line within %v", p.limit)
	case <-ctx.Done():
		return false, ""
	}
}

// firstLine closes spoke when a line with something in it was written.
type firstLine struct {
	spoke chan struct{}
	line  []byte
	said  bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if !f.said {
		f.line = append(f.line, p[:min(len(p), 4<<10)]...)
		text := bytes.TrimLeft(f.line, " \t\r\n\x00")
		if f.said = bytes.IndexByte(text, '\n') > 0; f.said {
			close(f.spoke)
			f.line = nil
		}
		f.line = f.line[max(0, len(f.line)-4<<10):]
	}
	return len(p), nil
}
