//go:build linux

// Command kernel9p is PID 1 of a machine that tries the Linux kernel's 9P client on
// a server of ours: kernel9p_test.go boots it. It prints one line a check and
// powers off. Its arguments come from the kernel's command line: port=N.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink"
)

// patience is how long anything may take that should happen at once. The machine is
// emulated and its host busy.
const patience = 5 * time.Second

func main() {
	if err := prepare(); err != nil {
		fmt.Println("PREPARE", err)
	} else {
		for _, version := range []string{"9p2000.L", "9p2000.u"} {
			tryVersion(version)
		}
		fmt.Println("DONE")
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("power off:", err)
	}
}

// prepare loads modules and brings up the network.
func prepare() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(kind, dir, kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	list, err := os.ReadFile("/modules/order")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		f, err := os.Open("/modules/" + name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	var link netlink.Link
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if link, err = netlink.LinkByName("eth0"); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("network card: %w", err)
	}
	addr, err := netlink.ParseAddr("10.0.2.15/24")
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(link, addr), netlink.LinkSetUp(link))
}

func port() string {
	line, _ := os.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(line)) {
		if p, ok := strings.CutPrefix(word, "port="); ok {
			return p
		}
	}
	return ""
}

func mount(dir, options string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	options = "trans=tcp,port=" + port() + ",msize=131072,access=any," + options
	var err error
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		// The network card needs a moment until it has a link.
		if err = unix.Mount("10.0.2.2", dir, "9p", 0, options); !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EHOSTUNREACH) {
			break
		}
	}
	return err
}

// The machine has two mounts of the served tree: one that caches nothing, as users of
// live files need, and one that caches what is mapped into memory.
const (
	plain  = "/plain"
	cached = "/cached"

	branch = "/data/branch/main"
)

func tryVersion(version string) {
	check := func(name string, f func() error) {
		start := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- f() }()
		var err error
		select {
		case err = <-ended:
		case <-time.After(4 * patience):
			err = errors.New("hangs")
		}
		result := "ok"
		if err != nil {
			result = "FAILED " + err.Error()
		}
		fmt.Printf("CHECK %s %s %s (%d ms)\n", version, name, result, time.Since(start).Milliseconds())
	}
	tx := plain + branch + "/transactions/work"
	check("mount", func() error {
		return errors.Join(mount(plain, "cache=none,version="+version), mount(cached, "cache=mmap,version="+version))
	})
	check("transaction", func() error { return os.Mkdir(tx, 0o755) })
	check("write-and-read", func() error { return writeAndRead(tx + "/rw/f") })
	check("live", func() error { return live(plain+branch, tx+"/rw") })
	check("readdir", func() error {
		entries, err := os.ReadDir(plain + branch + "/ro/many")
		if err == nil && len(entries) != 10000 {
			err = fmt.Errorf("%d entries", len(entries))
		}
		return err
	})
	check("mmap", func() error { return mapped(tx+"/rw/f", version == "9p2000.L") })
	check("symlink", func() error { return symlink(tx + "/rw/s") })
	check("remove", func() error {
		return errors.Join(os.Mkdir(tx+"/rw/d", 0o755), os.Remove(tx+"/rw/d"), os.Remove(tx+"/rw/f"))
	})
	if version == "9p2000.L" {
		check("xattr", func() error { return xattr(plain + "/held") })
		check("flock", func() error { return flock(plain + "/held") })
	}
	check("umount", func() error { return errors.Join(unix.Unmount(plain, 0), unix.Unmount(cached, 0)) })
}

func writeAndRead(path string) error {
	data := bytes.Repeat([]byte("0123456789abcdef"), 40000)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, data) {
		err = fmt.Errorf("%d of %d bytes, or others", len(got), len(data))
	}
	return err
}

