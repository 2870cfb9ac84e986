package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/control/controltest"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// TestConformance runs the same checks on an engine and on a client of it: a
// caller must not be able to tell which one it has.
func TestConformance(t *testing.T) {
	t.Run("direct", func(t *testing.T) { conform(t, controltest.New().Sources()) })
	t.Run("socket", func(t *testing.T) {
		_, c := served(t)
		conform(t, c.Sources())
	})
}

// served returns an engine and a client of its tree.
func served(t *testing.T) (*controltest.Engine, *control.Client) {
	t.Helper()
	e := controltest.New()
	socket := t.TempDir() + "/run/s"
	e.Serve(t, socket)
	c, err := control.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return e, c
}

// refused checks that err is an Error with a code and these words in its message
// and hint.
func refused(t *testing.T, err error, code control.Code, words ...string) {
	t.Helper()
	var e *control.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want one with code %s", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(e.Message+"\n"+e.Hint, w) {
			t.Errorf("message %q, hint %q: want %q", e.Message, e.Hint, w)
		}
	}
}

func conform(t *testing.T, s control.Sources) {
	t.Run("engine", func(t *testing.T) { conformEngine(t, s) })
	t.Run("machine", func(t *testing.T) { conformMachine(t, s) })
	t.Run("containers", func(t *testing.T) { conformContainers(t, s) })
	t.Run("ports", func(t *testing.T) { conformPorts(t, s) })
	t.Run("traffic", func(t *testing.T) { conformTraffic(t, s) })
	t.Run("settings", func(t *testing.T) { conformSettings(t, s) })
	t.Run("pipelines", func(t *testing.T) { conformPipelines(t, s) })
}

func conformEngine(t *testing.T, s control.Sources) {
	want, err := controltest.New().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Engine.Status(t.Context())
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("status: %v\n%s", err, d)
	}
	var log bytes.Buffer
	if err := s.Engine.Log(t.Context(), &log); err != nil || !strings.HasSuffix(log.String(), "engine started\n") {
		t.Errorf("log %q, %v", &log, err)
	}

	errStop := errors.New("stop")
	seen := map[control.Topic]int{}
	var last uint64
	err = s.Engine.Events(t.Context(), func(e control.Event) error {
		if e.Seq <= last {
			t.Errorf("event %d after %d", e.Seq, last)
		}
		last = e.Seq
		seen[e.Topic]++
		if len(seen) < 6 {
			return nil
		}
		if seen[control.TopicStatus] == 1 { // all have come once: make news
			return s.Machine.Kill(t.Context())
		}
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Errorf("events ended with %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	err = s.Engine.Events(ctx, func(control.Event) error {
		cancel()
		return nil
	})
	if err != nil {
		t.Errorf("cancelled events: %v", err)
	}
}

func conformMachine(t *testing.T, s control.Sources) {
	ctx := t.Context()
	_, err := s.Machine.Stats(ctx)
	refused(t, err, control.CodeUnavailable, "the machine is stopped", "slipway machine start")
	for _, step := range []struct {
		do    func(context.Context) error
		state string
	}{
		{s.Machine.Start, "running"}, {s.Machine.Kill, "stopped"}, {s.Machine.Restart, "running"},
		{s.Machine.Stop, "stopped"}, {s.Machine.Start, "running"},
	} {
		if err := step.do(ctx); err != nil {
			t.Fatal(err)
		}
		if st, err := s.Engine.Status(ctx); err != nil || st.Machine.State != step.state {
			t.Errorf("state %s, %v, want %s", st.Machine.State, err, step.state)
		}
	}
	if stats, err := s.Machine.Stats(ctx); err != nil || stats.CPUPercent != 12.5 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	var console bytes.Buffer
	if err := s.Machine.Console(ctx, &console); err != nil || !strings.HasPrefix(console.String(), "Linux version") {
		t.Errorf("console %q, %v", &console, err)
	}
}

func conformContainers(t *testing.T, s control.Sources) {
	ctx := t.Context()
	list, err := s.Containers.Containers(ctx)
	if err != nil || len(list) != 1 || list[0].Name != "web" || list[0].Ports[0].HostPort != 8080 {
		t.Errorf("containers %+v, %v", list, err)
	}
	if err := s.Containers.ContainerAction(ctx, "web", control.ContainerStop); err != nil {
		t.Error(err)
	}
	if list, err := s.Containers.Containers(ctx); err != nil || list[0].State != "exited" {
		t.Errorf("containers %+v, %v", list, err)
	}
	err = s.Containers.ContainerAction(ctx, "db", control.ContainerStop)
	refused(t, err, control.CodeNotFound, "no container db", "slipway containers")

	var logs bytes.Buffer
	if err := s.Containers.ContainerLogs(ctx, "web", 2, false, &logs); err != nil || logs.String() != "two\nthree\n" {
		t.Errorf("logs %q, %v", &logs, err)
	}
	refused(t, s.Containers.ContainerLogs(ctx, "db", 0, true, io.Discard), control.CodeNotFound, "no container db")

	followed(t, "news\n", func(ctx context.Context, w io.Writer) error {
		return s.Containers.ContainerLogs(ctx, "web", 0, true, w)
	})
}

