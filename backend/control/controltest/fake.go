// Package controltest has an engine in memory, for tests of what talks to one:
// the control tree and its client, the command line, the window.
//
// It keeps the promises of the control interfaces with a machine that starts at
// once, a container, a flow and a few settings. It opens no socket but the
// control tree's, and touches no file.
package controltest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// Engine is an engine in memory. It implements all of control.Sources.
type Engine struct {
	quit chan struct{} // closed by Quit
	once sync.Once

	mu         sync.Mutex
	changed    chan struct{} // closed, and made anew, with each change
	seq        uint64
	status     control.Status
	containers []control.Container
	ports      []control.Port
	recording  bool
	followers  int // of events and other streams
	values     map[string]string
	commits    []commit       // oldest first
	runs       []pipeline.Run // newest first
}

type commit struct {
	control.SettingsCommit
	values map[string]string
}

// Born is when all of a new Engine's content began to be.
var Born = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// New returns an engine whose machine is stopped.
func New() *Engine {
	e := &Engine{quit: make(chan struct{}), changed: make(chan struct{}), recording: true, values: map[string]string{}}
	e.status = control.Status{
		Home: "/home/test", PID: 4711, StartedAt: Born,
		Versions: control.Versions{Slipway: "1.2.3", Hypervisor: "QEMU 7.2", Guest: map[string]string{}},
		Machine:  control.MachineStatus{Name: "default", Driver: "qemu", CPUs: 2, MemoryMiB: 2048, DiskGiB: 64, Phases: []control.Phase{}},
		Network:  control.NetworkStatus{Gateway: "192.168.65.1"},
		Warnings: []control.Warning{},
	}
	e.runs = newRuns()
	e.setState("stopped")
	e.commit("Begin", map[string]string{})
	return e
}

// Sources is the engine in each of its roles.
func (e *Engine) Sources() control.Sources {
	return control.Sources{Engine: e, Machine: e, Containers: e, Ports: e, Traffic: e, Settings: e, Pipelines: e, Data: DataTree}
}

// Serve shows the engine's tree on a socket until the test ends or Quit, and then
// makes sure that nothing goes on.
func (e *Engine) Serve(t testing.TB, socket string) {
	t.Helper()
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the control tree does not end")
		}
		if n := e.Followers(); n != 0 {
			t.Errorf("%d streams left", n)
		}
	})
}

// Run shows the tree on l until ctx ends or Quit.
func (e *Engine) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with ctx
		select {
		case <-e.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	return control.Serve(ctx, l, e.Sources(), nil)
}

// Followers counts the streams that somebody reads.
func (e *Engine) Followers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.followers
}

// follow counts a stream in; the function returned counts it out.
func (e *Engine) follow() func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.followers++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.followers--
	}
}

// touch tells followers that something changed. e.mu is held, or e is new.
func (e *Engine) touch() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// setState moves the machine and what depends on it. e.mu is held, or e is new.
func (e *Engine) setState(state string) {
	s := &e.status
	s.Machine.State, s.Machine.Since = state, Born
	s.Docker = control.DockerStatus{State: "stopped", Host: "unix:///home/test/run/docker.sock"}
	s.Guest = control.GuestStatus{}
	s.Machine.Phases, s.Machine.Accelerator, s.Machine.PID = []control.Phase{}, control.Accelerator{}, 0
	s.Versions.Guest = map[string]string{}
	e.containers, e.ports = []control.Container{}, []control.Port{}
	if state == "running" {
		s.Docker.State, s.Docker.Context = "ready", "slipway"
		s.Guest = control.GuestStatus{Connected: true, Address: "192.168.65.3/24"}
		s.Machine.Accelerator = control.Accelerator{Name: "tcg", Warning: "KVM is there but cannot run Linux"}
		s.Machine.PID = 4712
		s.Machine.Phases = []control.Phase{
			{Name: "hypervisor", State: "done", EndMS: 120}, {Name: "kernel", State: "done", StartMS: 120, EndMS: 2300.5},
			{Name: "engine", State: "done", StartMS: 2300.5, EndMS: 6120},
		}
		s.Versions.Guest = map[string]string{"docker": "26.1.5", "kernel": "6.12.41"}
		web := control.ContainerPort{Proto: "tcp", HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 80}
		e.containers = []control.Container{{
			ID: "0123456789abcdef", Name: "web", Image: "busybox:latest", Command: "httpd -f", State: "running", Status: "Up 3 minutes",
			CreatedAt: Born, Addresses: []string{"172.17.0.2"}, Ports: []control.ContainerPort{web},
		}}
		e.ports = []control.Port{{
			ID: "d1", Proto: "tcp", HostIP: "127.0.0.1", HostPort: 8080, TargetIP: "172.17.0.2", TargetPort: 80, Target: "web",
			Origin: "docker", State: "open", URL: "http://127.0.0.1:8080", BytesIn: 1536, BytesOut: 2 << 20,
		}}
	}
	e.touch()
}

