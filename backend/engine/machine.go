package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/disk"
)

const (
	machineName = "default"
	// machineMAC is locally administered; one machine per network has no need of another.
	machineMAC = "02:51:1b:00:00:01"
)

// machine is the engine as control.Machine.
type machine Engine

// Start prepares a boot from the present settings and runs it.
func (m *machine) Start(ctx context.Context) error {
	e := (*Engine)(m)
	config, running, err := e.prepare(ctx)
	if err != nil || running {
		return err
	}
	e.log.Info("machine starts", "cpus", config.CPUs, "memoryMiB", config.MemoryMiB)
	err = e.supervisor.Start(ctx, config)
	if err == nil || ctx.Err() != nil {
		return err
	}
	e.endBoot(false)
	return controlError(err)
}

// prepare makes a boot, unless the machine is there already.
func (e *Engine) prepare(ctx context.Context) (config vm.Config, running bool, err error) {
	e.starting.Lock()
	defer e.starting.Unlock()
	if e.currentBoot() != nil {
		switch state := e.supervisor.Status().State; state {
		case vm.Running, vm.Paused:
			return config, true, nil
		default:
			return config, false, control.Errorf(control.CodeUnavailable, "the machine is %s", state).
				WithHint("wait until that is done")
		}
	}
	if err := e.image.check(); err != nil {
		return config, false, err
	}
	b, err := e.newBoot(ctx)
	if err != nil {
		return config, false, controlError(err)
	}
	if err := e.prepareDisk(b.values.VMDiskGiB); err != nil {
		return config, false, controlError(err)
	}
	if config, err = b.config(); err != nil {
		return config, false, err
	}
	if err := b.run(); err != nil {
		return config, false, controlError(err)
	}
	e.mu.Lock()
	e.boot = b
	e.mu.Unlock()
	return config, false, nil
}

// Stop stops the machine cleanly.
func (m *machine) Stop(ctx context.Context) error {
	err := m.supervisor.Stop(ctx)
	if err == nil {
		(*Engine)(m).endBoot(false)
	}
	return controlError(err)
}

// Restart is Stop and then Start, with the settings of now.
func (m *machine) Restart(ctx context.Context) error {
	if err := m.Stop(ctx); err != nil {
		return err
	}
	return m.Start(ctx)
}

// Kill takes the machine's power away.
func (m *machine) Kill(ctx context.Context) error {
	err := m.supervisor.Kill(ctx)
	if err == nil {
		(*Engine)(m).endBoot(false)
	}
	return controlError(err)
}

// Console writes what is kept of the console.
func (m *machine) Console(_ context.Context, w io.Writer) error {
	data, dropped := m.supervisor.Console()
	if dropped > 0 {
		if _, err := fmt.Fprintf(w, "[%d bytes before this are gone]\n", dropped); err != nil {
			return err
		}
	}
	_, err := w.Write(data)
	return err
}

// endBoot ends the present boot if its machine is down. The supervisor tells of a
// machine that went down by itself through watchMachine.
func (e *Engine) endBoot(onlyLater bool) {
	e.starting.Lock()
	defer e.starting.Unlock()
	b := e.currentBoot()
	if b == nil {
		return
	}
	status := e.supervisor.Status()
	if status.State != vm.Stopped && status.State != vm.Failed || onlyLater && status.Seq <= b.seq {
		return
	}
	e.mu.Lock()
	e.boot = nil
	e.mu.Unlock()
	b.close()
	e.names.forget()
	e.hub.changed(control.TopicStatus, control.TopicContainers, control.TopicPorts)
}