// followed checks that a stream brings text, and ends without an error soon after
// its context has.
func followed(t *testing.T, text string, follow func(context.Context, io.Writer) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	found := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- follow(ctx, &watcher{text: text, found: found}) }()
	select {
	case <-found:
	case err := <-ended:
		t.Fatalf("stream ended with %v before %q", err, text)
	case <-time.After(5 * time.Second):
		t.Fatalf("no %q", text)
	}
	start := time.Now()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("cancelled stream: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("cancelled stream goes on")
	}
	t.Log("cancelled in", time.Since(start))
}

// watcher closes found when text has been written.
type watcher struct {
	text  string
	found chan struct{}
	all   strings.Builder
}

func (w *watcher) Write(p []byte) (int, error) {
	before := strings.Contains(w.all.String(), w.text)
	w.all.Write(p)
	if !before && strings.Contains(w.all.String(), w.text) {
		close(w.found)
	}
	return len(p), nil
}

func conformPorts(t *testing.T, s control.Sources) {
	ctx := t.Context()
	p, err := s.Ports.AddPort(ctx, control.PortRequest{Proto: "udp", HostIP: "::1", HostPort: 5353, Target: "web:53"})
	if err != nil || p.HostIP != "::1" || p.HostPort != 5353 || p.Proto != "udp" || p.Target != "web:53" {
		t.Errorf("added %+v, %v", p, err)
	}
	chosen, err := s.Ports.AddPort(ctx, control.PortRequest{Proto: "tcp", Target: "web:81"})
	if err != nil || chosen.HostPort == 0 || chosen.HostIP != "127.0.0.1" {
		t.Errorf("added %+v, %v", chosen, err)
	}
	_, err = s.Ports.AddPort(ctx, control.PortRequest{Proto: "tcp", HostPort: 8080, Target: "web:80"})
	refused(t, err, control.CodeTaken, "taken by container web", "another host port")
	if err := s.Ports.RemovePort(ctx, p.ID); err != nil {
		t.Error(err)
	}
	refused(t, s.Ports.RemovePort(ctx, p.ID), control.CodeNotFound, "no forward")
	refused(t, s.Ports.RemovePort(ctx, "d1"), control.CodeDenied, "stop the container")
	if list, err := s.Ports.Ports(ctx); err != nil || len(list) != 2 {
		t.Errorf("ports %+v, %v", list, err)
	}
}

