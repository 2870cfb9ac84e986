package vmtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// Fake is a driver whose machines live in memory and do what a function says.
// Set its fields before the first Start. It needs no files but those that a
// Config names, and works in a testing/synctest bubble.
type Fake struct {
	// Guest is what the machine does after its start, in a goroutine of its own
	// that must return soon after m.Done. nil prints one line.
	Guest func(m *Machine)
	// Refuse, if set, runs at the beginning of each Start; launches count from 1.
	Refuse func(ctx context.Context, launch int) error
	// DeafStop lets machines accept a Stop and not obey; DeafKill a Kill.
	DeafStop, DeafKill bool

	mu       sync.Mutex
	launches int
	dirs     map[string]bool // in use
}

var _ vm.Driver = (*Fake)(nil)

// Name is "fake".
func (f *Fake) Name() string { return "fake" }

// Capabilities of the fake: all but recovery.
func (f *Fake) Capabilities() vm.Capabilities {
	return vm.Capabilities{Pause: true, Shares: true, ShareFS: "9p", DiskFormats: []vm.DiskFormat{vm.Qcow2, vm.Raw}, LinkKind: "stream"}
}

// Launches counts the calls of Start that got as far as Refuse.
func (f *Fake) Launches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.launches
}

// Start runs a machine.
func (f *Fake) Start(ctx context.Context, c vm.Config) (vm.Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.launches++
	launch, taken := f.launches, f.dirs[c.Dir]
	f.mu.Unlock()
	if taken {
		return nil, &vm.Fault{Code: vm.CodeInUse, Message: "A machine still runs in " + c.Dir + ".", Hint: "Stop it."}
	}
	if f.Refuse != nil {
		if err := f.Refuse(ctx, launch); err != nil {
			return nil, err
		}
	}
	m := &Machine{
		Config: c, Launch: launch, fake: f,
		notices: make(chan vm.Notice, 16),
		dialled: make(chan net.Conn, 1),
		ending:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	m.console, m.screen = io.Pipe()
	f.occupy(c.Dir, true)
	guest := f.Guest
	if guest == nil {
		guest = func(m *Machine) { m.Print("hello\n") }
	}
	go m.run(guest)
	return m, nil
}

func (f *Fake) occupy(dir string, yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs == nil {
		f.dirs = map[string]bool{}
	}
	f.dirs[dir] = yes
}

// Machine is a launch of a Fake. Its own methods are the guest's side.
type Machine struct {
	Config vm.Config
	Launch int // 1 for the first of its driver

	fake    *Fake
	console *io.PipeReader
	screen  *io.PipeWriter
	notices chan vm.Notice
	dialled chan net.Conn
	ending  chan struct{} // closed to end the guest
	done    chan struct{} // closed when it has ended

	mu    sync.Mutex
	over  bool // ending is closed
	err   error
	agent net.Conn // the host's end
}

var (
	_ vm.Instance = (*Machine)(nil)
	_ vm.Pauser   = (*Machine)(nil)
	_ vm.Noticer  = (*Machine)(nil)
)

func (m *Machine) run(guest func(*Machine)) {
	guest(m)
	<-m.ending
	m.screen.Close()
	m.mu.Lock()
	if m.agent != nil {
		m.agent.Close()
	}
	m.mu.Unlock()
	close(m.notices)
	m.fake.occupy(m.Config.Dir, false)
	close(m.done)
}

// end begins the end of the machine; the first reason counts.
func (m *Machine) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.over {
		m.over, m.err = true, err
		close(m.ending)
	}
}

// Print writes to the console; it waits until that is read or the machine ends.
func (m *Machine) Print(text string) {
	written := make(chan struct{})
	go func() {
		io.WriteString(m.screen, text)
		close(written)
	}()
	select {
	case <-written:
	case <-m.ending:
		m.screen.Close()
		<-written
	}
}

// PowerOff is the guest's own orderly end.
func (m *Machine) PowerOff() { m.end(nil) }

// Die ends the hypervisor for the given reason.
func (m *Machine) Die(f *vm.Fault) { m.end(f) }

// Ending is closed when the machine is to end.
func (m *Machine) Ending() <-chan struct{} { return m.ending }

// Accept is the guest's end of the next connection to its agent.
func (m *Machine) Accept() (net.Conn, error) {
	select {
	case conn := <-m.dialled:
		return conn, nil
	case <-m.ending:
		return nil, net.ErrClosed
	}
}

// Notify sends a notice; more than 16 unread ones are lost.
func (m *Machine) Notify(n vm.Notice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return
	}
	select {
	case m.notices <- n:
	default:
	}
}

// Info is that of an emulated machine with all that was asked for.
func (m *Machine) Info() vm.Info {
	return vm.Info{CPUs: m.Config.CPUs, MemoryMiB: m.Config.MemoryMiB, Accelerator: vm.Accelerator{Name: vm.TCG}}
}

// Agent connects to Accept, taking an earlier connection's place.
func (m *Machine) Agent(ctx context.Context) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return nil, fmt.Errorf("connect to the agent: %w", net.ErrClosed)
	}
	if m.agent != nil {
		m.agent.Close()
	}
	select { // nobody accepted the earlier one
	case <-m.dialled:
	default:
	}
	host, guest := net.Pipe()
	m.agent = host
	m.dialled <- guest
	return host, ctx.Err()
}

// Console is what Print wrote.
func (m *Machine) Console() io.Reader { return m.console }

// Stop ends the machine, unless it is deaf.
func (m *Machine) Stop(context.Context) error {
	if !m.fake.DeafStop {
		m.end(nil)
	}
	return nil
}

// Kill ends the machine, unless it is deaf; its console ends in any case.
func (m *Machine) Kill() error {
	if m.fake.DeafKill {
		m.screen.Close()
		return nil
	}
	m.end(nil)
	return nil
}

// Pause only tells that it paused.
func (m *Machine) Pause(context.Context) error {
	m.Notify(vm.Notice{Paused: true})
	return nil
}

// Resume only tells that it resumed.
func (m *Machine) Resume(context.Context) error {
	m.Notify(vm.Notice{})
	return nil
}

// Notices are those of Notify, Pause and Resume.
func (m *Machine) Notices() <-chan vm.Notice { return m.notices }

// Done is closed at the end of the machine.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Err is why it ended.
func (m *Machine) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}
