package vm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

// engine is a vm.Guest that does what its functions say; nil ones succeed.
type engine struct {
	boot     func(ctx context.Context, m vm.Instance, phase func(string)) error
	shutdown func(ctx context.Context) error
	asked    atomic.Int32 // calls of Shutdown
}

func (e *engine) Boot(ctx context.Context, m vm.Instance, phase func(string)) error {
	if e.boot == nil {
		return nil
	}
	return e.boot(ctx, m, phase)
}

func (e *engine) Shutdown(ctx context.Context) error {
	e.asked.Add(1)
	if e.shutdown == nil {
		return errors.New("no way to ask")
	}
	return e.shutdown(ctx)
}

// bench is a supervisor that runs, within a synctest bubble.
type bench struct {
	*vm.Supervisor
	t      *testing.T
	fake   *vmtest.Fake
	engine *engine
	config vm.Config
	stop   context.CancelFunc // of Run
	ended  chan struct{}      // closed at the end of Run
}

// run runs a test of a supervisor with time that passes only when nothing moves.
// At its end Run must return, and the bubble proves that no goroutine is left.
func run(t *testing.T, fake *vmtest.Fake, e *engine, test func(b *bench)) {
	t.Helper()
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel")
	if err := os.WriteFile(kernel, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		b := &bench{
			Supervisor: vm.NewSupervisor(vm.Options{Driver: fake, Guest: e}),
			t:          t, fake: fake, engine: e, stop: stop,
			config: vm.Config{Name: "test", Dir: dir, CPUs: 2, MemoryMiB: 512, Kernel: kernel},
			ended:  make(chan struct{}),
		}
		go func() {
			defer close(b.ended)
			if err := b.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		test(b)
		stop()
		<-b.ended
		if err := b.Start(context.Background(), b.config); !errors.Is(err, vm.ErrClosed) {
			t.Errorf("Start after the end of Run: %v", err)
		}
	})
}

func (b *bench) start() error { return b.Start(b.t.Context(), b.config) }

func (b *bench) mustStart() {
	b.t.Helper()
	if err := b.start(); err != nil {
		b.t.Fatalf("Start: %v", err)
	}
	b.want(vm.Running, "")
}

func (b *bench) want(state vm.State, code vm.Code) vm.Status {
	b.t.Helper()
	synctest.Wait()
	st := b.Status()
	if st.State != state || st.Code != code {
		b.t.Fatalf("status is %s %q (%s), want %s %q", st.State, st.Code, st.Reason, state, code)
	}
	if code != "" && (st.Reason == "" || st.Hint == "") {
		b.t.Errorf("status says too little: reason %q, hint %q", st.Reason, st.Hint)
	}
	return st
}

func wantFault(t *testing.T, err error, code vm.Code) *vm.Fault {
	t.Helper()
	var f *vm.Fault
	if !errors.As(err, &f) || f.Code != code {
		t.Fatalf("got error %v, want a fault of code %q", err, code)
	}
	return f
}

// within fails unless f takes from least to most of the bubble's time.
func (b *bench) within(least, most time.Duration, f func()) {
	b.t.Helper()
	begin := time.Now()
	f()
	if d := time.Since(begin); d < least || d > most {
		b.t.Errorf("it took %v, want %v to %v", d, least, most)
	}
}

func TestBootGoesThroughPhases(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		time.Sleep(100 * time.Millisecond)
		m.Print("Linux version 6.12\r\nmore\r\n")
	}}
	e := &engine{boot: func(ctx context.Context, m vm.Instance, phase func(string)) error {
		for _, name := range []string{vm.PhaseAgent, vm.PhaseNetwork, "unknown", vm.PhaseEngine, vm.PhaseAgent} {
			time.Sleep(time.Second)
			phase(name)
		}
		return nil
	}}
	run(t, fake, e, func(b *bench) {
		b.mustStart()
		st := b.Status()
		got := ""
		for _, p := range st.Phases {
			got += fmt.Sprintf("%s %s %v-%v\n", p.Name, p.State, p.StartMS, p.EndMS)
		}
		// Network was named after agent had begun, so it had ended before.
		want := "hypervisor done 0-0\nkernel done 0-1100\nnetwork done 1100-1100\nagent done 1100-4100\nengine done 4100-5100\n"
		if got != want {
			t.Errorf("phases are\n%swant\n%s", got, want)
		}
		if st.Accelerator.Name != vm.TCG || st.CPUs != 2 || st.Launches != 1 || st.Retries != 0 || st.Driver != "fake" {
			t.Errorf("status is %+v", st)
		}
		if text, dropped := b.Console(); !bytes.Contains(text, []byte("Linux version")) || dropped != 0 {
			t.Errorf("console is %q after %d lost bytes", text, dropped)
		}
		wantFault(t, b.start(), vm.CodeState)
	})
}

