package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

// kernelModules are what the kernel needs for 9P over TCP, in an order that can be
// loaded.
var kernelModules = []string{"e1000", "netfs", "9pnet", "9pnet_fd", "9p"}

// TestKernel9P boots the guest's kernel with testdata/kernel9p as its first process,
// which mounts a tree that this process serves and tries what users do with it.
func TestKernel9P(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: boots a machine, and -short was given")
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("skipped: boots an amd64 kernel as Debian packs it, on Linux")
	}
	initrd := kernelInitrd(t)
	store := manyFiles(t)
	data := tree.New(store, tree.Options{})
	held := &heldFile{File: synth.NewFile("/held", func(context.Context) ([]byte, error) { return nil, nil })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := &ninep.Server{NewTree: func(c net.Conn) (ninep.Tree, error) {
		return &kernelTree{data.Session(ninep.PeerOf(c)), held}, nil
	}}
	var serving errgroup.Group
	serving.Go(func() error { return server.Serve(ctx, l) })
	serving.Go(func() error { return data.Run(ctx) })
	defer func() {
		cancel()
		if err := serving.Wait(); err != nil {
			t.Error(err)
		}
	}()
	release := holdLock(t, l.Addr().String())
	defer release()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	judge(t, bootKernel(t, initrd, port))
	stats := server.Stats()
	t.Logf("server: %+v", stats)
	if stats.Connections != 1 || stats.Broken != 0 || stats.Panics != 0 || stats.RefusedRequests != 0 {
		t.Errorf("after umount the server has %+v", stats)
	}
	// Each dialect made four commits after the first.
	log, err := store.Log(t.Context(), "main", 0, "")
	if err != nil || len(log) != 9 {
		t.Errorf("%d commits, %v; want 9", len(log), err)
	}
}

// manyFiles is a store whose branch main has a directory of 10,000 files.
func manyFiles(t *testing.T) *datakit.Store {
	t.Helper()
	store, err := datakit.OpenMemory(datakit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	tx, err := store.Begin(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for i := range 10000 {
		if err := tx.Write(fmt.Sprintf("many/entry-%05d", i), nil, datakit.ModeFile); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Commit(t.Context(), datakit.Message{Text: "many"}); err != nil {
		t.Fatal(err)
	}
	return store
}

// kernelTree is DataKit's tree at /data, and a file with locks and attributes.
type kernelTree struct {
	*tree.Session
	held *heldFile
}

func (k *kernelTree) Attach(_ context.Context, r ninep.AttachRequest) (ninep.Node, error) {
	return synth.NewDir("/", entry{k.Root(r).(ninep.Dir), "data"}, k.held), nil
}

// entry is a directory under a name.
type entry struct {
	ninep.Dir
	name string
}

func (e entry) Name() string { return e.name }

// heldFile is a file that can be locked and has attributes.
type heldFile struct {
	*synth.File
	locks ninep.Locks
	attrs sync.Map
}

func (h *heldFile) Open(context.Context, ninep.OpenFlags) (ninep.Handle, error) {
	return &heldHandle{h}, nil
}

type heldHandle struct{ file *heldFile }

func (h *heldHandle) Close() error {
	h.file.locks.Release(h)
	return nil
}

func (h *heldHandle) Lock(ctx context.Context, r ninep.LockRequest) (ninep.LockStatus, error) {
	return h.file.locks.Lock(ctx, h, r)
}

func (h *heldHandle) GetLock(_ context.Context, r ninep.LockRequest) (ninep.LockRequest, error) {
	return h.file.locks.GetLock(h, r)
}

func (h *heldFile) Xattr(_ context.Context, name string) ([]byte, error) {
	if v, ok := h.attrs.Load(name); ok {
		return v.([]byte), nil
	}
	return nil, ninep.ENODATA
}

func (h *heldFile) Xattrs(context.Context) (names []string, err error) {
	h.attrs.Range(func(name, _ any) bool {
		names = append(names, name.(string))
		return true
	})
	return names, nil
}

func (h *heldFile) SetXattr(_ context.Context, name string, value []byte, _ uint32) error {
	h.attrs.Store(name, bytes.Clone(value))
	return nil
}

func (h *heldFile) RemoveXattr(_ context.Context, name string) error {
	if _, ok := h.attrs.LoadAndDelete(name); !ok {
		return ninep.ENODATA
	}
	return nil
}

// judge reads the checks off the console.
func judge(t *testing.T, output string) {
	t.Helper()
	ok := 0
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		i := strings.Index(line, "CHECK ")
		if i < 0 {
			continue
		}
		t.Log(line[i:])
		if strings.Contains(line, " ok (") {
			ok++
		} else {
			t.Error(line[i:])
		}
	}
	if want := 20; ok != want || !strings.Contains(output, "DONE") {
		t.Errorf("%d checks passed of %d; console:\n%s", ok, want, output)
	}
}

// holdLock locks the file "held" through a connection of its own.
func holdLock(t *testing.T, address string) (release func()) {
	t.Helper()
	c, err := ninep.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.Open(t.Context(), "held", ninep.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.Lock(t.Context(), ninep.LockRequest{Type: ninep.LockWrite}); s != ninep.LockSuccess || err != nil {
		t.Fatal(s, err)
	}
	return func() { c.Close() }
}

// bootKernel runs the machine until it powers off, and returns its console.
func bootKernel(t *testing.T, initrd, port string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-m", "256",
		"-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-kernel", filepath.Join("..", "..", "guest-image", "out", "amd64", "vmlinux"), "-initrd", initrd,
		"-append", "console=ttyS0 loglevel=4 panic=-1 cryptomgr.notests port="+port,
		"-netdev", "user,id=n,restrict=off", "-device", "e1000,netdev=n,romfile=")
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	cmd.WaitDelay = 5 * time.Second
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("machine: %v\n%s", err, console.String())
	}
	t.Log("the machine ran for", time.Since(start).Round(time.Millisecond))
	return console.String()
}

// kernelInitrd packs the first process, busybox and the modules.
func kernelInitrd(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "dpkg-deb", "xz", "cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
	debs, _ := filepath.Glob("../../guest-image/cache/amd64/apt/debs/linux-image-*.deb")
	if _, err := os.Stat("../../guest-image/out/amd64/vmlinux"); err != nil || len(debs) != 1 {
		missing(t, "the guest's kernel and its package in guest-image (make image)")
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "modules"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", filepath.Join(root, "init"), "./testdata/kernel9p")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-tags=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build first process: %v\n%s", err, out)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		missing(t, "/bin/busybox (package busybox-static)")
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), busybox, 0o755); err != nil {
		t.Fatal(err)
	}
	extractModules(t, debs[0], filepath.Join(root, "modules"))
	file := filepath.Join(t.TempDir(), "initrd")
	pack := exec.CommandContext(t.Context(), "sh", "-c", `cd "$0" && find . | cpio -o -H newc --quiet >"$1"`, root, file)
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("pack: %v\n%s", err, out)
	}
	return file
}

// extractModules takes modules out of the kernel's package, and notes their order.
func extractModules(t *testing.T, deb, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, m := range kernelModules {
		want[m+".ko.xz"] = true
	}
	in := tar.NewReader(out)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(h.Name)
		if !want[name] {
			continue
		}
		delete(want, name)
		unpack := exec.CommandContext(t.Context(), "xz", "-dc")
		unpack.Stdin = in
		module, err := unpack.Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(name, ".ko.xz")), module, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(want) > 0 {
		t.Fatalf("the kernel's package lacks %v", want)
	}
	if err := os.WriteFile(filepath.Join(dir, "order"), []byte(strings.Join(kernelModules, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
