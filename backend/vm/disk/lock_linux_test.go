package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestImageOfARunningMachineDoesNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := CreateQcow2(path, gib); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	// As QEMU does for an image that it writes to.
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK, Start: 101, Len: 1}); err != nil {
		t.Fatal(err)
	}
	if err := GrowQcow2(path, 2*gib); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	f.Close()
	if err := GrowQcow2(path, 2*gib); err != nil {
		t.Errorf("after it ended: %v", err)
	}
}