// watchMachine tells subscribers of the machine's states and cleans up when it is down.
func (e *Engine) watchMachine(ctx context.Context) error {
	var last vm.State
	for status := range e.supervisor.Watch(ctx) {
		e.hub.changed(control.TopicStatus)
		if status.State != last {
			last = status.State
			e.log.Info("machine "+string(status.State), "reason", status.Reason, "launches", status.Launches)
			e.hub.changed(control.TopicSettings)
			e.recordState(ctx)
		}
		if w := status.Accelerator.Warning; w != "" {
			e.warn(control.Warning{Code: "software-emulation", Title: "The machine runs slower than it could", Text: w})
		} else {
			e.clearWarning("software-emulation")
		}
		if status.State == vm.Stopped || status.State == vm.Failed {
			e.endBoot(true)
		}
	}
	return nil
}

// copyConsole puts the guest's console into the logbook, line by line.
func (e *Engine) copyConsole(ctx context.Context) error {
	var at uint64
	var rest string
	for {
		data, next, err := e.supervisor.Follow(ctx, at)
		if err != nil {
			return nil // the engine ends
		}
		at = next
		text := rest + strings.ReplaceAll(string(data), "\r", "")
		lines := strings.Split(text, "\n")
		rest = lines[len(lines)-1]
		if len(rest) > logLineSize { // a guest that never ends a line
			lines, rest = append(lines, ""), ""
		}
		for _, line := range lines[:len(lines)-1] {
			if !utf8.ValidString(line) {
				line = strings.ToValidUTF8(line, "?")
			}
			e.book.add(control.LogLine{Time: time.Now(), Source: "console", Level: "info", Text: line})
		}
	}
}

// machineStatus is the machine's state as the tree shows it.
func (e *Engine) machineStatus() control.MachineStatus {
	s := e.supervisor.Status()
	v := e.settings.Values()
	if b := e.currentBoot(); b != nil {
		v = b.values
	}
	m := control.MachineStatus{
		Name: machineName, State: string(s.State), Reason: s.Reason, Hint: s.Hint, Since: s.Since, Driver: s.Driver,
		Accelerator: control.Accelerator{Name: s.Accelerator.Name, Warning: s.Accelerator.Warning},
		CPUs:        s.CPUs, MemoryMiB: s.MemoryMiB, DiskGiB: v.VMDiskGiB, PID: s.PID, Retries: s.Retries,
		Phases: make([]control.Phase, 0, len(s.Phases)),
	}
	if m.CPUs == 0 { // never launched: what a start would give
		m.CPUs, m.MemoryMiB = v.VMCPUs, v.VMMemoryMiB
	}
	for _, p := range s.Phases {
		m.Phases = append(m.Phases, control.Phase{Name: p.Name, State: string(p.State), StartMS: p.StartMS, EndMS: p.EndMS})
	}
	return m
}

// controlError gives an error of a kit the form that the tree carries.
func controlError(err error) error {
	var ready *control.Error
	var fault *vm.Fault
	var full *disk.NoSpaceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &fault):
		code := control.CodeInternal
		switch fault.Code {
		case vm.CodeConfig, vm.CodePathTooLong:
			code = control.CodeInvalid
		case vm.CodeMissing, vm.CodeFileMissing, vm.CodeShareMissing:
			code = control.CodeNotFound
		case vm.CodeNoSpace:
			code = control.CodeNoSpace
		case vm.CodeInUse:
			code = control.CodeTaken
		case vm.CodeState, vm.CodeUnsupported:
			code = control.CodeUnavailable
		}
		return &control.Error{Code: code, Message: fault.Error(), Hint: fault.Hint, Err: err}
	case errors.Is(err, vm.ErrClosed):
		return control.Errorf(control.CodeUnavailable, "the engine is stopping")
	case errors.As(err, &full):
		return &control.Error{Code: control.CodeNoSpace, Message: full.Error(), Hint: "make room on this disk, then start again", Err: err}
	case errors.Is(err, os.ErrPermission):
		return &control.Error{Code: control.CodeDenied, Message: err.Error(), Err: err}
	}
	return &control.Error{Code: control.CodeInternal, Message: err.Error(), Err: err}
}
