package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// Options of a Driver; all can be left empty.
type Options struct {
	Binary string       // QEMU's program; empty means the one for this processor on the PATH
	Log    *slog.Logger // nil discards
	// CacheDir is where answers of accelerator probes are kept; empty means in
	// the directory of each machine.
	CacheDir string
}

// Driver starts machines on QEMU.
type Driver struct {
	binary   string
	log      *slog.Logger
	cacheDir string
	patience time.Duration // with an orphan that was asked to quit
}

var (
	_ vm.Driver    = (*Driver)(nil)
	_ vm.Recoverer = (*Driver)(nil)
)

// New makes a driver. It looks for QEMU only when a machine is started.
func New(o Options) *Driver {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{binary: o.Binary, log: o.Log, cacheDir: o.CacheDir, patience: orphanQuit}
}

// Name is "qemu".
func (d *Driver) Name() string { return "qemu" }

// Capabilities says what QEMU's machines can do on this system.
func (d *Driver) Capabilities() vm.Capabilities {
	return vm.Capabilities{
		Pause:       true,
		Recover:     true,
		Shares:      runtime.GOOS != "windows",
		ShareFS:     "9p",
		DiskFormats: []vm.DiskFormat{vm.Qcow2, vm.Raw},
		LinkKind:    "stream",
	}
}

// Start launches QEMU, after a probe of the accelerator if its answer is not
// known.
func (d *Driver) Start(ctx context.Context, c vm.Config) (vm.Instance, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if err := vm.CheckSocketPath(filepath.Join(c.Dir, consoleSocket)); err != nil { // the longest name
		return nil, err
	}
	binary, err := findBinary(d.binary)
	if err != nil {
		return nil, err
	}
	qemuVersion, err := version(ctx, binary)
	if err != nil {
		return nil, err
	}
	if err := vacant(c.Dir); err != nil {
		return nil, err
	}
	removeFiles(c.Dir)
	p := prober{dir: d.cacheDir, binary: binary, version: qemuVersion, limit: probeLimit, log: d.log}
	if p.dir == "" {
		p.dir = c.Dir
	}
	accelerator, err := p.choose(ctx, c)
	if err != nil {
		return nil, err
	}
	host := thisHost(accelerator.Name)
	args, err := Args(c, host)
	if err != nil {
		return nil, err
	}
	m := &instance{
		log:     d.log,
		config:  c,
		info:    vm.Info{CPUs: cpus(c, host), MemoryMiB: c.MemoryMiB, Accelerator: accelerator},
		notices: make(chan vm.Notice, 16),
		done:    make(chan struct{}),
	}
	if err := m.launch(ctx, binary, args); err != nil {
		removeFiles(c.Dir)
		return nil, err
	}
	return m, nil
}

func thisHost(accelerator string) Host {
	h := Host{OS: runtime.GOOS, Arch: runtime.GOARCH, Accelerator: accelerator}
	if accelerator == vm.TCG {
		h.TSCKHz = tscKHz()
	}
	return h
}

// vacant refuses a directory in which a QEMU still listens.
func vacant(dir string) error {
	conn, err := net.DialTimeout("unix", filepath.Join(dir, qmpSocket), time.Second)
	if err != nil {
		return nil
	}
	conn.Close()
	return &vm.Fault{Code: vm.CodeInUse, Message: fmt.Sprintf("A machine still runs in %s.", dir),
		Hint: "Stop the other engine, or let this one recover the machine."}
}

// launch runs QEMU and returns when its monitor and console are connected, which
// is when it has opened all it needs and its main loop runs.
func (m *instance) launch(ctx context.Context, binary string, args []string) (err error) {
	listener, err := net.Listen("unix", filepath.Join(m.config.Dir, consoleSocket))
	if err != nil {
		return fmt.Errorf("listen for the console: %w", err)
	}
	defer listener.Close()
	m.proc, err = startProcess(binary, args, nil)
	if err != nil {
		return &vm.Fault{Code: vm.CodeMissing, Message: fmt.Sprintf("QEMU (%s) cannot be run.", binary),
			Hint: "Install QEMU again.", Err: err}
	}
	m.info.PID = m.proc.cmd.Process.Pid
	defer func() {
		if err != nil {
			m.abandon()
			if ctx.Err() != nil {
				err = ctx.Err()
			}
		}
	}()
	// The end of the process, or of our patience, ends the waits below.
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-m.proc.gone:
			stop()
		case <-waiting.Done():
		}
	}()
	defer context.AfterFunc(waiting, func() { listener.Close() })()
	if m.console.Conn, err = listener.Accept(); err != nil {
		return m.early(fmt.Errorf("wait for the console: %w", err))
	}
	if m.monitor, err = connect(waiting, filepath.Join(m.config.Dir, qmpSocket), m.onEvent); err != nil {
		return m.early(fmt.Errorf("connect to QEMU's monitor: %w", err))
	}
	go m.watch()
	return nil
}

// early prefers QEMU's own words, if it ended, to the failure that we see.
func (m *instance) early(err error) error {
	select {
	case <-m.proc.gone:
		return explain(m.proc.tail.String(), m.proc.err)
	default:
		return err
	}
}

func (m *instance) abandon() {
	m.proc.end()
	if m.console.Conn != nil {
		m.console.Conn.Close()
	}
}

// connect retries while the socket is not there yet.
func connect(ctx context.Context, path string, events func(string, json.RawMessage)) (*qmp, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		q, err := dialQMP(ctx, path, events)
		var op *net.OpError
		if err == nil || !errors.As(err, &op) || op.Op != "dial" {
			return q, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
