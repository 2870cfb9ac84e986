package vm_test

import (
	"context"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

func TestGuestPowersOff(t *testing.T) {
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		m.Print("hello\n")
		time.Sleep(time.Minute)
		m.PowerOff()
	}}
	run(t, fake, &engine{}, func(b *bench) {
		b.mustStart()
		time.Sleep(2 * time.Minute)
		if st := b.want(vm.Stopped, ""); st.Reason == "" {
			t.Error("no reason")
		}
	})
}

func TestStopAsksGuestThenHypervisorThenKills(t *testing.T) {
	deaf := func(context.Context) error { return nil }
	for _, c := range []struct {
		name               string
		shutdown           func(context.Context) error
		deafStop, deafKill bool
		takes              time.Duration
		state              vm.State
	}{
		{"the guest cannot be asked", nil, false, false, 0, vm.Stopped},
		{"the guest does not obey", deaf, false, false, 10 * time.Second, vm.Stopped},
		{"asking the guest hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, false, false, 10 * time.Second, vm.Stopped},
		{"nor does the hypervisor", deaf, true, false, 15 * time.Second, vm.Stopped},
		{"nothing helps", deaf, true, true, 20 * time.Second, vm.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var machine *vmtest.Machine
			fake := &vmtest.Fake{DeafStop: c.deafStop, DeafKill: c.deafKill, Guest: func(m *vmtest.Machine) {
				machine = m
				m.Print("hello\n")
			}}
			e := &engine{shutdown: c.shutdown}
			run(t, fake, e, func(b *bench) {
				b.mustStart()
				b.within(c.takes, c.takes, func() {
					err := b.Stop(b.t.Context())
					if c.deafKill {
						wantFault(t, err, vm.CodeStuck)
					} else if err != nil {
						t.Errorf("Stop: %v", err)
					}
				})
				if st := b.Status(); st.State != c.state || e.asked.Load() != 1 {
					t.Errorf("state %s, guest asked %d times", st.State, e.asked.Load())
				}
				machine.PowerOff() // or the fake would stay
			})
		})
	}
}

func TestGuestThatObeysIsNotKilled(t *testing.T) {
	fake := &vmtest.Fake{DeafStop: true, DeafKill: true}
	run(t, fake, &engine{}, func(b *bench) {
		asked := make(chan struct{}) // of the bubble
		fake.Guest = func(m *vmtest.Machine) {
			m.Print("hello\n")
			<-asked
			time.Sleep(3 * time.Second)
			m.PowerOff()
		}
		b.engine.shutdown = func(context.Context) error { close(asked); return nil }
		b.mustStart()
		b.within(3*time.Second, 3*time.Second, func() {
			if err := b.Stop(b.t.Context()); err != nil {
				t.Errorf("Stop: %v", err)
			}
		})
		b.want(vm.Stopped, "")
	})
}

func TestKillHurriesAStop(t *testing.T) {
	e := &engine{shutdown: func(context.Context) error { return nil }}
	run(t, &vmtest.Fake{DeafStop: true}, e, func(b *bench) {
		b.mustStart()
		go b.Stop(b.t.Context())
		time.Sleep(time.Second)
		b.want(vm.Stopping, "")
		b.within(0, 0, func() {
			if err := b.Kill(b.t.Context()); err != nil {
				t.Error(err)
			}
		})
		if st := b.want(vm.Stopped, ""); st.Reason != "" {
			t.Errorf("reason %q, but we killed it", st.Reason)
		}
	})
}

func TestBadEndOfAStopIsStillAStop(t *testing.T) {
	var machine *vmtest.Machine
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		machine = m
		m.Print("hello\n")
	}}
	e := &engine{shutdown: func(context.Context) error { // it reboots instead
		machine.Die(&vm.Fault{Code: vm.CodeReset, Message: "The guest rebooted itself.", Hint: "x"})
		return nil
	}}
	run(t, fake, e, func(b *bench) {
		b.mustStart()
		if b.Instance() != vm.Instance(machine) {
			t.Error("Instance is not the running machine")
		}
		if err := b.Stop(b.t.Context()); err != nil {
			t.Error(err)
		}
		b.want(vm.Stopped, "")
		if b.Instance() != nil {
			t.Error("Instance is there after the end")
		}
	})
}

// A driver may be past the point of return when a stop comes.
func TestStopDuringTheLastMomentOfDriverStart(t *testing.T) {
	fake := &vmtest.Fake{Refuse: func(context.Context, int) error {
		time.Sleep(2 * time.Second)
		return nil
	}}
	run(t, fake, &engine{}, func(b *bench) {
		go b.start()
		time.Sleep(time.Second)
		b.within(time.Second, time.Second, func() {
			if err := b.Stop(b.t.Context()); err != nil {
				t.Error(err)
			}
		})
		b.want(vm.Stopped, "")
		b.mustStartAgain()
	})
}

