package vm

import (
	"context"
	"fmt"
	"time"
)

// life is one stay of a machine, from a Start to its end: a launch, repeated
// while the guest stays silent. It belongs to the goroutine of Run.
type life struct {
	*Supervisor
	ctx      context.Context // of Run; its end means Stop
	config   Config
	starters []chan error // wait until the guest serves
	stoppers []chan error // wait until the machine is gone
	asked    bool         // somebody wants the machine to end
	next     *request     // a Restart's second half
}

// live runs a life and returns the request to serve after it, if there is one.
func (s *Supervisor) live(ctx context.Context, r request) *request {
	l := &life{Supervisor: s, ctx: ctx, config: r.config, starters: []chan error{r.reply}}
	var fault *Fault
	for try := 0; ; try++ {
		launched := time.Now()
		s.update(func(st *Status) {
			phases := newPhases()
			enterPhase(phases, PhaseHypervisor, 0)
			*st = Status{
				Seq: st.Seq, State: Starting, Driver: s.driver.Name(), Since: st.Since,
				Accelerator: Accelerator{Name: l.config.Accelerator},
				CPUs:        l.config.CPUs, MemoryMiB: l.config.MemoryMiB,
				Phases: phases, Launches: try + 1, Retries: try, Launched: launched,
			}
			if try > 0 {
				st.Code, st.Reason, st.Hint = CodeSilent, fmt.Sprintf("%s Trying again (%d of %d).", fault.Message, try, s.retries), fault.Hint
			}
		})
		fault = newLaunch(l, launched).run()
		if l.asked || fault == nil || fault.Code != CodeSilent || try >= s.retries {
			break
		}
		s.log.Warn("silent launch, trying again", "vm", l.config.Name, "retry", try+1)
	}
	l.end(fault)
	return l.next
}

// end publishes the last state and answers everybody who waits.
func (l *life) end(fault *Fault) {
	served := len(l.starters) == 0
	if l.asked && fault != nil && fault.Code != CodeStuck {
		l.log.Warn("machine ended badly while it was stopped", "vm", l.config.Name, "err", fault)
		fault = nil
	}
	switch {
	case fault != nil && served:
		l.log.Error("machine failed", "vm", l.config.Name, "code", fault.Code, "err", fault, "detail", fault.Detail)
	case fault == nil && !l.asked && !served:
		fault = &Fault{Code: CodeBoot, Message: "The guest powered off before it was ready.",
			Hint: "Read the console's last lines."}
	}
	ms := l.sinceLaunch()
	l.update(func(st *Status) {
		st.PID = 0
		st.Code, st.Reason, st.Hint, st.Detail = "", "", "", ""
		switch {
		case fault != nil:
			st.State, st.Code, st.Reason, st.Hint, st.Detail = Failed, fault.Code, fault.Message, fault.Hint, fault.Detail
			endPhases(st.Phases, PhaseFailed, ms)
		default:
			st.State = Stopped
			if !l.asked {
				st.Reason, st.Hint = "The guest powered itself off.", "Start it again when you need it."
			}
			for i, p := range st.Phases {
				if p.State == PhaseActive {
					st.Phases[i] = Phase{Name: p.Name, State: PhasePending}
				}
			}
		}
	})
	var result error // a nil *Fault must not become a non-nil error
	if fault != nil {
		result = fault
	}
	answer(l.stoppers, result)
	if l.next != nil && result != nil { // it is stuck: a second one must not follow
		l.next.reply <- result
		l.next = nil
	}
	if result == nil {
		result = stoppedEarly()
	}
	answer(l.starters, result)
}

func stoppedEarly() error {
	return &Fault{Code: CodeState, Message: "The machine was stopped before its guest was ready.", Hint: "Start it again."}
}

func answer(waiters []chan error, err error) {
	for _, w := range waiters {
		w <- err
	}
}

func (l *life) sinceLaunch() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return milliseconds(time.Since(l.status.Launched))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// take notes a request that arrives during a life, and says how the machine is
// to be ended for it.
func (l *life) take(r request) halt {
	switch r.verb {
	case verbStart:
		r.reply <- &Fault{Code: CodeState, Message: "The machine is already started.", Hint: "Stop or restart it."}
		return haltNot
	case verbRestart:
		if l.next != nil {
			r.reply <- &Fault{Code: CodeState, Message: "The machine is already restarting.", Hint: "Wait for it."}
			return haltNot
		}
		l.next = &request{verbStart, l.config, r.reply}
	default:
		if l.next != nil { // a stop after a restart wins
			l.next.reply <- stoppedEarly()
			l.next = nil
		}
		l.stoppers = append(l.stoppers, r.reply)
	}
	l.asked = true
	if r.verb == verbKill {
		return haltNow
	}
	return haltGuest
}
