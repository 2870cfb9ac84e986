package vm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// halt is how a machine is ended, from polite to final.
type halt int

const (
	haltNot        halt = iota
	haltGuest           // ask the guest, then the hypervisor, then kill
	haltHypervisor      // ask the hypervisor, then kill
	haltNow             // kill
)

// launch is one run of the hypervisor. Its run method is the only goroutine
// that changes it; the others report through channels that never block them.
type launch struct {
	*life
	begun time.Time
	from  uint64          // where its console text begins in the ring
	live  context.Context // of everything it starts
	end   context.CancelFunc
	wg    sync.WaitGroup

	m        Instance // nil until started
	fault    *Fault   // the first thing that went wrong
	served   bool
	halting  halt
	paused   bool
	pausedBy *Fault // why, if not by request
	deadline *time.Timer
	expire   func()             // what the end of deadline means
	abort    context.CancelFunc // ends Driver.Start
	leave    context.CancelFunc // ends Guest.Boot
	hurry    context.CancelFunc // makes a halt kill at once

	started  chan started
	spoke    chan struct{}
	panicked chan string
	silence  chan struct{} // closed at the end of the console
	booted   chan error
	done     <-chan struct{}
	notices  <-chan Notice
	stuck    chan struct{}
}

type started struct {
	m   Instance
	err error
}

func newLaunch(l *life, begun time.Time) *launch {
	// The end of Run's context must not tear the machine down: it is a Stop.
	live, end := context.WithCancel(context.WithoutCancel(l.ctx))
	return &launch{
		life: l, begun: begun, live: live, end: end,
		deadline: time.NewTimer(time.Hour),
		started:  make(chan started, 1),
		spoke:    make(chan struct{}, 1),
		panicked: make(chan string, 1),
		silence:  make(chan struct{}),
		booted:   make(chan error, 1),
		stuck:    make(chan struct{}, 1),
	}
}

// run returns when the hypervisor and all that served it are gone, with what
// went wrong.
func (a *launch) run() *Fault {
	defer a.wg.Wait()
	defer a.end()
	defer a.setInstance(nil)
	a.disarm()
	_, a.from, _ = a.console.since(0)
	fmt.Fprintf(a.console, "[slipway] launch of %s\r\n", a.config.Name)
	a.start()
	stop := a.ctx.Done()
	for {
		select {
		case r := <-a.started:
			if !a.onStarted(r) {
				return a.fault
			}
		case <-a.spoke:
			a.onFirstLine()
		case why := <-a.panicked:
			a.onPanic(why)
		case err := <-a.booted:
			a.onBooted(err)
		case n, ok := <-a.notices:
			a.onNotice(n, ok)
		case <-a.deadline.C:
			a.expire()
		case r := <-a.requests:
			a.halt(a.take(r))
		case <-stop:
			stop = nil
			a.asked = true
			a.halt(haltGuest)
		case <-a.done:
			return a.onDone()
		case <-a.stuck:
			return a.onStuck()
		}
	}
}

func (a *launch) arm(d time.Duration, expire func()) {
	a.deadline.Reset(d)
	a.expire = expire
}

func (a *launch) disarm() { a.deadline.Stop() }

func (a *launch) setInstance(m Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instance = m
}

func (a *launch) enter(phase string) {
	ms := milliseconds(time.Since(a.begun))
	a.update(func(st *Status) { enterPhase(st.Phases, phase, ms) })
}

func (a *launch) start() {
	ctx, abort := context.WithTimeout(a.live, a.deadlines.Launch)
	a.abort = abort
	a.wg.Go(func() {
		m, err := a.driver.Start(ctx, a.config)
		a.started <- started{m, err}
	})
}

// onStarted says whether there is a machine.
func (a *launch) onStarted(r started) bool {
	a.abort()
	if r.err != nil {
		if !a.asked { // else it is the abort that speaks
			a.fault = a.startFault(r.err)
		}
		return false
	}
	a.m = r.m
	a.done = r.m.Done()
	if n, ok := r.m.(Noticer); ok {
		a.notices = n.Notices()
	}
	a.wg.Go(func() { a.readConsole(r.m) })
	a.setInstance(r.m)
	info := r.m.Info()
	a.update(func(st *Status) {
		st.PID, st.CPUs, st.MemoryMiB, st.Accelerator = info.PID, info.CPUs, info.MemoryMiB, info.Accelerator
	})
	a.enter(PhaseKernel)
	if how := a.halting; how != haltNot { // asked for meanwhile
		a.halting = haltNot
		a.halt(max(how, haltHypervisor))
		return true
	}
	a.arm(a.deadlines.FirstLine, func() {
		a.fail(haltNow, &Fault{
			Code:    CodeSilent,
			Message: fmt.Sprintf("The guest printed nothing within %v of its start.", a.deadlines.FirstLine),
			Hint:    "Try again; if it stays so, use one CPU, or set the accelerator to tcg.",
		})
	})
	return true
}