func TestSilentLaunchIsRepeatedAndCounted(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		if m.Launch == 3 {
			m.Print("hello\n")
		} else {
			m.Print("\r\n\r\n") // is not a sign of life
		}
	}}
	run(t, fake, &engine{}, func(b *bench) {
		b.within(30*time.Second, 31*time.Second, b.mustStart)
		if st := b.Status(); st.Retries != 2 || st.Launches != 3 {
			t.Errorf("%d launches, %d retries; want 3 and 2", st.Launches, st.Retries)
		}
	})
}

func TestRetryIsShownWhileItRuns(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {}}
	run(t, fake, &engine{}, func(b *bench) {
		go b.start()
		time.Sleep(20 * time.Second)
		if st := b.want(vm.Starting, vm.CodeSilent); st.Retries != 1 || !strings.Contains(st.Reason, "(1 of 2)") {
			t.Errorf("retries %d, reason %q", st.Retries, st.Reason)
		}
		time.Sleep(30 * time.Second)
		b.want(vm.Failed, vm.CodeSilent)
		if n := fake.Launches(); n != 3 {
			t.Errorf("%d launches, want 3", n)
		}
	})
}

func TestPanicIsReportedWithLastLines(t *testing.T) {
	for name, reboots := range map[string]bool{"and reboots": true, "and hangs": false} {
		t.Run(name, func(t *testing.T) {
			fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
				m.Print("hello\n[    1.19] Kernel panic - not sync")
				m.Print("ing: Fatal exception in interrupt\r\n---[ end Kernel panic ]---\r\n")
				if reboots {
					m.Die(&vm.Fault{Code: vm.CodeReset, Message: "The guest rebooted itself.", Hint: "x"})
				}
			}}
			wait := func(ctx context.Context, _ vm.Instance, _ func(string)) error {
				<-ctx.Done()
				return ctx.Err()
			}
			run(t, fake, &engine{boot: wait}, func(b *bench) {
				f := wantFault(t, b.start(), vm.CodePanic)
				if !strings.Contains(f.Message, "Fatal exception in interrupt") || !strings.Contains(f.Detail, "end Kernel panic") {
					t.Errorf("fault is %q with detail %q", f.Message, f.Detail)
				}
				b.want(vm.Failed, vm.CodePanic)
			})
		})
	}
}

func TestPanicWhileRunning(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		m.Print("hello\n")
		time.Sleep(time.Minute)
		m.Print("Kernel panic - not syncing: Attempted to kill init!\n")
	}}
	run(t, fake, &engine{}, func(b *bench) {
		b.mustStart()
		time.Sleep(2 * time.Minute)
		b.want(vm.Failed, vm.CodePanic)
		b.mustStartAgain()
	})
}

func (b *bench) mustStartAgain() {
	b.t.Helper()
	b.mustStart()
	if n := b.fake.Launches(); n != 2 {
		b.t.Errorf("%d launches, want 2", n)
	}
}

func TestHypervisorDies(t *testing.T) {
	died := &vm.Fault{Code: vm.CodeDied, Message: "QEMU ended unexpectedly.", Hint: "Start it again.", Detail: "last words"}
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		m.Print("hello\n")
		time.Sleep(time.Minute)
		m.Die(died)
	}}
	t.Run("while it runs", func(t *testing.T) {
		run(t, fake, &engine{}, func(b *bench) {
			b.mustStart()
			time.Sleep(2 * time.Minute)
			if st := b.want(vm.Failed, vm.CodeDied); st.Detail != "last words" {
				t.Errorf("detail is %q", st.Detail)
			}
		})
	})
	t.Run("while it boots, before Boot notices", func(t *testing.T) {
		e := &engine{boot: func(ctx context.Context, m vm.Instance, _ func(string)) error {
			<-m.Done()
			return errors.New("the agent's channel closed")
		}}
		run(t, fake, e, func(b *bench) { wantFault(t, b.start(), vm.CodeDied) })
	})
	t.Run("while it boots, after Boot noticed", func(t *testing.T) {
		fake := &vmtest.Fake{DeafStop: true, Guest: func(m *vmtest.Machine) {
			m.Print("hello\n")
			time.Sleep(2 * time.Second)
			m.Die(died)
		}}
		e := &engine{boot: func(context.Context, vm.Instance, func(string)) error {
			time.Sleep(time.Second)
			return errors.New("the agent's channel closed")
		}}
		run(t, fake, e, func(b *bench) { wantFault(t, b.start(), vm.CodeDied) })
	})
}

