package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/control/controltest"
	"github.com/slipway-desktop/slipway/backend/engine"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"slipway": main})
}

// TestScripts runs the program itself. A script has the commands
//
//	engine          serve an engine in memory on the script's home
//	exits N CMD…    run a command that must exit with N
//	waitfor F TEXT  wait until file F, written in the background, holds TEXT
//	waitsocket F    wait until a server answers at socket F
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// The work directory's path may be too long for a socket.
			home, err := os.MkdirTemp("", "slipway")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(home) })
			env.Setenv("SLIPWAY_HOME", home)
			env.Setenv("SLIPWAY_IMAGE", "")
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"engine":     startEngine,
			"exits":      exits,
			"waitfor":    waitFor,
			"waitsocket": waitSocket,
		},
	})
}

func startEngine(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := control.Listen(engine.SocketPath(ts.Getenv("SLIPWAY_HOME")))
	ts.Check(err)
	e := controltest.New()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Run(ctx, l) }()
	ts.Defer(func() {
		cancel()
		if err := <-served; err != nil {
			ts.Fatalf("engine: %v", err)
		}
		if n := e.Followers(); n != 0 {
			ts.Fatalf("engine: %d streams left", n)
		}
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// waitFor waits until a file that a background command writes holds a text.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not hold %q but %q", filepath.Base(path), args[1], text)
		}
	}
}

// waitSocket waits until a server that runs in the background answers.
func waitSocket(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody answers: %v", err)
		}
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 5 << 20: "5.0 MiB",
		1 << 40: "1.0 TiB", 1<<64 - 1: "16384.0 PiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestLastWords: what a detached engine said before it ended reaches the terminal.
func TestLastWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	before := "slipway: something old\n"
	text := before + "2026 info engine started\nslipway: no room on disk\n  make some\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	exit := errors.New("exit status 1")
	var e *control.Error
	if err := lastWords(path, int64(len(before)), exit); !errors.As(err, &e) || e.Message != "no room on disk" || e.Hint != "make some" {
		t.Errorf("%+v", e)
	}
	if err := lastWords(path, int64(len(text)), exit); !errors.As(err, &e) || !strings.Contains(e.Message, "exit status 1") || !strings.Contains(e.Hint, path) {
		t.Errorf("%+v", e)
	}
}