func TestStopDuringDriverStart(t *testing.T) {
	fake := &vmtest.Fake{Refuse: func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	run(t, fake, &engine{}, func(b *bench) {
		result := make(chan error, 1)
		go func() { result <- b.start() }()
		time.Sleep(time.Second)
		b.within(0, 0, func() {
			if err := b.Stop(b.t.Context()); err != nil {
				t.Error(err)
			}
		})
		wantFault(t, <-result, vm.CodeState)
		b.want(vm.Stopped, "")
	})
}

func TestEndOfRunStopsTheMachine(t *testing.T) {
	run(t, &vmtest.Fake{}, &engine{}, func(b *bench) {
		b.mustStart()
		b.stop()
		<-b.ended
		if st := b.want(vm.Stopped, ""); st.Reason != "" {
			t.Errorf("reason %q, but we stopped it", st.Reason)
		}
		if b.engine.asked.Load() != 1 {
			t.Error("the guest was not asked")
		}
	})
}

func TestRestart(t *testing.T) {
	run(t, &vmtest.Fake{}, &engine{}, func(b *bench) {
		wantFault(t, b.Restart(b.t.Context()), vm.CodeState)
		b.mustStart()
		if err := b.Restart(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		b.want(vm.Running, "")
		if err := b.Stop(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Restart(b.t.Context()); err != nil {
			t.Fatalf("Restart of a stopped machine: %v", err)
		}
		if n := b.fake.Launches(); n != 3 {
			t.Errorf("%d launches, want 3", n)
		}
	})
}

func TestStopWinsOverRestart(t *testing.T) {
	e := &engine{shutdown: func(context.Context) error { return nil }}
	run(t, &vmtest.Fake{}, e, func(b *bench) {
		b.mustStart()
		restarted := make(chan error, 1)
		go func() { restarted <- b.Restart(b.t.Context()) }()
		time.Sleep(time.Second)
		if err := b.Stop(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFault(t, <-restarted, vm.CodeState)
		b.want(vm.Stopped, "")
	})
}

func TestFullHostDiskPausesAndSaysSo(t *testing.T) {
	full := &vm.Fault{Code: vm.CodeNoSpace, Message: "The host's disk is full.", Hint: "Free some space."}
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		m.Print("hello\n")
		time.Sleep(time.Minute)
		m.Notify(vm.Notice{Paused: true, Fault: full})
		time.Sleep(time.Minute)
		m.Notify(vm.Notice{})
		time.Sleep(time.Minute)
		m.Notify(vm.Notice{Paused: true, Fault: full})
	}}
	e := &engine{shutdown: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	run(t, fake, e, func(b *bench) {
		b.mustStart()
		time.Sleep(90 * time.Second)
		b.want(vm.Paused, vm.CodeNoSpace)
		time.Sleep(time.Minute)
		b.want(vm.Running, "")
		time.Sleep(time.Minute)
		b.want(vm.Paused, vm.CodeNoSpace)
		b.within(0, 0, func() { b.Stop(b.t.Context()) }) // the guest could not hear
		if b.engine.asked.Load() != 0 {
			t.Error("a guest that stands still was asked")
		}
	})
}

func TestFullHostDiskFailsABoot(t *testing.T) {
	full := &vm.Fault{Code: vm.CodeNoSpace, Message: "The host's disk is full.", Hint: "Free some space."}
	fake := &vmtest.Fake{Guest: func(m *vmtest.Machine) {
		m.Print("hello\n")
		m.Notify(vm.Notice{Paused: true, Fault: full})
	}}
	e := &engine{boot: func(ctx context.Context, _ vm.Instance, _ func(string)) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	run(t, fake, e, func(b *bench) {
		go func() {
			time.Sleep(time.Minute)
			b.want(vm.Starting, vm.CodeNoSpace)
		}()
		wantFault(b.t, b.start(), vm.CodeNoSpace)
	})
}

func TestPauseAndResume(t *testing.T) {
	run(t, &vmtest.Fake{}, &engine{}, func(b *bench) {
		wantFault(t, b.Pause(b.t.Context()), vm.CodeState)
		b.mustStart()
		if err := b.Pause(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		b.want(vm.Paused, "")
		if err := b.Resume(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		b.want(vm.Running, "")
		b.Pause(b.t.Context())
		b.Stop(b.t.Context())
		if b.engine.asked.Load() != 1 {
			t.Error("a paused guest is to be woken and asked")
		}
	})
}

func TestStopEndsARetryingLaunch(t *testing.T) {
	run(t, &vmtest.Fake{Guest: func(m *vmtest.Machine) {}}, &engine{}, func(b *bench) {
		result := make(chan error, 1)
		go func() { result <- b.start() }()
		time.Sleep(20 * time.Second)
		if err := b.Stop(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFault(t, <-result, vm.CodeState)
		b.want(vm.Stopped, "")
		if b.engine.asked.Load() != 0 {
			t.Error("a guest that never spoke was asked")
		}
	})
}