func TestStartFailures(t *testing.T) {
	missing := &vm.Fault{Code: vm.CodeMissing, Message: "QEMU is not installed.", Hint: "Install it."}
	for name, c := range map[string]struct {
		refuse func(context.Context, int) error
		code   vm.Code
		after  time.Duration
	}{
		"a fault is kept":     {func(context.Context, int) error { return missing }, vm.CodeMissing, 0},
		"an error is wrapped": {func(context.Context, int) error { return errors.New("odd") }, vm.CodeDied, 0},
		"a hang is ended": {func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}, vm.CodeDied, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, &vmtest.Fake{Refuse: c.refuse}, &engine{}, func(b *bench) {
				b.within(c.after, c.after, func() { wantFault(t, b.start(), c.code) })
				st := b.want(vm.Failed, c.code)
				if st.Phases[0].State != vm.PhaseFailed {
					t.Errorf("phases are %+v", st.Phases)
				}
			})
		})
	}
}

func TestBootFailures(t *testing.T) {
	hello := func(m *vmtest.Machine) { m.Print("hello\n") }
	t.Run("deadline", func(t *testing.T) {
		e := &engine{boot: func(ctx context.Context, _ vm.Instance, _ func(string)) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		run(t, &vmtest.Fake{Guest: hello}, e, func(b *bench) {
			b.within(2*time.Minute, 2*time.Minute+time.Second, func() { wantFault(t, b.start(), vm.CodeBoot) })
			if n := b.fake.Launches(); n != 1 {
				t.Errorf("%d launches: only silent ones are repeated", n)
			}
		})
	})
	t.Run("error", func(t *testing.T) {
		e := &engine{boot: func(context.Context, vm.Instance, func(string)) error {
			return errors.New("the agent speaks version 9")
		}}
		run(t, &vmtest.Fake{Guest: hello}, e, func(b *bench) {
			if f := wantFault(t, b.start(), vm.CodeBoot); f.Message != "The agent speaks version 9." || !strings.Contains(f.Detail, "hello") {
				t.Errorf("fault is %+v", f)
			}
		})
	})
	t.Run("power-off", func(t *testing.T) {
		fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) { m.Print("hello\n"); m.PowerOff() }}
		e := &engine{boot: func(ctx context.Context, m vm.Instance, _ func(string)) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		run(t, fake, e, func(b *bench) { wantFault(t, b.start(), vm.CodeBoot) })
	})
}

func TestWatchGetsTheLatest(t *testing.T) {
	run(t, &vmtest.Fake{}, &engine{}, func(b *bench) {
		ctx, cancel := context.WithCancel(b.t.Context())
		watch := b.Watch(ctx)
		if st := <-watch; st.State != vm.Stopped {
			t.Errorf("first status is %s", st.State)
		}
		b.mustStart() // many changes, none read
		if st := <-watch; st.State != vm.Running || st.Seq != b.Status().Seq {
			t.Errorf("status is %s, number %d of %d", st.State, st.Seq, b.Status().Seq)
		}
		select {
		case st := <-watch:
			t.Errorf("one more status: %+v", st)
		default:
		}
		cancel()
		synctest.Wait()
		if _, open := <-watch; open {
			t.Error("the channel is open after its context ended")
		}
		b.Stop(b.t.Context()) // must not send to it
	})
}

func TestWaitingForStartCanEnd(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		time.Sleep(5 * time.Second)
		m.Print("hello\n")
	}}
	run(t, fake, &engine{}, func(b *bench) {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		if err := b.Start(ctx, b.config); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start: %v", err)
		}
		time.Sleep(10 * time.Second)
		b.want(vm.Running, "") // the launch went on
	})
}

func TestFollowConsole(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		m.Print("hello\n")
		time.Sleep(time.Minute)
		m.Print("world\n")
	}}
	run(t, fake, &engine{}, func(b *bench) {
		b.mustStart()
		_, next, err := b.Follow(b.t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := b.Follow(b.t.Context(), next)
		if err != nil || string(data) != "world\n" {
			t.Errorf("Follow: %q, %v", data, err)
		}
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		if _, _, err := b.Follow(ctx, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Follow beyond the end: %v", err)
		}
	})
}