// Status implements control.Engine.
func (e *Engine) Status(context.Context) (control.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status, nil
}

// Events implements control.Engine.
func (e *Engine) Events(ctx context.Context, fn func(control.Event) error) error {
	defer e.follow()()
	for {
		e.mu.Lock()
		changed := e.changed
		states := []struct {
			topic control.Topic
			state any
		}{
			{control.TopicStatus, e.status},
			{control.TopicContainers, e.containers},
			{control.TopicPorts, e.ports},
			{control.TopicSettings, e.status.Settings},
			{control.TopicFlows, control.FlowChanges{Reset: true, Changed: e.flows(), Removed: []uint64{}}},
			{control.TopicPipelines, e.runs},
			{control.TopicData, control.DataState{Revision: 1, Branches: 1}},
			{control.TopicLog, []control.LogLine{{Time: Born, Source: "engine", Level: "info", Text: "hello"}}},
		}
		var events []control.Event
		for _, s := range states {
			data, err := json.Marshal(s.state)
			if err != nil {
				e.mu.Unlock()
				return err
			}
			e.seq++
			events = append(events, control.Event{Seq: e.seq, Topic: s.topic, Data: data})
		}
		e.mu.Unlock()
		for _, ev := range events {
			if err := fn(ev); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Log implements control.Engine.
func (e *Engine) Log(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "12:00:00.000 engine  info  engine started\n")
	return err
}

// Quit implements control.Engine.
func (e *Engine) Quit(context.Context) error {
	e.once.Do(func() { close(e.quit) })
	return nil
}

func (e *Engine) move(state string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setState(state)
	return nil
}

// Start implements control.Machine.
func (e *Engine) Start(context.Context) error { return e.move("running") }

// Stop implements control.Machine.
func (e *Engine) Stop(context.Context) error { return e.move("stopped") }

// Restart implements control.Machine.
func (e *Engine) Restart(context.Context) error { return e.move("running") }

// Kill implements control.Machine.
func (e *Engine) Kill(context.Context) error { return e.move("stopped") }

// Console implements control.Machine.
func (e *Engine) Console(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "Linux version 6.12.41\nInit is here\n")
	return err
}

// Stats implements control.Machine.
func (e *Engine) Stats(context.Context) (control.Stats, error) {
	if err := e.running(); err != nil {
		return control.Stats{}, err
	}
	return control.Stats{Time: Born, CPUPercent: 12.5, MemoryUsed: 300 << 20, MemoryTotal: 2 << 30}, nil
}

// running refuses what needs the machine.
func (e *Engine) running() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status.Machine.State != "running" {
		return control.Errorf(control.CodeUnavailable, "the machine is %s", e.status.Machine.State).
			WithHint("start it with `slipway machine start`")
	}
	return nil
}

// Containers implements control.Containers.
func (e *Engine) Containers(context.Context) ([]control.Container, error) {
	if err := e.running(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.containers), nil
}

// find checks that there is a container. e.mu is held.
func (e *Engine) find(id string) (int, error) {
	i := slices.IndexFunc(e.containers, func(c control.Container) bool { return c.ID == id || c.Name == id })
	if i < 0 {
		return 0, control.Errorf(control.CodeNotFound, "there is no container %s", id).WithHint("`slipway containers` lists them")
	}
	return i, nil
}

// ContainerAction implements control.Containers.
func (e *Engine) ContainerAction(_ context.Context, id string, action control.ContainerAction) error {
	if err := e.running(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.find(id)
	if err != nil {
		return err
	}
	c := &e.containers[i]
	switch action {
	case control.ContainerStart, control.ContainerRestart:
		c.State, c.Status = "running", "Up 1 second"
	case control.ContainerStop:
		c.State, c.Status = "exited", "Exited (0) 1 second ago"
	case control.ContainerRemove:
		e.containers = slices.Delete(e.containers, i, i+1)
	}
	e.touch()
	return nil
}

// ContainerLogs implements control.Containers. Each change of the engine makes a line.
func (e *Engine) ContainerLogs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	e.mu.Lock()
	_, err := e.find(id)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	lines := []string{"one\n", "two\n", "three\n"}
	if tail > 0 {
		lines = lines[max(0, len(lines)-tail):]
	}
	for _, l := range lines {
		if _, err := io.WriteString(w, l); err != nil {
			return err
		}
	}
	if !follow {
		return nil
	}
	return e.eachChange(ctx, func() error {
		_, err := fmt.Fprintln(w, "news")
		return err
	})
}

