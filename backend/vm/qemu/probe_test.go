//go:build linux

package qemu

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

func newProber(t *testing.T, play string, limit time.Duration) (prober, string) {
	c := fakeConfig(t)
	return prober{dir: c.Dir, binary: fakeQEMU(t, play), version: "9.1.0", limit: limit, log: slog.New(slog.DiscardHandler)}, c.Kernel
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		play  string
		limit time.Duration
		works bool
	}{
		{"speak", 10 * time.Second, true},
		{"die", 10 * time.Second, false},
		{"hang", 300 * time.Millisecond, false},
	} {
		t.Run(c.play, func(t *testing.T) {
			vmtest.NoLeak(t)
			p, kernel := newProber(t, c.play, c.limit)
			a, err := p.ask(t.Context(), kernel, vm.KVM, false)
			if err != nil || a.Works != c.works || !a.fresh {
				t.Fatalf("first: %+v, %v", a, err)
			}
			// The answer is kept: a program that could not run is not run.
			t.Setenv(playVariable, map[bool]string{true: "die", false: "speak"}[c.works])
			a, err = p.ask(t.Context(), kernel, vm.KVM, false)
			if err != nil || a.Works != c.works || a.fresh {
				t.Errorf("second: %+v, %v", a, err)
			}
			// Who insists gets a new trial after a bad answer.
			a, err = p.ask(t.Context(), kernel, vm.KVM, true)
			if err != nil || !a.Works || a.fresh == c.works {
				t.Errorf("insisting: %+v, %v", a, err)
			}
			// Another kernel is another question.
			if err := os.Chtimes(kernel, time.Time{}, time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			a, err = p.ask(t.Context(), kernel, vm.KVM, false)
			if err != nil || !a.fresh {
				t.Errorf("after a change of the kernel: %+v, %v", a, err)
			}
		})
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	vmtest.NoLeak(t)
	p, kernel := newProber(t, "hang", time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := p.ask(ctx, kernel, vm.KVM, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if len(p.load()) != 0 {
		t.Error("a trial that was broken off left an answer")
	}
}

func TestAnswersAreBoundedAndMayBeDamaged(t *testing.T) {
	p, _ := newProber(t, "", time.Second)
	var many []answer
	for range 3 * maxAnswers {
		many = append(many, answer{Key: "x"})
	}
	if err := p.save(append(many, answer{Key: "last"})); err != nil {
		t.Fatal(err)
	}
	if got := p.load(); len(got) != maxAnswers || got[maxAnswers-1].Key != "last" {
		t.Errorf("%d answers: %+v", len(got), got)
	}
	if err := os.WriteFile(filepath.Join(p.dir, answersFile), []byte("{]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := p.load(); got != nil {
		t.Errorf("from a damaged file: %+v", got)
	}
}

func TestChooseFallsBackWithAWarning(t *testing.T) {
	if problem, _ := closedDevice("/dev/kvm"); problem != "" {
		t.Skipf("not run: %s", problem)
	}
	p, kernel := newProber(t, "die", time.Second)
	c := vm.Config{Kernel: kernel, CPUs: 4}
	a, err := p.choose(t.Context(), c)
	if err != nil || a.Name != vm.TCG || !a.Probed {
		t.Fatalf("got %+v, %v", a, err)
	}
	for _, want := range []string{"software emulation", "KVM is there", "1 CPU instead of 4"} {
		if !strings.Contains(a.Warning, want) {
			t.Errorf("warning %q does not say %q", a.Warning, want)
		}
	}
	c.Accelerator = vm.KVM
	_, err = p.choose(t.Context(), c)
	wantCode(t, err, vm.CodeAccelerator)
	t.Setenv(playVariable, "speak")
	a, err = p.choose(t.Context(), c)
	if err != nil || a.Name != vm.KVM || a.Warning != "" {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestClosedDevice(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if problem, _ := closedDevice(open); problem != "" {
		t.Errorf("an open device: %q", problem)
	}
	if problem, hint := closedDevice(filepath.Join(dir, "none")); !strings.Contains(problem, "has no") || hint == "" {
		t.Errorf("a missing device: %q, %q", problem, hint)
	}
	if os.Getuid() == 0 {
		t.Log("not tried: a device without permission, because root has every permission")
		return
	}
	os.Chmod(open, 0)
	if problem, hint := closedDevice(open); !strings.Contains(problem, "may not open") || !strings.Contains(hint, "group kvm") {
		t.Errorf("a closed device: %q, %q", problem, hint)
	}
}

// The real thing: a decision within three seconds, and at once the next time.
func TestRealProbe(t *testing.T) {
	c := realConfig(t, vm.Auto)
	binary, err := findBinary("")
	if err != nil {
		t.Fatal(err)
	}
	p := prober{dir: c.Dir, binary: binary, version: "x", limit: probeLimit, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, most := range []time.Duration{3 * time.Second, 50 * time.Millisecond} {
		begin := time.Now()
		a, err := p.choose(t.Context(), c)
		took := time.Since(begin)
		if err != nil || took > most {
			t.Errorf("%+v, %v after %v, want an answer within %v", a, err, took, most)
		}
		t.Logf("%v: %+v", took, a)
	}
}
