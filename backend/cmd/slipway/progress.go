package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/slipway-desktop/slipway/backend/control"
)

// startMachine starts the machine and shows how it boots, phase by phase, until
// Docker answers. If somebody else has just started it, it waits with them.
func (c *cli) startMachine(ctx context.Context, e *control.Client) error {
	watch, stop := context.WithCancel(ctx)
	defer stop()
	p := &progress{c: c, shown: map[string]bool{}, settled: make(chan control.MachineStatus, 1)}
	watched := make(chan error, 1)
	go func() { watched <- e.Events(watch, p.event) }()
	err := e.Start(ctx)
	var refused *control.Error
	if errors.As(err, &refused) && refused.Code == control.CodeUnavailable {
		err = p.wait(ctx, e, refused)
	}
	if err == nil {
		// The last phase may have ended between two events.
		if st, serr := e.Status(ctx); serr == nil {
			defer p.show(st)
		}
	}
	stop()
	if werr := <-watched; err == nil && ctx.Err() == nil && werr != nil {
		return werr
	}
	return err
}

// progress prints what a boot has done since it last looked.
type progress struct {
	c       *cli
	shown   map[string]bool            // phases and warnings
	settled chan control.MachineStatus // the last status of a machine that does not start
}

func (p *progress) event(e control.Event) error {
	if e.Topic != control.TopicStatus {
		return nil
	}
	var st control.Status
	if err := json.Unmarshal(e.Data, &st); err != nil {
		return fmt.Errorf("decode status: %w", err)
	}
	if st.Machine.State != "starting" {
		select { // keep the newest
		case <-p.settled:
		default:
		}
		p.settled <- st.Machine
	}
	if st.Machine.State == "starting" || st.Machine.State == "running" {
		p.show(st)
	}
	return nil
}

// show prints the phases that are done and the warnings that are new.
func (p *progress) show(st control.Status) {
	for _, ph := range st.Machine.Phases {
		// A launch that is tried again does its phases again.
		key := fmt.Sprintf("%s %d", ph.Name, st.Machine.Retries)
		if ph.State == "done" && !p.shown[key] {
			p.shown[key] = true
			fmt.Fprintf(p.c.err, "%-12s %8s\n", ph.Name, milliseconds(ph.EndMS-ph.StartMS))
		}
	}
	for _, w := range st.Warnings {
		if !p.shown[w.Code] {
			p.shown[w.Code] = true
			p.c.printWarning(w)
		}
	}
}

// wait is for a machine that somebody else starts: until it runs or failed.
// refused is the answer if it does neither.
func (p *progress) wait(ctx context.Context, e *control.Client, refused error) error {
	for {
		st, err := e.Status(ctx)
		if err != nil {
			return err
		}
		switch m := st.Machine; m.State {
		case "running":
			return nil
		case "failed":
			return &control.Error{Code: control.CodeInternal, Message: m.Reason, Hint: m.Hint}
		case "starting":
		default:
			return refused
		}
		select {
		case <-p.settled:
		case <-e.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
