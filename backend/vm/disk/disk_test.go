//go:build unix

package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const gib = int64(1) << 30

// qemuImg runs qemu-img, or skips the test and prints why.
func qemuImg(t *testing.T, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skipf("not run: %v; on Debian: apt install qemu-utils", err)
	}
	out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img %q: %v\n%s", args, err, out)
	}
	return out
}

// sound lets QEMU judge an image: qemu-img check fails for errors and leaks.
func sound(t *testing.T, path string, size int64) {
	t.Helper()
	qemuImg(t, "check", "-f", "qcow2", path)
	var info struct {
		VirtualSize int64 `json:"virtual-size"`
		Specific    struct {
			Data struct {
				Compat string
			}
		} `json:"format-specific"`
	}
	if err := json.Unmarshal(qemuImg(t, "info", "-f", "qcow2", "--output=json", path), &info); err != nil {
		t.Fatal(err)
	}
	if info.VirtualSize != size || info.Specific.Data.Compat != "1.1" {
		t.Errorf("QEMU sees %+v, want %d bytes and version 3", info, size)
	}
	if got, err := Inspect(path); err != nil || got != (Image{VirtualSize: size}) {
		t.Errorf("Inspect: %+v, %v", got, err)
	}
}

func TestCreateQcow2(t *testing.T) {
	for _, size := range []int64{MinSize, MinSize + 512, 64 * gib, 64*gib + 512, MaxSize} {
		path := filepath.Join(t.TempDir(), "data.qcow2")
		if err := CreateQcow2(path, size); err != nil {
			t.Fatal(err)
		}
		sound(t, path, size)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > cluster || info.Mode().Perm() != 0o600 {
			t.Errorf("an empty image takes %d bytes of disk and has mode %v", used, info.Mode())
		}
	}
}

// The first and the last sector, and one behind the first L2 table, are written
// by QEMU, survive growing, and the new part is zero.
func TestGrownImageKeepsItsData(t *testing.T) {
	const size, grown = 2 * gib, 5*gib + 512
	path := filepath.Join(t.TempDir(), "data.qcow2")
	if err := CreateQcow2(path, size); err != nil {
		t.Fatal(err)
	}
	writes := []string{"-c", "write -P 1 0 512", "-c", "write -P 2 512M 512", "-c", "write -P 3 2147483136 512"}
	qemuIO(t, append(writes, path)...)
	if err := GrowQcow2(path, grown); err != nil {
		t.Fatal(err)
	}
	if err := GrowQcow2(path, grown); err != nil {
		t.Errorf("the same size again: %v", err)
	}
	reads := []string{"-c", "read -P 1 0 512", "-c", "read -P 2 512M 512", "-c", "read -P 3 2147483136 512",
		"-c", "read -P 0 2G 64k", "-c", "read -P 0 4G 64k", "-c", "write -P 4 5G 512", "-c", "read -P 4 5G 512"}
	qemuIO(t, append(reads, path)...)
	sound(t, path, grown)
}

func qemuIO(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("qemu-io"); err != nil {
		t.Skipf("not run: %v; on Debian: apt install qemu-utils", err)
	}
	args = append([]string{"-f", "qcow2"}, args...)
	out, err := exec.CommandContext(t.Context(), "qemu-io", args...).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("verification failed")) {
		t.Fatalf("qemu-io %q: %v\n%s", args, err, out)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"an odd size":    CreateQcow2(filepath.Join(dir, "a"), MinSize+1),
		"a small size":   CreateQcow2(filepath.Join(dir, "a"), 0),
		"a large size":   CreateRaw(filepath.Join(dir, "a"), MaxSize+512),
		"a negative one": CreateRaw(filepath.Join(dir, "a"), -512),
		"no directory":   CreateQcow2(filepath.Join(dir, "none", "a"), gib),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := CreateQcow2(taken, gib); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if text, err := os.ReadFile(taken); err != nil || string(text) != "precious" {
		t.Errorf("the other file is now %q, %v", text, err)
	}
	onlyTaken(t, dir)
}

