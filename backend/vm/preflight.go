package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/slipway-desktop/slipway/backend/vm/disk"
)

// Check is Validate, and then a look at what the Config names: it reports what
// is missing, damaged or of the wrong kind as a *Fault. It opens files for
// reading and changes nothing.
func (c Config) Check() error {
	if err := c.Validate(); err != nil {
		return err
	}
	info, err := os.Stat(c.Dir)
	if err != nil || !info.IsDir() {
		return &Fault{Code: CodeFileMissing, Message: fmt.Sprintf("The machine's directory %s is not there.", c.Dir),
			Hint: "Create it, open to its owner only.", Err: err}
	}
	const reinstall = "Install the guest image again, or build it with: make image"
	for _, path := range []string{c.Kernel, c.Initrd} {
		if path == "" {
			continue
		}
		if err := checkFile(path, reinstall); err != nil {
			return err
		}
	}
	for _, d := range c.Disks {
		if err := checkDisk(d); err != nil {
			return err
		}
	}
	for _, s := range c.Shares {
		if info, err := os.Stat(s.Path); err != nil || !info.IsDir() {
			return &Fault{Code: CodeShareMissing, Message: fmt.Sprintf("The shared folder %s is not there.", s.Path),
				Hint: "Create the folder, or take it out of the settings.", Err: err}
		}
	}
	if c.Link.Socket != "" {
		if _, err := os.Lstat(c.Link.Socket); err != nil {
			return &Fault{Code: CodeFileMissing, Message: fmt.Sprintf("Nobody listens on the network socket %s.", c.Link.Socket),
				Hint: "Restart the engine.", Err: err}
		}
	}
	return nil
}

func checkFile(path, hint string) error {
	f, err := os.Open(path)
	if err == nil {
		var info fs.FileInfo
		info, err = f.Stat()
		f.Close()
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a file")
		}
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		hint = "Give your user the right to read it."
	}
	return &Fault{Code: CodeFileMissing, Message: fmt.Sprintf("The file %s cannot be read.", path), Hint: hint, Err: err}
}

func checkDisk(d Disk) error {
	if err := checkFile(d.Path, "Restore the disk image, or remove the disk from the settings to begin with an empty one."); err != nil {
		return err
	}
	if d.Format != Qcow2 {
		return nil
	}
	if _, err := disk.Inspect(d.Path); err != nil {
		return &Fault{Code: CodeDiskCorrupt, Message: fmt.Sprintf("The disk image %s is damaged.", d.Path),
			Hint: "Copy the file away, then try: qemu-img check -r all " + d.Path, Err: err}
	}
	return nil
}
