// Package guestimage holds no code: recipe makes the image, agent is its PID 1, and
// the test here boots what they made.
package guestimage

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/qemu"
)

// bootLimit is long because the machine that tests may be busy with much else.
const bootLimit = 150 * time.Second

// TestImageBoots boots the image under software emulation, with no network, until
// Docker answers over the agent's channel, and ends it in good order.
func TestImageBoots(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: -short is set")
	}
	config := machine(t)
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	vm, err := qemu.New(qemu.Options{}).Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	console := follow(vm.Console())
	defer func() {
		_ = vm.Kill()
		<-vm.Done()
		if text := console(); t.Failed() {
			t.Logf("console:\n%s", text)
		}
	}()
	conn, err := vm.Agent(ctx)
	if err != nil {
		t.Fatal(err)
	}
	session, err := guest.Connect(ctx, conn, guest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = session.Run(ctx) }) // the machine's own end ends it with an error
	defer running.Wait()
	defer session.Close()

	facts := awaitDocker(ctx, t, session)
	var phases []string
	for _, p := range facts.Phases {
		phases = append(phases, p.Name)
		t.Logf("%8.2f s  %s", p.At.Seconds(), p.Name)
	}
	if want := []string{"kernel", "root", "modules", "disk", "docker"}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	if v := dockerVersion(ctx, t, session); v == "" || !strings.HasPrefix(facts.Versions["docker"], v) {
		t.Errorf("Docker says it is %q, the image %q", v, facts.Versions["docker"])
	}
	if err := session.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-vm.Done():
	case <-ctx.Done():
		t.Fatal("the machine does not end")
	}
	if err := vm.Err(); err != nil {
		t.Errorf("the machine did not power off: %v", err)
	}
	checkClean(t, config.Disks[1].Path)
}

// machine describes a machine of the built image with a blank data disk.
func machine(t *testing.T) vm.Config {
	t.Helper()
	image, err := filepath.Abs(filepath.Join("out", runtime.GOARCH))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		KernelArgs []string `json:"kernelArgs"`
	}
	text, err := os.ReadFile(filepath.Join(image, "manifest.json"))
	if err != nil {
		t.Skipf("not run: there is no image; build it with: make image (%v)", err)
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		if _, err := exec.LookPath(program); err != nil && strings.HasSuffix(program, map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]) {
			t.Skipf("not run: %v", err)
		}
	}
	dir, err := os.MkdirTemp("", "boot") // short, for its sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data := filepath.Join(dir, "data.raw")
	if err := os.WriteFile(data, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(data, 8<<30); err != nil {
		t.Fatal(err)
	}
	return vm.Config{
		Name: "boot-test", Dir: dir, CPUs: 1, MemoryMiB: 1024, Accelerator: vm.TCG,
		Kernel: filepath.Join(image, "vmlinux"), Initrd: filepath.Join(image, "initrd"), Cmdline: manifest.KernelArgs,
		Disks: []vm.Disk{
			{ID: "root", Path: filepath.Join(image, "root.erofs"), Format: vm.Raw, ReadOnly: true},
			{ID: "data", Path: data, Format: vm.Raw},
		},
	}
}

// follow reads the console all the time; the function it returns waits for its end.
func follow(console io.Reader) (text func() string) {
	var b strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(console); lines.Scan(); {
			b.WriteString(lines.Text() + "\n")
		}
	}()
	return func() string {
		<-done
		return b.String()
	}
}

func awaitDocker(ctx context.Context, t *testing.T, session *guest.Session) guest.Facts {
	t.Helper()
	for facts := range session.WatchFacts(ctx) {
		switch facts.Docker {
		case guest.DockerReady:
			return facts
		case guest.DockerFailed:
			t.Fatalf("Docker failed: %s", facts.Problem)
		}
	}
	t.Fatal("Docker did not answer in time")
	panic("unreachable")
}

func dockerVersion(ctx context.Context, t *testing.T, session *guest.Session) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return session.DialDocker(ctx) },
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var version struct{ Version string }
	if err := json.NewDecoder(res.Body).Decode(&version); err != nil {
		t.Fatal(err)
	}
	return version.Version
}

// checkClean looks at the data disk as the machine left it: an ext4 file system that
// was unmounted, so that its journal has nothing to be replayed
// (Documentation/filesystems/ext4/super.rst).
func checkClean(t *testing.T, disk string) {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	super := make([]byte, 1024)
	if _, err := f.ReadAt(super, 1024); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	const clean, recover = 1, 4
	if magic := binary.LittleEndian.Uint16(super[0x38:]); magic != 0xef53 {
		t.Fatalf("the data disk has no ext4 file system (%#x)", magic)
	}
	if state := binary.LittleEndian.Uint16(super[0x3a:]); state != clean {
		t.Errorf("the data disk's state is %d, want %d", state, clean)
	}
	if features := binary.LittleEndian.Uint32(super[0x60:]); features&recover != 0 {
		t.Error("the data disk's journal was left to be replayed")
	}
}
