package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

func wantCode(t *testing.T, err error, code vm.Code) *vm.Fault {
	t.Helper()
	var f *vm.Fault
	if !errors.As(err, &f) || f.Code != code {
		t.Fatalf("got %v, want a fault of code %s", err, code)
	}
	return f
}

const greeting = `{"QMP": {"version": {}, "capabilities": []}}`

// serveQMP plays QEMU's side of one connection and returns the socket's path.
// play gets each command with its id, and returns the lines to send; nil ends
// the connection.
func serveQMP(t *testing.T, hello string, play func(command string, id uint64) []string) string {
	t.Helper()
	path := filepath.Join(machineDir(t), qmpSocket)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		<-served
	})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s\r\n", hello)
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			var c struct {
				Execute string `json:"execute"`
				ID      uint64 `json:"id"`
			}
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Errorf("command %q: %v", lines.Text(), err)
				return
			}
			answers := play(c.Execute, c.ID)
			if answers == nil {
				return
			}
			for _, a := range answers {
				fmt.Fprintf(conn, "%s\r\n", a)
			}
		}
	}()
	return path
}

func ok(id uint64) string { return fmt.Sprintf(`{"return": {}, "id": %d}`, id) }

func noEvents(string, json.RawMessage) {}

func TestQMP(t *testing.T) {
	vmtest.NoLeak(t)
	path := serveQMP(t, greeting, func(command string, id uint64) []string {
		switch command {
		case "query-status":
			return []string{
				`{"event": "RESUME", "timestamp": {"seconds": 1, "microseconds": 2}}`,
				fmt.Sprintf(`{"return": {"status": "paused"}, "id": %d}`, id+1000), // nobody's
				fmt.Sprintf(`{"return": {"status": "running"}, "id": %d}`, id),
			}
		case "bad":
			return []string{fmt.Sprintf(`{"error": {"class": "CommandNotFound", "desc": "The command bad has not been found"}, "id": %d}`, id)}
		case "quit":
			return nil
		}
		return []string{ok(id)}
	})
	var events []string
	q, err := dialQMP(t.Context(), path, func(name string, _ json.RawMessage) { events = append(events, name) })
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Status string }
	if err := q.execute(t.Context(), "query-status", nil, &status); err != nil || status.Status != "running" {
		t.Errorf("query-status: %q, %v", status.Status, err)
	}
	var refused *qmpError
	if err := q.execute(t.Context(), "bad", map[string]any{"a": 1}, nil); !errors.As(err, &refused) || refused.Class != "CommandNotFound" {
		t.Errorf("bad: %v", err)
	}
	if err := q.execute(t.Context(), "quit", nil, nil); !errors.Is(err, errQMPGone) {
		t.Errorf("quit: %v", err)
	}
	q.close()
	if len(events) != 1 || events[0] != "RESUME" {
		t.Errorf("events %q", events)
	}
	if err := q.execute(t.Context(), "query-status", nil, nil); !errors.Is(err, errQMPGone) {
		t.Errorf("after the end: %v", err)
	}
}

func TestQMPCommandsObeyTheirContext(t *testing.T) {
	vmtest.NoLeak(t)
	path := serveQMP(t, greeting, func(command string, id uint64) []string {
		if command == "qmp_capabilities" {
			return []string{ok(id)}
		}
		return []string{}
	})
	q, err := dialQMP(t.Context(), path, noEvents)
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := q.execute(ctx, "query-status", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if len(q.waiting) != 0 {
		t.Error("the command still waits")
	}
}

func TestQMPRefusesStrangers(t *testing.T) {
	for name, hello := range map[string]string{
		"another protocol": "SSH-2.0-x",
		"an event first":   `{"event": "RESUME"}`,
		"an endless line":  strings.Repeat("x", maxQMPLine+1),
	} {
		t.Run(name, func(t *testing.T) {
			vmtest.NoLeak(t)
			path := serveQMP(t, hello, func(string, uint64) []string { return nil })
			if q, err := dialQMP(t.Context(), path, noEvents); err == nil {
				q.close()
				t.Error("accepted")
			}
		})
	}
	t.Run("nobody speaks", func(t *testing.T) {
		vmtest.NoLeak(t)
		listener, err := net.Listen("unix", filepath.Join(machineDir(t), qmpSocket))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := dialQMP(ctx, listener.Addr().String(), noEvents); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	for _, line := range []string{
		greeting, ok(1),
		`{"error": {"class": "GenericError", "desc": "x"}, "id": 7}`,
		`{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}`,
		`{"return": {}, "event": "both"}`, `{"id": -1}`, `{"QMP": null}`, `[]`, `{"return":`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := parseMessage(line)
		if err != nil {
			if m.Event != "" || m.Return != nil || m.Error != nil || m.Greeting != nil {
				t.Errorf("an error, and still %+v", m)
			}
			return
		}
		if m.Event == "" && m.Return == nil && m.Error == nil && m.Greeting == nil {
			t.Error("accepted a message that says nothing")
		}
	})
}