func (a *launch) startFault(err error) *Fault {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Fault{Code: CodeDied, Message: fmt.Sprintf("The hypervisor did not start within %v.", a.deadlines.Launch),
			Hint: "Close programs that keep this computer busy, and start again.", Err: err}
	}
	return AsFault(err, CodeDied, "Read the log, and start again.")
}

func (a *launch) readConsole(m Instance) {
	defer close(a.silence)
	watch := lineWatch{
		spoke:    func() { a.spoke <- struct{}{} },
		panicked: func(why string) { a.panicked <- why },
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := m.Console().Read(buf)
		a.console.Write(buf[:n])
		watch.write(buf[:n])
		if err != nil {
			return
		}
	}
}

func (a *launch) onFirstLine() {
	if a.halting != haltNot || a.fault != nil {
		return
	}
	a.arm(a.deadlines.Boot, func() {
		if a.pausedBy != nil {
			a.fail(haltHypervisor, a.pausedBy)
			return
		}
		a.fail(haltHypervisor, &Fault{
			Code:    CodeBoot,
			Message: fmt.Sprintf("The guest was not ready within %v.", a.deadlines.Boot),
			Hint:    "Read the console's last lines to see where it stands.",
		})
	})
	ctx, leave := context.WithCancel(a.live)
	a.leave = leave
	a.wg.Go(func() { a.booted <- a.guest.Boot(ctx, a.m, a.enter) })
}

func (a *launch) onPanic(why string) {
	if a.fault != nil || a.asked {
		return
	}
	a.fault = &Fault{
		Code:    CodePanic,
		Message: sentence(strings.TrimSuffix("The guest's kernel panicked: "+why, ": ")),
		Hint:    "Start it again. If it comes back, keep the console's text and report it.",
	}
	// It should end by itself after its last words.
	a.arm(a.deadlines.Panic, func() { a.halt(haltNow) })
}

func (a *launch) onBooted(err error) {
	switch {
	case a.halting != haltNot || a.fault != nil:
	case err != nil:
		a.fail(haltHypervisor, AsFault(err, CodeBoot, "Read the console's last lines."))
	default:
		a.served = true
		a.disarm()
		ms := milliseconds(time.Since(a.begun))
		a.update(func(st *Status) {
			st.State = Running
			st.Code, st.Reason, st.Hint = "", "", ""
			endPhases(st.Phases, PhaseDone, ms)
		})
		answer(a.starters, nil)
		a.starters = nil
	}
}

func (a *launch) onNotice(n Notice, ok bool) {
	if !ok {
		a.notices = nil
		return
	}
	a.paused, a.pausedBy = n.Paused, n.Fault
	if a.halting != haltNot {
		return
	}
	// A launch that pauses keeps its boot deadline: nobody waits for ever.
	a.update(func(st *Status) {
		st.Code, st.Reason, st.Hint, st.Detail = "", "", "", ""
		switch {
		case n.Paused:
			if a.served {
				st.State = Paused
			}
			if n.Fault != nil {
				st.Code, st.Reason, st.Hint, st.Detail = n.Fault.Code, n.Fault.Message, n.Fault.Hint, n.Fault.Detail
			}
		case a.served:
			st.State = Running
		}
	})
}

// fail notes what went wrong and ends the machine.
func (a *launch) fail(how halt, f *Fault) {
	a.fault = f
	a.halt(how)
}

// onDone settles why the machine ended.
func (a *launch) onDone() *Fault {
	select { // its last words
	case <-a.silence:
	case <-time.After(a.deadlines.Kill):
	}
	select {
	case why := <-a.panicked:
		a.onPanic(why)
	default:
	}
	// A machine that died by itself explains a failed boot, not the reverse.
	if err := a.m.Err(); err != nil && (a.fault == nil || a.fault.Code == CodeBoot) {
		a.fault = AsFault(err, CodeDied, "Start it again.")
	}
	if a.fault != nil && a.fault.Detail == "" {
		text, _, _ := a.console.since(a.from)
		f := *a.fault // a driver may hold on to its own
		f.Detail = lastLines(text, 25)
		a.fault = &f
	}
	return a.fault
}

func (a *launch) onStuck() *Fault {
	return &Fault{
		Code:    CodeStuck,
		Message: fmt.Sprintf("The hypervisor (process %d) could not be ended.", a.m.Info().PID),
		Hint:    "End the process yourself, or restart this computer, before you start the machine again.",
		Err:     a.fault.orNil(),
	}
}

func (f *Fault) orNil() error {
	if f == nil {
		return nil
	}
	return f
}