// eachChange calls fn now and with each change, until ctx ends or fn fails.
func (e *Engine) eachChange(ctx context.Context, fn func() error) error {
	defer e.follow()()
	for {
		e.mu.Lock()
		changed := e.changed
		e.mu.Unlock()
		if err := fn(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Ports implements control.Ports.
func (e *Engine) Ports(context.Context) ([]control.Port, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ports), nil
}

// AddPort implements control.Ports. Host port 0 becomes 49152.
func (e *Engine) AddPort(_ context.Context, r control.PortRequest) (control.Port, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := control.Port{
		ID: fmt.Sprintf("m%d", len(e.ports)), Proto: r.Proto, HostIP: r.HostIP, HostPort: r.HostPort,
		Target: r.Target, Origin: "manual", State: "open",
	}
	if p.HostIP == "" {
		p.HostIP = "127.0.0.1"
	}
	if p.HostPort == 0 {
		p.HostPort = 49152
	}
	for _, other := range e.ports {
		if other.HostPort == p.HostPort && other.Proto == p.Proto {
			return control.Port{}, control.Errorf(control.CodeTaken, "port %d is taken by container %s", p.HostPort, other.Target).
				WithHint("stop it, or choose another host port")
		}
	}
	e.ports = append(e.ports, p)
	e.touch()
	return p, nil
}

// RemovePort implements control.Ports.
func (e *Engine) RemovePort(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.ports, func(p control.Port) bool { return p.ID == id })
	switch {
	case i < 0:
		return control.Errorf(control.CodeNotFound, "there is no forward %s", id).WithHint("`slipway ports` lists them")
	case e.ports[i].Origin == "docker":
		return control.Errorf(control.CodeDenied, "Docker published port %d for container %s", e.ports[i].HostPort, e.ports[i].Target).
			WithHint("stop the container instead")
	}
	e.ports = slices.Delete(e.ports, i, i+1)
	e.touch()
	return nil
}

// flows are what Flows returns. e.mu is held.
func (e *Engine) flows() []capture.Flow {
	return []capture.Flow{{
		ID: 1, Proto: "TCP", Src: "192.168.65.1", SrcPort: 40000, Dst: "172.17.0.2", DstPort: 80, SrcName: "host", DstName: "web",
		Container: "web", Dir: "in", App: "HTTP", Detail: "localhost", State: capture.StateEstablished,
		Start: Born, Last: Born.Add(time.Second), BytesOut: 812, BytesIn: 5 << 20, PacketsOut: 6, PacketsIn: 3600,
	}}
}

// Flows implements control.Traffic.
func (e *Engine) Flows(context.Context) ([]capture.Flow, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.flows(), nil
}

// CaptureStatus implements control.Traffic.
func (e *Engine) CaptureStatus(context.Context) (capture.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return capture.Status{Recording: e.recording, StartedAt: Born, Packets: 3, First: 1, Last: 3, Seen: 3, Flows: 1}, nil
}

// CaptureControl implements control.Traffic.
func (e *Engine) CaptureControl(_ context.Context, action control.CaptureAction) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recording = action != control.CapturePause
	e.touch()
	return nil
}

// Packets implements control.Traffic. A filter of "((" is none.
func (e *Engine) Packets(_ context.Context, q capture.Query) (capture.Page, error) {
	if err := checkFilter(q.Filter); err != nil {
		return capture.Page{}, err
	}
	page := capture.Page{Rows: []capture.Row{}, First: 1, Last: 3, Next: 3, Examined: 3}
	for n := max(1, q.After+1); n <= 3; n++ {
		page.Rows = append(page.Rows, capture.Row{N: n, Time: Born, Dir: "in", Src: "192.168.65.1", Dst: "172.17.0.2", Proto: "TCP", Length: 74, Flow: 1})
	}
	return page, nil
}

func checkFilter(filter string) error {
	if filter == "((" {
		return control.Errorf(control.CodeInvalid, "a bracket is open at the end of the filter").WithHint("close it")
	}
	return nil
}

// Packet implements control.Traffic.
func (e *Engine) Packet(_ context.Context, n uint64) (capture.Detail, error) {
	if n > 3 {
		return capture.Detail{}, control.Errorf(control.CodeNotFound, "packet %d is not in the recording", n)
	}
	return capture.Detail{Row: capture.Row{N: n, Time: Born}, Bytes: []byte{1, 2, 3}}, nil
}

// Pcapng implements control.Traffic. It writes text, and more with each change.
func (e *Engine) Pcapng(ctx context.Context, filter string, live bool, w io.Writer) error {
	if err := checkFilter(filter); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "recording %q\n", filter); err != nil || !live {
		return err
	}
	return e.eachChange(ctx, func() error {
		_, err := io.WriteString(w, "packet\n")
		return err
	})
}