func onlyTaken(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestNoRoomSaysHowMuchIsNeeded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "taken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full := func(string) (int64, error) { return 5 << 20, nil }
	room := func(string) (int64, error) { return gib, nil }
	overtaken := func(*os.File, int64) error { return &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC} }
	for name, err := range map[string]error{
		"seen before":   create(filepath.Join(dir, "a"), gib, emptySize, writeQcow2, full),
		"seen by write": create(filepath.Join(dir, "a"), gib, emptySize, overtaken, room),
	} {
		var space *NoSpaceError
		if !errors.As(err, &space) || !errors.Is(err, syscall.ENOSPC) || space.Need != Headroom+emptySize ||
			!strings.Contains(err.Error(), "65 MiB are needed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	onlyTaken(t, dir)
}

func TestGrowRefuses(t *testing.T) {
	dir := t.TempDir()
	qcow, raw := filepath.Join(dir, "q"), filepath.Join(dir, "r")
	if err := errors.Join(CreateQcow2(qcow, gib), CreateRaw(raw, gib)); err != nil {
		t.Fatal(err)
	}
	if err := GrowQcow2(qcow, gib-512); !errors.Is(err, ErrShrink) {
		t.Errorf("shrink qcow2: %v", err)
	}
	if err := GrowRaw(raw, gib-512); !errors.Is(err, ErrShrink) {
		t.Errorf("shrink raw: %v", err)
	}
	if err := GrowQcow2(raw, 2*gib); !errors.Is(err, ErrFormat) {
		t.Errorf("grow a raw image as qcow2: %v", err)
	}
	if err := GrowQcow2(filepath.Join(dir, "none"), gib); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("grow no image: %v", err)
	}
	foreign := filepath.Join(dir, "foreign")
	qemuImg(t, "create", "-q", "-f", "qcow2", foreign, "1G")
	if err := GrowQcow2(foreign, 2*gib); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "qemu-img resize") {
		t.Errorf("grow an image of qemu-img beyond its table: %v", err)
	}
	sound(t, foreign, gib)
}

func TestGrowRaw(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raw")
	if err := errors.Join(CreateRaw(path, gib), GrowRaw(path, 3*gib)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 3*gib || info.Sys().(*syscall.Stat_t).Blocks != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestInspectRefuses(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	if err := CreateQcow2(good, gib); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	for name, spoil := range map[string]func([]byte) []byte{
		"nothing":              func([]byte) []byte { return nil },
		"a cut header":         func(b []byte) []byte { return b[:80] },
		"a cut file":           func(b []byte) []byte { return b[:3*cluster] },
		"another magic":        func(b []byte) []byte { b[0] = 'X'; return b },
		"another version":      func(b []byte) []byte { be.PutUint32(b[4:], 4); return b },
		"a backing file":       func(b []byte) []byte { be.PutUint64(b[offBacking:], 1000); return b },
		"encryption":           func(b []byte) []byte { be.PutUint32(b[offCrypt:], 1); return b },
		"odd clusters":         func(b []byte) []byte { be.PutUint32(b[offClusterBits:], 30); return b },
		"the corrupt mark":     func(b []byte) []byte { be.PutUint64(b[offIncompat:], incompatCorrupt); return b },
		"an external file":     func(b []byte) []byte { be.PutUint64(b[offIncompat:], 1<<2); return b },
		"a size beyond its L1": func(b []byte) []byte { be.PutUint64(b[offSize:], uint64(MaxSize)+1); return b },
		"a huge size":          func(b []byte) []byte { be.PutUint64(b[offSize:], 1<<63); return b },
		"an L1 outside":        func(b []byte) []byte { be.PutUint64(b[offL1:], 1<<40); return b },
		"an L1 that wraps":     func(b []byte) []byte { be.PutUint64(b[offL1:], 1<<64-cluster); return b },
		"no L1":                func(b []byte) []byte { be.PutUint64(b[offL1:], 0); return b },
		"refcounts outside":    func(b []byte) []byte { be.PutUint64(b[offRefTable:], 1<<40); return b },
	} {
		path := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(path, spoil(bytes.Clone(image)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Inspect(path); !errors.Is(err, ErrFormat) || got != (Image{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	be.PutUint64(image[offIncompat:], incompatDirty)
	if err := os.WriteFile(good, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Inspect(good); err != nil || !got.Dirty {
		t.Errorf("a dirty image: %+v, %v", got, err)
	}
}

func TestFree(t *testing.T) {
	if free, err := Free(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("%d, %v", free, err)
	}
	if _, err := Free(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

func FuzzParseHeader(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	if err := CreateQcow2(path, gib); err != nil {
		f.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image[:headerLen], int64(len(image)))
	f.Add(image[:headerLenV2], int64(len(image)))
	v2 := bytes.Clone(image[:headerLen])
	v2[7] = 2
	f.Add(v2, int64(len(image)))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		h, err := parseHeader(b, size)
		if err != nil {
			if !errors.Is(err, ErrFormat) || h != (header{}) {
				t.Errorf("%+v, %v", h, err)
			}
			return
		}
		if h.VirtualSize < 0 || h.capacity < 0 || h.capacity > MaxSize {
			t.Errorf("accepted %+v", h)
		}
	})
}
