//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/guest-image/agent/serve"
)

const (
	dockerSocket = "/run/docker.sock"
	proxySocket  = "/run/slipway-proxy.sock"
	dataDir      = "/var/lib"
)

// A machine is the guest as PID 1 sees it.
type machine struct {
	log      *slog.Logger
	boot     guest.Boot
	children *children
	powerOff context.CancelFunc
	changed  chan struct{}

	mu    sync.Mutex
	facts guest.Facts
}

func newMachine(log *slog.Logger) *machine {
	return &machine{
		log:      log,
		children: newChildren(),
		changed:  make(chan struct{}, 1),
		facts:    guest.Facts{Docker: guest.DockerStarting, Versions: map[string]string{}},
	}
}

// update changes the facts, and lets the host know.
func (m *machine) update(change func(*guest.Facts)) {
	m.mu.Lock()
	change(&m.facts)
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default: // a report is due already, and reads the facts only then
	}
}

func (m *machine) snapshot() guest.Facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.facts
	f.Phases = slices.Clone(f.Phases)
	f.Versions = maps.Clone(f.Versions)
	return f
}

// phase records that a step of the boot is done.
func (m *machine) phase(name string) {
	at := bootTime()
	m.log.Info("phase", "name", name, "at", at.Round(time.Millisecond))
	m.update(func(f *guest.Facts) { f.Phases = append(f.Phases, guest.Phase{Name: name, At: at}) })
}

// problem records what a person should know; several are told together.
func (m *machine) problem(err error) {
	if err == nil {
		return
	}
	m.log.Error("problem", "err", err)
	m.update(func(f *guest.Facts) {
		if f.Problem != "" {
			f.Problem += "\n"
		}
		f.Problem += err.Error()
	})
}

func bootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// run is the machine's life after the root is in place: it returns when the machine
// is ready to be switched off.
func (m *machine) run(parent context.Context) {
	ctx, stop := context.WithCancel(parent)
	m.powerOff = stop
	ctx, stopSignals := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT, unix.SIGPWR)
	defer stopSignals()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) // ctrl-alt-del becomes SIGINT

	m.readBoot()
	go m.children.reap()
	channelCtx, closeChannel := context.WithCancel(parent)
	var channel sync.WaitGroup
	channel.Go(func() {
		defer lastWords()
		m.serve(channelCtx)
	})
	m.moduleGroup("boot")
	m.problem(isolateNetworks())
	m.phase("modules")

	var parts sync.WaitGroup
	part := func(f func(context.Context)) {
		parts.Go(func() {
			defer lastWords()
			f(ctx)
		})
	}
	part(m.runNetwork)
	m.mountShares() // before Docker, which starts containers of the last time by itself
	if err := m.mountData(); err != nil {
		m.problem(err)
		m.update(func(f *guest.Facts) { f.Docker = guest.DockerFailed })
	} else {
		m.phase("disk")
		part(m.runDocker)
	}
	<-ctx.Done()
	m.log.Info("ending")
	parts.Wait()
	closeChannel()
	channel.Wait()
	m.children.endAll()
	m.unmountAll()
}

// readBoot takes in the kernel's command line and the image's versions.
func (m *machine) readBoot() {
	line, err := os.ReadFile("/proc/cmdline")
	if err == nil {
		m.boot, err = guest.ParseCmdline(string(line))
	}
	m.problem(err)
	name := m.boot.Hostname
	if name == "" {
		name = "slipway"
	}
	hosts := "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 " + name + "\n"
	m.problem(errors.Join(unix.Sethostname([]byte(name)), os.WriteFile("/etc/hosts", []byte(hosts), 0o644)))

	var image struct {
		Image    string            `json:"image"`
		Versions map[string]string `json:"versions"`
	}
	text, err := os.ReadFile(imageDir + "/versions.json")
	if err == nil {
		err = json.Unmarshal(text, &image)
	}
	m.problem(err)
	m.update(func(f *guest.Facts) {
		maps.Copy(f.Versions, image.Versions)
		f.Versions["image"] = image.Image
		f.Versions["kernel"] = kernelRelease()
		f.Versions["agent"] = agentVersion()
	})
}

// agentVersion names the Go release: the agent's own identity is the image's.
func agentVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return strings.TrimPrefix(info.GoVersion, "go")
	}
	return ""
}

func (m *machine) serve(ctx context.Context) {
	err := serve.Run(ctx, serve.Config{
		Open:         m.openChannel,
		Facts:        m.snapshot,
		Changed:      m.changed,
		PowerOff:     m.powerOff,
		HostAway:     m.hostAway,
		SetTime:      setTime,
		DockerSocket: dockerSocket,
		ProxySocket:  proxySocket,
		DataDir:      dataDir,
		Log:          m.log,
	})
	if err != nil {
		m.log.Error("channel to the host ended", "err", err)
	}
}

// hostAway ends a machine whose engine was killed: nobody could reach it again, and
// its disk is best left clean.
func (m *machine) hostAway() {
	m.log.Warn("the host stays away; ending")
	m.powerOff()
}

func setTime(t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &ts)
}
