//go:build cgo

package vz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/Code-Hex/vz/v3"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// machine is one launch.
type machine struct {
	driver  *Driver
	config  vm.Config
	vm      *vz.VirtualMachine
	console *os.File // our end
	screen  *os.File // the guest's end
	kept    []io.Closer
	link    string // path to remove
	notices chan vm.Notice
	done    chan struct{}

	mu     sync.Mutex
	asked  bool
	agent  net.Conn
	err    error
	killed sync.Once
}

var (
	_ vm.Instance = (*machine)(nil)
	_ vm.Pauser   = (*machine)(nil)
	_ vm.Noticer  = (*machine)(nil)
)

func newMachine(d *Driver, c vm.Config) *machine {
	return &machine{driver: d, config: c, notices: make(chan vm.Notice, 16), done: make(chan struct{})}
}

// launch returns when the machine runs. Its error leaves release to do.
func (m *machine) launch(ctx context.Context, p plan) error {
	vc, err := m.configure(p)
	if err != nil {
		return err
	}
	if m.vm, err = vz.NewVirtualMachine(vc); err != nil {
		return fmt.Errorf("machine: %w", err)
	}
	started := make(chan error, 1)
	go func() { started <- m.vm.Start() }()
	select {
	case err := <-started:
		if err != nil {
			return fmt.Errorf("start: %w", err)
		}
	case <-ctx.Done():
		if <-started == nil {
			m.vm.Stop()
		}
		return ctx.Err()
	}
	go m.watch()
	return nil
}

// watch is the one reader of the framework's states, and owns the machine's end.
func (m *machine) watch() {
	running := true
	for state := range m.vm.StateChangedNotify() {
		m.driver.log.Debug("machine's state changed", "vm", m.config.Name, "state", state.String())
		switch state {
		case vz.VirtualMachineStateRunning:
			if !running {
				m.notice(vm.Notice{})
			}
			running = true
		case vz.VirtualMachineStatePaused:
			running = false
			m.notice(vm.Notice{Paused: true})
		case vz.VirtualMachineStateStopped:
			m.finish(nil)
			return
		case vz.VirtualMachineStateError:
			m.finish(&vm.Fault{Code: vm.CodeDied, Message: "Virtualization.framework stopped the machine because of an error.",
				Hint: "Start it again. If it comes back, look in the system's log."})
			return
		}
	}
	m.finish(&vm.Fault{Code: vm.CodeDied, Message: "Virtualization.framework lost the machine.", Hint: "Start it again."})
}

func (m *machine) finish(err error) {
	m.mu.Lock()
	if !m.asked {
		m.err = err
	}
	if m.agent != nil {
		m.agent.Close()
	}
	m.mu.Unlock()
	m.release()
	close(m.notices)
	close(m.done)
}

// release gives back what the machine held. The console can still be read to
// its end.
func (m *machine) release() {
	for _, c := range m.kept {
		c.Close()
	}
	if m.screen != nil {
		m.screen.Close()
	}
	if m.link != "" {
		os.Remove(m.link)
	}
	m.driver.free(m.config.Dir)
}

// notice never waits: when nobody reads, the older notices go.
func (m *machine) notice(n vm.Notice) {
	for {
		select {
		case m.notices <- n:
			return
		default:
		}
		select {
		case <-m.notices:
		default:
		}
	}
}

func (m *machine) Info() vm.Info {
	return vm.Info{CPUs: m.config.CPUs, MemoryMiB: m.config.MemoryMiB, Accelerator: vm.Accelerator{Name: vm.VZ}}
}

func (m *machine) Console() io.Reader        { return console{m.console} }
func (m *machine) Notices() <-chan vm.Notice { return m.notices }
func (m *machine) Done() <-chan struct{}     { return m.done }

// console ends with io.EOF, however it ends.
type console struct{ file *os.File }

func (c console) Read(p []byte) (int, error) {
	n, err := c.file.Read(p)
	if err != nil {
		c.file.Close()
		err = io.EOF
	}
	return n, err
}

func (m *machine) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Agent connects to the guest's vsock port, in place of an earlier connection.
func (m *machine) Agent(ctx context.Context) (net.Conn, error) {
	devices := m.vm.SocketDevices()
	select {
	case <-m.done:
		return nil, net.ErrClosed
	default:
	}
	if len(devices) == 0 {
		return nil, errors.New("the machine has no socket device")
	}
	type result struct {
		conn net.Conn
		err  error
	}
	connected := make(chan result)
	go func() { // the framework's call cannot be ended; it answers or fails
		conn, err := devices[0].Connect(AgentPort)
		r := result{err: err}
		if err == nil {
			r.conn = conn
		}
		select {
		case connected <- r:
		case <-ctx.Done():
			if err == nil {
				conn.Close()
			}
		}
	}()
	select {
	case r := <-connected:
		if r.err != nil {
			return nil, fmt.Errorf("connect to the agent: %w", r.err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.agent != nil {
			m.agent.Close()
		}
		m.agent = r.conn
		return r.conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Stop cuts the power; see the package's comment.
func (m *machine) Stop(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() { stopped <- m.Kill() }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill cuts the power.
func (m *machine) Kill() error {
	m.mu.Lock()
	m.asked = true
	m.mu.Unlock()
	var err error
	m.killed.Do(func() {
		err = m.vm.Stop()
		m.screen.Close() // ends the console also when the machine lingers
	})
	select {
	case <-m.done: // it had ended
		return nil
	default:
		return err
	}
}

func (m *machine) Pause(ctx context.Context) error  { return within(ctx, m.vm.Pause) }
func (m *machine) Resume(ctx context.Context) error { return within(ctx, m.vm.Resume) }

// within bounds the wait for a call of the framework that takes no context.
func within(ctx context.Context, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
