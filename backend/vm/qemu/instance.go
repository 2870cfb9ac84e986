package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/disk"
)

// instance is one QEMU with its monitor.
type instance struct {
	log     *slog.Logger
	config  vm.Config
	info    vm.Info
	proc    *process
	console console
	monitor *qmp
	notices chan vm.Notice
	done    chan struct{}
	wg      sync.WaitGroup // of all but watch

	mu      sync.Mutex
	asked   bool   // Stop or Kill was called
	reason  string // of QEMU's SHUTDOWN event
	noSpace *vm.Fault
	agent   net.Conn
	err     error
}

var (
	_ vm.Instance = (*instance)(nil)
	_ vm.Pauser   = (*instance)(nil)
	_ vm.Noticer  = (*instance)(nil)
)

func (m *instance) Info() vm.Info             { return m.info }
func (m *instance) Console() io.Reader        { return &m.console }
func (m *instance) Done() <-chan struct{}     { return m.done }
func (m *instance) Notices() <-chan vm.Notice { return m.notices }

func (m *instance) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Agent takes the channel over from an earlier connection, because QEMU serves
// one at a time and lets the others wait.
func (m *instance) Agent(ctx context.Context) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.agent != nil {
		m.agent.Close()
		m.agent = nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(m.config.Dir, agentSocket))
	if err != nil {
		return nil, err
	}
	m.agent = conn
	return conn, nil
}

func (m *instance) ask() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = true
}

// Stop lets QEMU flush the disks and exit.
func (m *instance) Stop(ctx context.Context) error {
	m.ask()
	err := m.monitor.execute(ctx, "quit", nil, nil)
	if err == nil {
		return nil
	}
	if errors.Is(err, errQMPGone) { // it may be on its way out
		select {
		case <-m.done:
			return nil
		case <-ctx.Done():
		}
	}
	return err
}

func (m *instance) Kill() error {
	m.ask()
	err := m.proc.kill()
	m.console.endWithin(time.Second)
	return err
}

func (m *instance) Pause(ctx context.Context) error {
	return m.monitor.execute(ctx, "stop", nil, nil)
}

func (m *instance) Resume(ctx context.Context) error {
	return m.monitor.execute(ctx, "cont", nil, nil)
}

// onEvent is called by the monitor's reader.
func (m *instance) onEvent(name string, data json.RawMessage) {
	m.log.Debug("QEMU event", "vm", m.config.Name, "event", name)
	switch name {
	case "SHUTDOWN":
		var d struct {
			Reason string `json:"reason"`
		}
		if json.Unmarshal(data, &d) == nil {
			m.mu.Lock()
			m.reason = d.Reason
			m.mu.Unlock()
		}
	case "GUEST_PANICKED":
		m.mu.Lock()
		m.reason = "guest-panic"
		m.mu.Unlock()
	case "BLOCK_IO_ERROR": // a STOP follows if QEMU waits for room
		var d struct {
			NoSpace bool   `json:"nospace"`
			Action  string `json:"action"`
		}
		if json.Unmarshal(data, &d) == nil && d.NoSpace && d.Action == "stop" {
			m.mu.Lock()
			m.noSpace = noSpaceFault(m.config)
			m.mu.Unlock()
		}
	case "STOP":
		m.mu.Lock()
		f := m.noSpace
		m.mu.Unlock()
		if f != nil {
			m.wg.Go(m.awaitRoom)
		}
		m.notice(vm.Notice{Paused: true, Fault: f})
	case "RESUME":
		m.mu.Lock()
		m.noSpace = nil
		m.mu.Unlock()
		m.notice(vm.Notice{})
	}
}

// notice never waits: when nobody reads, the older notices go.
func (m *instance) notice(n vm.Notice) {
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

// roomToResume is how much must be free for a guest to go on that was stopped
// by a full disk: less, and it would stop again at once.
const roomToResume = 64 << 20

func noSpaceFault(c vm.Config) *vm.Fault {
	hint := "Free some space; the machine goes on by itself."
	if dirs := diskDirs(c); len(dirs) > 0 {
		hint = "Free some space where " + dirs[0] + " is; the machine goes on by itself."
	}
	return &vm.Fault{Code: vm.CodeNoSpace, Message: "The host's disk is full: the machine stands still and loses nothing.", Hint: hint}
}

func diskDirs(c vm.Config) []string {
	var dirs []string
	for _, d := range c.Disks {
		if !d.ReadOnly {
			dirs = append(dirs, filepath.Dir(d.Path))
		}
	}
	return dirs
}

// awaitRoom lets the guest go on when there is room again; QEMU then repeats
// the writes that failed.
func (m *instance) awaitRoom() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-m.proc.gone:
			return
		case <-tick.C:
		}
		m.mu.Lock()
		resumed := m.noSpace == nil // by somebody else
		m.mu.Unlock()
		if resumed {
			return
		}
		room := true
		for _, dir := range diskDirs(m.config) {
			free, err := disk.Free(dir)
			room = room && err == nil && free >= roomToResume
		}
		if !room {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := m.Resume(ctx)
		cancel()
		if err != nil {
			m.log.Warn("machine not resumed after a full disk", "vm", m.config.Name, "err", err)
		}
	}
}

// watch owns the end of the instance.
func (m *instance) watch() {
	<-m.proc.gone
	select { // let the reader have the last events
	case <-m.monitor.gone:
	case <-time.After(time.Second):
	}
	m.monitor.close()
	m.wg.Wait()
	m.mu.Lock()
	m.err = m.verdict()
	if m.agent != nil {
		m.agent.Close()
	}
	m.mu.Unlock()
	removeFiles(m.config.Dir)
	close(m.notices)
	m.console.endWithin(time.Second)
	close(m.done)
}

// verdict says why QEMU ended; m.mu is held.
func (m *instance) verdict() error {
	if m.asked {
		return nil
	}
	switch m.reason {
	case "guest-shutdown":
		return nil
	case "guest-reset":
		return &vm.Fault{Code: vm.CodeReset, Message: "The guest rebooted itself.", Hint: "Read the console's last lines, and start it again."}
	case "guest-panic":
		return &vm.Fault{Code: vm.CodePanic, Message: "The guest's kernel panicked.", Hint: "Read the console's last lines, and start it again."}
	case "host-signal":
		return &vm.Fault{Code: vm.CodeDied, Message: "QEMU was ended by a signal from another process.", Hint: "Start it again.", Detail: m.proc.tail.String()}
	}
	return explain(m.proc.tail.String(), m.proc.err)
}

// console is QEMU's serial line. Every end of it is io.EOF.
type console struct{ net.Conn }

func (c *console) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.Conn.Close()
		err = io.EOF
	}
	return n, err
}

// endWithin bounds how long a reader can wait for the rest.
func (c *console) endWithin(d time.Duration) { c.Conn.SetReadDeadline(time.Now().Add(d)) }

// removeFiles removes what a machine leaves in its directory, and says what.
func removeFiles(dir string) []string {
	var removed []string
	for _, name := range []string{qmpSocket, agentSocket, consoleSocket, pidFile} {
		path := filepath.Join(dir, name)
		if os.Remove(path) == nil {
			removed = append(removed, path)
		}
	}
	return removed
}
