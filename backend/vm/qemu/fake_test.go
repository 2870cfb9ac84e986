package qemu

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// The test binary can play QEMU: under a name that begins with qemu-system-, it
// does what this variable says, a list of words (see playQEMU).
const playVariable = "SLIPWAY_TEST_PLAY"

func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "qemu-system-") {
		os.Exit(playQEMU(os.Args[1:], strings.Fields(os.Getenv(playVariable))))
	}
	if dir := os.Getenv(engineVariable); dir != "" {
		os.Exit(playEngine(dir))
	}
	os.Exit(m.Run())
}

// fakeQEMU is a program that plays QEMU in the given way.
func fakeQEMU(t *testing.T, play string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "qemu-system-test")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	t.Setenv(playVariable, play)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each takes a second to end under -race
	return path
}

// fakeConfig is for machines of a fake QEMU.
func fakeConfig(t *testing.T) vm.Config {
	t.Helper()
	dir := machineDir(t)
	kernel := filepath.Join(dir, "kernel")
	if err := os.WriteFile(kernel, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return vm.Config{Name: "test", Dir: dir, CPUs: 2, MemoryMiB: 512, Kernel: kernel, Accelerator: vm.TCG}
}

// playQEMU understands these words: old (its version), speak (in a trial boot),
// die, hang (before it connects), deaf (to quit), reset (the guest does).
func playQEMU(args, words []string) int {
	is := func(word string) bool { return slices.Contains(words, word) }
	value := func(option string) string {
		if i := slices.Index(args, option); i >= 0 {
			return args[i+1]
		}
		return ""
	}
	switch {
	case slices.Contains(args, "--version"):
		if is("old") {
			fmt.Println("QEMU emulator version 6.2.0")
		} else {
			fmt.Println("QEMU emulator version 9.1.0 (Test)")
		}
		return 0
	case is("die"):
		fmt.Fprintln(os.Stderr, "qemu-system-test: cannot set up guest memory 'ram': Cannot allocate memory")
		return 1
	case value("-serial") == "stdio" && is("speak"):
		fmt.Println("Linux version 6.12")
		select {}
	case value("-serial") == "stdio", is("hang"):
		select {}
	}
	dir := filepath.Dir(value("-pidfile"))
	pid := strconv.Itoa(os.Getpid())
	if err := os.WriteFile(value("-pidfile"), []byte(pid+"\n"), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	monitor, err := net.Listen("unix", filepath.Join(dir, qmpSocket))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if console, err := net.Dial("unix", filepath.Join(dir, consoleSocket)); err == nil {
		fmt.Fprintln(console, "hello")
		defer console.Close()
	}
	for {
		conn, err := monitor.Accept()
		if err != nil {
			return 1
		}
		if quit := playMonitor(conn, is); quit {
			conn.Close()
			return 0
		}
	}
}

// playMonitor says whether to quit.
func playMonitor(conn net.Conn, is func(string) bool) bool {
	fmt.Fprintln(conn, greeting)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var c struct {
			Execute string `json:"execute"`
			ID      uint64 `json:"id"`
		}
		if json.Unmarshal(lines.Bytes(), &c) != nil {
			return false
		}
		if is("deaf") && c.Execute == "quit" {
			continue
		}
		fmt.Fprintln(conn, ok(c.ID))
		switch {
		case c.Execute == "quit":
			return true
		case c.Execute == "qmp_capabilities" && is("reset"):
			fmt.Fprintln(conn, `{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}`)
			return true
		case c.Execute == "qmp_capabilities" && is("abort"):
			fmt.Fprintln(os.Stderr, "qemu-system-test: assertion failed")
			os.Exit(134)
		}
	}
	return false
}

// engineVariable makes the test binary an engine with a machine in that
// directory.
const engineVariable = "SLIPWAY_TEST_ENGINE"

func playEngine(dir string) int {
	p, err := startProcess(os.Getenv("SLIPWAY_TEST_QEMU"), []string{"-pidfile", filepath.Join(dir, pidFile)}, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(p.cmd.Process.Pid)
	<-p.gone
	return 0
}