// live follows the head of a branch with another process: each commit comes at
// once, a rename passes meanwhile, and a reader that is killed is gone. The reader is
// dd, since busybox's cat sends a file to a pipe with sendfile, which keeps the pipe
// to itself while it waits.
func live(branch, rw string) error {
	reader := exec.Command("/bin/busybox", "dd", "if="+branch+"/head.live", "bs=4096")
	out, err := reader.StdoutPipe()
	if err != nil {
		return err
	}
	if err := reader.Start(); err != nil {
		return err
	}
	defer func() { _ = reader.Process.Kill() }()
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(out)
		for in.Scan() {
			lines <- in.Text()
		}
	}()
	for i := range 4 {
		want, err := os.ReadFile(branch + "/head")
		if err != nil {
			return err
		}
		select {
		case got := <-lines:
			if got+"\n" != string(want) {
				return fmt.Errorf("line %d is %q, the head %q", i, got, want)
			}
		case <-time.After(patience):
			return fmt.Errorf("line %d does not come", i)
		}
		if err := commit(branch, fmt.Sprintf("t%d", i)); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	moved := make(chan error, 1)
	go func() { moved <- errors.Join(os.Rename(rw+"/f", rw+"/g"), os.Rename(rw+"/g", rw+"/f")) }()
	select {
	case err := <-moved:
		if err != nil {
			return err
		}
	case <-time.After(patience):
		return errors.New("mv hangs while a read blocks")
	}
	if err := reader.Process.Kill(); err != nil {
		return err
	}
	for range lines { // until it is gone
	}
	ended := make(chan error, 1)
	go func() { ended <- reader.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", reader.Process.Pid))
		return fmt.Errorf("the reader outlives kill -9: %.200s", state)
	}
	_, err = os.Stat(rw + "/f")
	return err
}

// commit makes a commit, as a shell script would.
func commit(branch, name string) error {
	tx := branch + "/transactions/" + name
	return errors.Join(os.Mkdir(tx, 0o755),
		os.WriteFile(tx+"/rw/"+name, []byte(branch+name), 0o644),
		os.WriteFile(tx+"/msg", []byte("by the kernel"), 0o644),
		os.WriteFile(tx+"/ctl", []byte("commit\n"), 0o644))
}

// mapped reads through a shared mapping, and writes through one of the cached mount,
// whose transaction is its own. With 9P2000.u Linux maps files for reading only.
func mapped(path string, write bool) error {
	b, err := mapFile(path, unix.PROT_READ)
	if err != nil {
		return fmt.Errorf("map for reading: %w", err)
	}
	same := bytes.Equal(b[16*39999:], []byte("0123456789abcdef"))
	if err := unix.Munmap(b); err != nil || !same {
		return fmt.Errorf("mapping is what the file is: %v, %w", same, err)
	}
	if !write {
		return nil
	}
	tx := branch + "/transactions/map"
	file := tx + "/rw/f"
	if err := errors.Join(os.Mkdir(cached+tx, 0o755), os.WriteFile(cached+file, make([]byte, 8192), 0o644)); err != nil {
		return err
	}
	if b, err = mapFile(cached+file, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("map for writing: %w", err)
	}
	copy(b[5000:], "written by memory")
	if err := errors.Join(unix.Msync(b, unix.MS_SYNC), unix.Munmap(b)); err != nil {
		return err
	}
	got, err := os.ReadFile(plain + file)
	if err != nil || len(got) != 8192 || !bytes.HasPrefix(got[5000:], []byte("written by memory")) {
		return fmt.Errorf("file has %d bytes, not what was written by memory: %w", len(got), err)
	}
	return nil
}

func mapFile(path string, prot int) ([]byte, error) {
	flags := os.O_RDONLY
	if prot&unix.PROT_WRITE != 0 {
		flags = os.O_RDWR
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), prot, unix.MAP_SHARED)
}

func symlink(path string) error {
	if err := os.Symlink("some/where", path); err != nil {
		return err
	}
	if to, err := os.Readlink(path); err != nil || to != "some/where" {
		return fmt.Errorf("readlink %q, %w", to, err)
	}
	return os.Remove(path)
}

func xattr(path string) error {
	if err := unix.Setxattr(path, "user.one", []byte("1"), 0); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	b := make([]byte, 100)
	if n, err := unix.Getxattr(path, "user.one", b); err != nil || string(b[:n]) != "1" {
		return fmt.Errorf("get %q, %w", b[:max(n, 0)], err)
	}
	if n, err := unix.Listxattr(path, b); err != nil || !strings.Contains(string(b[:n]), "user.one\x00") {
		return fmt.Errorf("list %q, %w", b[:max(n, 0)], err)
	}
	if err := unix.Removexattr(path, "user.one"); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	if _, err := unix.Getxattr(path, "user.one", b); !errors.Is(err, unix.ENODATA) {
		return fmt.Errorf("get of what was removed: %w", err)
	}
	return nil
}

// flock finds a file locked that the host holds.
func flock(path string) error {
	held, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("lock of what the host holds: %w", err)
	}
	return nil
}
