package vm

import (
	"context"
	"time"
)

// halt ends the machine in the given way, or speeds up an end under way.
func (a *launch) halt(how halt) {
	if how == haltNot {
		return
	}
	if a.asked { // else it failed, and stays what it was until it is gone
		a.update(func(st *Status) { st.State = Stopping })
	}
	if a.m == nil { // onStarted goes on
		a.halting = max(a.halting, how)
		a.abort()
		return
	}
	if a.halting != haltNot {
		if how == haltNow {
			a.hurry()
		}
		return
	}
	a.halting = how
	a.disarm()
	if a.leave != nil {
		a.leave()
	} else {
		how = max(how, haltHypervisor) // the guest never spoke
	}
	polite, hurry := context.WithCancel(a.live)
	a.hurry = hurry
	paused, deaf := a.paused, a.pausedBy != nil
	a.wg.Go(func() {
		defer hurry()
		if how == haltGuest && paused && (deaf || !a.wake(polite)) {
			how = haltHypervisor
		}
		if !a.haltSteps(polite, how) {
			a.stuck <- struct{}{}
		}
	})
}

// haltSteps says whether the machine is gone.
func (a *launch) haltSteps(polite context.Context, how halt) bool {
	if how <= haltGuest && a.gone(polite, a.deadlines.Shutdown, "guest", a.guest.Shutdown) {
		return true
	}
	if how <= haltHypervisor && a.gone(polite, a.deadlines.Quit, "hypervisor", a.m.Stop) {
		return true
	}
	return a.gone(a.live, a.deadlines.Kill, "kill", func(context.Context) error { return a.m.Kill() })
}

// gone asks for the machine's end and waits for it, both within the limit.
func (a *launch) gone(ctx context.Context, limit time.Duration, whom string, ask func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := ask(ctx); err != nil {
		a.log.Warn("machine not stopped this way", "vm", a.config.Name, "asked", whom, "err", err)
		select {
		case <-a.m.Done():
			return true
		default:
			return false
		}
	}
	select {
	case <-a.m.Done():
		return true
	case <-ctx.Done():
		a.log.Warn("machine did not stop in time", "vm", a.config.Name, "asked", whom, "limit", limit)
		return false
	}
}

// wake lets a machine that was paused by request hear its shutdown.
func (a *launch) wake(ctx context.Context) bool {
	p, ok := a.m.(Pauser)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, a.deadlines.Quit)
	defer cancel()
	return p.Resume(ctx) == nil
}
