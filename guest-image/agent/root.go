//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rootSerial  = "slipway-root"
	dataSerial  = "slipway-data"
	imageDir    = "/usr/share/slipway" // of our own files in the root image
	deviceWait  = 10 * time.Second
	newRoot     = "/root"
	rootFSType  = "erofs"
	nodevNosuid = unix.MS_NOSUID | unix.MS_NODEV
)

// A mount is one call of mount(2).
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.source, m.target, err)
	}
	return nil
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

// enterRoot is the initramfs's part: it loads the modules of the disks, mounts the
// root image and makes the tree around it the root of PID 1.
//
// The root is a small tmpfs with the image, read-only, at /usr, so that every other
// path can become the mount point of a host's folder without an overlay in between.
func (m *machine) enterRoot() error {
	err := mountAll([]mount{
		{"proc", "/proc", "proc", nodevNosuid | unix.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", nodevNosuid | unix.MS_NOEXEC, ""},
		{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
		{"tmpfs", newRoot, "tmpfs", 0, "mode=0755"},
	})
	if err != nil {
		return err
	}
	m.phase("kernel")
	if err := loadModules("/modules", "/modules/list"); err != nil {
		m.problem(err)
	}
	dev, err := waitDisk(rootSerial, deviceWait)
	if err != nil {
		return err
	}
	// Programs of many megabytes are read from here page by page; asking for more at
	// a time saves most of the round trips to the emulated disk.
	if err := os.WriteFile(filepath.Join("/sys/block", filepath.Base(dev), "queue/read_ahead_kb"), []byte(readAheadKB), 0); err != nil {
		m.log.Warn("root disk keeps its small read-ahead", "err", err)
	}
	if err := (mount{dev, newRoot + "/usr", rootFSType, unix.MS_RDONLY | unix.MS_NOATIME, ""}).do(); err != nil {
		return err
	}
	if err := switchRoot(); err != nil {
		return err
	}
	m.phase("root")
	return m.furnish()
}

const readAheadKB = "2048"

// switchRoot moves the mounts below newRoot and makes that the root, and gives the
// initramfs's memory back.
func switchRoot() error {
	for _, d := range []string{"/proc", "/sys", "/dev"} {
		if err := (mount{d, newRoot + d, "", unix.MS_MOVE, ""}).do(); err != nil {
			return err
		}
	}
	for _, f := range []string{"/init", "/modules"} {
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	return os.Chdir("/")
}

// furnish fills the root around /usr.
func (m *machine) furnish() error {
	for link, target := range map[string]string{
		"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64",
	} {
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	err := mountAll([]mount{
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666"},
		{"tmpfs", "/dev/shm", "tmpfs", nodevNosuid, ""},
		{"mqueue", "/dev/mqueue", "mqueue", nodevNosuid | unix.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", nodevNosuid, "mode=0755"},
		{"tmpfs", "/tmp", "tmpfs", nodevNosuid, "mode=1777"},
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", nodevNosuid | unix.MS_NOEXEC, "nsdelegate"},
	})
	if err != nil {
		return err
	}
	// As systemd has it: `docker run -v ...:shared` needs a shared source.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share the root's mounts: %w", err)
	}
	for _, d := range []string{"/etc", "/var/lib", "/root"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", "/var/run"); err != nil {
		return err
	}
	entries, err := os.ReadDir(imageDir + "/etc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(imageDir, "etc", e.Name()), filepath.Join("/etc", e.Name())); err != nil {
			return err
		}
	}
	m.setKernel()
	return nil
}

// setKernel sets what containers expect of a host. A kernel that has one of these no
// more is no reason to stop.
func (m *machine) setKernel() {
	for name, value := range map[string]string{
		"net/ipv4/ip_forward":               "1",
		"net/ipv4/conf/all/send_redirects":  "0",
		"net/ipv4/conf/default/rp_filter":   "0",
		"net/ipv4/conf/all/rp_filter":       "0",
		"fs/inotify/max_user_instances":     "1024",
		"fs/inotify/max_user_watches":       "1048576",
		"fs/file-max":                       "2097152",
		"vm/max_map_count":                  "1048576",
		"vm/overcommit_memory":              "1",
		"net/ipv4/neigh/default/gc_thresh3": "4096",
		"kernel/keys/root_maxkeys":          "1000000",
	} {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.log.Warn("kernel setting refused", "name", name, "err", err)
		}
	}
	files := unix.Rlimit{Cur: 1048576, Max: 1048576}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		m.log.Warn("limit of open files refused", "err", err)
	}
}

// loadModules loads the modules that the file list names, one a line below dir, in
// its order. It tries all of them, and returns what failed.
func loadModules(dir, list string) error {
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	var errs []error
	for name := range strings.FieldsSeq(string(text)) {
		if err := loadModule(filepath.Join(dir, name)); err != nil {
			errs = append(errs, fmt.Errorf("load module %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// moduleGroup loads one of the groups that the recipe listed (contents.go).
func (m *machine) moduleGroup(name string) {
	if err := loadModules("/lib/modules/"+kernelRelease(), imageDir+"/modules/"+name); err != nil {
		m.problem(err)
	}
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// waitDisk returns the device of the virtio disk with a serial number. Disks appear
// within milliseconds of their driver, so this only waits where the host is very slow.
func waitDisk(serial string, limit time.Duration) (string, error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if dev := findDisk(serial); dev != "" {
			return dev, nil
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("no disk with the serial %q", serial)
		}
	}
}

func findDisk(serial string) string {
	files, _ := filepath.Glob("/sys/block/*/serial")
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(text)) == serial {
			return "/dev/" + filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}