func conformTraffic(t *testing.T, s control.Sources) {
	ctx := t.Context()
	flows, err := s.Traffic.Flows(ctx)
	if err != nil || len(flows) != 1 || flows[0].Container != "web" {
		t.Errorf("flows %+v, %v", flows, err)
	}
	for _, step := range []struct {
		action    control.CaptureAction
		recording bool
	}{{control.CapturePause, false}, {control.CaptureResume, true}, {control.CaptureClear, true}} {
		if err := s.Traffic.CaptureControl(ctx, step.action); err != nil {
			t.Error(err)
		}
		if st, err := s.Traffic.CaptureStatus(ctx); err != nil || st.Recording != step.recording {
			t.Errorf("after %s: %+v, %v", step.action, st, err)
		}
	}
	page, err := s.Traffic.Packets(ctx, capture.Query{After: 1, Limit: 10})
	if err != nil || len(page.Rows) != 2 || page.Rows[0].N != 2 {
		t.Errorf("page %+v, %v", page, err)
	}
	_, err = s.Traffic.Packets(ctx, capture.Query{Filter: "(("})
	refused(t, err, control.CodeInvalid, "bracket", "close it")
	detail, err := s.Traffic.Packet(ctx, 2)
	if err != nil || detail.N != 2 || !bytes.Equal(detail.Bytes, []byte{1, 2, 3}) {
		t.Errorf("packet %+v, %v", detail, err)
	}
	_, err = s.Traffic.Packet(ctx, 99)
	refused(t, err, control.CodeNotFound, "packet 99")
	var file bytes.Buffer
	if err := s.Traffic.Pcapng(ctx, "tcp.port == 80", false, &file); err != nil || file.String() != "recording \"tcp.port == 80\"\n" {
		t.Errorf("pcapng %q, %v", &file, err)
	}
	refused(t, s.Traffic.Pcapng(ctx, "((", true, io.Discard), control.CodeInvalid, "bracket")
	followed(t, "packet\n", func(ctx context.Context, w io.Writer) error { return s.Traffic.Pcapng(ctx, "", true, w) })
	errFull := errors.New("disk is full")
	if err := s.Traffic.Pcapng(ctx, "", true, failing{errFull}); !errors.Is(err, errFull) {
		t.Errorf("failing writer: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func conformSettings(t *testing.T, s control.Sources) {
	ctx := t.Context()
	value := func(key string) string {
		t.Helper()
		list, err := s.Settings.Settings(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Key == key {
				return s.Value
			}
		}
		t.Fatalf("no setting %s", key)
		return ""
	}
	change := control.SettingsChange{Values: map[string]string{"vm/cpus": "4", "net/dns": "1.1.1.1\n9.9.9.9"}, Message: "Why \"not\"\n\nbody"}
	first, err := s.Settings.SetSettings(ctx, change)
	if err != nil || first.Message != change.Message || len(first.Changes) != 2 {
		t.Errorf("commit %+v, %v", first, err)
	}
	if value("vm/cpus") != "4" || value("net/dns") != "1.1.1.1\n9.9.9.9" {
		t.Error("the values are not what was set")
	}
	_, err = s.Settings.SetSettings(ctx, control.SettingsChange{Values: map[string]string{"vm/cpus": "99", "vm/memory": "4096"}})
	refused(t, err, control.CodeInvalid, "vm/cpus", "1 to 8")
	if value("vm/memory") != "2048" {
		t.Error("a refused change did something")
	}
	second, err := s.Settings.SetSettings(ctx, control.SettingsChange{Values: map[string]string{"vm/cpus": "6"}})
	if err != nil || second.Parent != first.Hash {
		t.Errorf("commit %+v, %v", second, err)
	}
	log, err := s.Settings.SettingsLog(ctx, 2)
	if d := cmp.Diff([]control.SettingsCommit{second, first}, log); err != nil || d != "" {
		t.Errorf("log: %v\n%s", err, d)
	}
	if log, err := s.Settings.SettingsLog(ctx, 0); err != nil || len(log) != 3 {
		t.Errorf("log %+v, %v", log, err)
	}
	diff, err := s.Settings.SettingsDiff(ctx, "", second.Hash)
	if err != nil || len(diff) != 1 || diff[0].Old != "4" || diff[0].New != "6" {
		t.Errorf("diff %+v, %v", diff, err)
	}
	_, err = s.Settings.SettingsDiff(ctx, "ffff", "")
	refused(t, err, control.CodeNotFound, "no commit ffff")
	_, err = s.Settings.RevertSettings(ctx, first.Hash)
	refused(t, err, control.CodeConflict, "vm/cpus", "later commits")
	if _, err := s.Settings.RevertSettings(ctx, second.Hash); err != nil || value("vm/cpus") != "4" {
		t.Errorf("revert: %v", err)
	}
	begin := log[1].Parent
	if _, err := s.Settings.RestoreSettings(ctx, begin); err != nil || value("vm/cpus") != "2" {
		t.Errorf("restore: %v", err)
	}
}

func conformPipelines(t *testing.T, s control.Sources) {
	ctx := t.Context()
	runs, err := s.Pipelines.Runs(ctx, "", 0)
	if err != nil || len(runs) != 2 || runs[0].ID != "build-of-bbbb@1" {
		t.Fatalf("runs %+v, %v", runs, err)
	}
	if runs, err := s.Pipelines.Runs(ctx, "build", 1); err != nil || len(runs) != 1 {
		t.Errorf("one run: %+v, %v", runs, err)
	}
	if runs, err := s.Pipelines.Runs(ctx, "other", 0); err != nil || len(runs) != 0 {
		t.Errorf("runs of another: %+v, %v", runs, err)
	}
	run, err := s.Pipelines.PipelineRun(ctx, runs[0].ID)
	if d := cmp.Diff(runs[0], run); err != nil || d != "" {
		t.Errorf("run: %v\n%s", err, d)
	}
	_, err = s.Pipelines.PipelineRun(ctx, "build-of-cccc@1")
	refused(t, err, control.CodeNotFound)
	_, err = s.Pipelines.PipelineRun(ctx, "nonsense")
	refused(t, err, control.CodeNotFound)
	var log bytes.Buffer
	if err := s.Pipelines.RunLog(ctx, runs[1].ID, true, &log); err != nil || log.String() != "one\ntwo\n" {
		t.Errorf("log %q, %v", &log, err)
	}
	followed(t, "news\n", func(ctx context.Context, w io.Writer) error { return s.Pipelines.RunLog(ctx, runs[0].ID, true, w) })
	refused(t, s.Pipelines.RunAction(ctx, runs[1].ID, pipeline.Cancel), control.CodeInvalid, "does not offer")
	if err := s.Pipelines.RunAction(ctx, runs[0].ID, pipeline.Cancel); err != nil {
		t.Error(err)
	}
	if run, err := s.Pipelines.PipelineRun(ctx, runs[0].ID); err != nil || run.Status != pipeline.Cancelled {
		t.Errorf("after cancel: %+v, %v", run, err)
	}
}
