package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/disk"
)

// diskFormat is the format of the machine's data disk: the driver's best.
func (e *Engine) diskFormat() vm.DiskFormat { return e.driver.Capabilities().DiskFormats[0] }

// dataDisk is the path of the machine's data disk: data.qcow2 or data.raw.
func (e *Engine) dataDisk() string {
	return filepath.Join(e.options.Home, "data."+string(e.diskFormat()))
}

// diskSize is the size that the guest sees; fs.ErrNotExist if there is no disk.
func (e *Engine) diskSize() (int64, error) {
	if e.diskFormat() == vm.Raw {
		info, err := os.Stat(e.dataDisk())
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	image, err := disk.Inspect(e.dataDisk())
	return image.VirtualSize, err
}

// diskGiB is the size of the data disk, which can only grow; 0 if there is none.
func (e *Engine) diskGiB() int {
	size, err := e.diskSize()
	if err != nil {
		return 0
	}
	return int(size >> 30)
}

// prepareDisk makes the data disk, or grows it to the size that is set.
func (e *Engine) prepareDisk(gib int) error {
	create, grow := disk.CreateQcow2, disk.GrowQcow2
	if e.diskFormat() == vm.Raw {
		create, grow = disk.CreateRaw, disk.GrowRaw
	}
	size := int64(gib) << 30
	have, err := e.diskSize()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(e.dataDisk(), size)
	case err != nil:
		return err
	case have < size:
		return grow(e.dataDisk(), size)
	}
	return nil
}
