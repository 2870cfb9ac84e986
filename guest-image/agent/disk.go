//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	repairLimit = 10 * time.Minute
	// growStep is the smallest growth of the disk that is worth growing the file
	// system for: less can be the disk's own rounding.
	growStep = 16 << 20
)

// Fields of the ext4 superblock, from the start of the device
// (Documentation/filesystems/ext4/super.rst).
const (
	superOffset     = 1024
	superSize       = 1024
	superBlocksLow  = 0x04
	superLogBlock   = 0x18
	superMagicAt    = 0x38
	superState      = 0x3a
	superIncompat   = 0x60
	superBlocksHigh = 0x150
	superMagic      = 0xef53
	stateErrors     = 0x2
	incompat64bit   = 0x80
	// secondSuper is where mke2fs puts the first copy of the superblock, with 4 KiB
	// blocks: in block group 1.
	secondSuper = 32768 * 4096
	blankProbe  = 4 << 20
)

// A superblock is what matters here of an ext4 file system's.
type superblock struct {
	size   uint64 // bytes
	errors bool   // the kernel met errors, and asks for a check
}

func parseSuperblock(b []byte) (superblock, bool) {
	if len(b) < superSize || binary.LittleEndian.Uint16(b[superMagicAt:]) != superMagic {
		return superblock{}, false
	}
	blocks := uint64(binary.LittleEndian.Uint32(b[superBlocksLow:]))
	if binary.LittleEndian.Uint32(b[superIncompat:])&incompat64bit != 0 {
		blocks |= uint64(binary.LittleEndian.Uint32(b[superBlocksHigh:])) << 32
	}
	log := binary.LittleEndian.Uint32(b[superLogBlock:])
	if log > 6 { // 64 KiB, ext4's largest
		return superblock{}, false
	}
	return superblock{
		size:   blocks << (10 + log),
		errors: binary.LittleEndian.Uint16(b[superState:])&stateErrors != 0,
	}, true
}

// What a data disk holds.
type contents int

const (
	blank   contents = iota // nothing at all: may be formatted
	ext4                    // a file system, perhaps a broken one
	unknown                 // something else: never touched
)

// inspect looks at a disk without changing it. Only a disk that is all zeros where
// any file system, partition table or copy of an ext4 superblock would show is blank.
func inspect(disk io.ReaderAt) (contents, superblock, error) {
	head := make([]byte, blankProbe)
	n, err := disk.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return unknown, superblock{}, err
	}
	head = head[:n]
	if len(head) >= superOffset+superSize {
		if sb, ok := parseSuperblock(head[superOffset:]); ok {
			return ext4, sb, nil
		}
	}
	second := make([]byte, superSize)
	if _, err := disk.ReadAt(second, secondSuper); err == nil {
		if sb, ok := parseSuperblock(second); ok {
			return ext4, sb, nil // its beginning was overwritten; e2fsck can use this copy
		}
	}
	for _, b := range head {
		if b != 0 {
			return unknown, superblock{}, nil
		}
	}
	return blank, superblock{}, nil
}

// mountData mounts the data disk: a blank one is formatted, one that grew takes its
// file system along, a broken one is repaired. One that is neither blank nor can be
// mounted is left as it is and reported.
func (m *machine) mountData() error {
	dev, err := waitDisk(dataSerial, time.Second)
	if err != nil {
		return fmt.Errorf("%w: Docker has nowhere to keep its data", err)
	}
	what, sb, size, err := inspectDevice(dev)
	if err != nil {
		return fmt.Errorf("read data disk: %w", err)
	}
	switch what {
	case unknown:
		return errors.New("the data disk holds something that is not a file system of Slipway's, and is left alone: move the disk file away to begin with an empty one")
	case blank:
		if err := m.format(dev); err != nil {
			return err
		}
		sb.size = size
	case ext4:
		if sb.errors {
			if err := m.repair(dev); err != nil {
				return err
			}
		}
	}
	if err := mountExt4(dev); err != nil {
		if err := m.repair(dev); err != nil {
			return err
		}
		if err := mountExt4(dev); err != nil {
			return fmt.Errorf("the data disk cannot be mounted even after its repair, and is left as it is: %w", err)
		}
	}
	if size >= sb.size+growStep {
		if err := m.grow(dev); err != nil {
			m.problem(err) // the disk works as it is
		}
	}
	return nil
}

func inspectDevice(dev string) (contents, superblock, uint64, error) {
	f, err := os.Open(dev)
	if err != nil {
		return unknown, superblock{}, 0, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return unknown, superblock{}, 0, err
	}
	what, sb, err := inspect(f)
	return what, sb, uint64(size), err
}

// mountExt4 keeps the kernel from writing out the inode tables of a new file system in
// the background: they are zeros already, and would fill a sparse disk file.
func mountExt4(dev string) error {
	return mount{dev, dataDir, "ext4", unix.MS_NOATIME, "noinit_itable,discard"}.do()
}

func (m *machine) format(dev string) error {
	m.log.Info("formatting the blank data disk", "device", dev)
	return m.tool("format data disk", 0, "/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096", "-J", "size=64",
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-L", "slipway-data", dev)
}

// repair checks the file system: first what is safe to repair, and if that is not
// enough, everything.
func (m *machine) repair(dev string) error {
	m.log.Warn("checking the data disk", "device", dev)
	const corrected = 1 // e2fsck(8): 1 means errors were corrected, 4 that some are left
	if m.tool("check data disk", corrected, "/usr/sbin/e2fsck", "-p", "-f", dev) == nil {
		return nil
	}
	err := m.tool("repair data disk", corrected, "/usr/sbin/e2fsck", "-y", "-f", dev)
	if err != nil {
		return fmt.Errorf("the data disk is broken beyond repair, and is left as it is: %w", err)
	}
	m.problem(errors.New("the data disk had errors, which were repaired; some of Docker's data may be lost"))
	return nil
}

func (m *machine) grow(dev string) error {
	m.log.Info("growing the file system with its disk", "device", dev)
	return m.tool("grow data disk", 0, "/usr/sbin/resize2fs", dev)
}

// tool runs a program; an exit code up to ok is success.
func (m *machine) tool(what string, ok int, argv ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), repairLimit)
	defer cancel()
	code, out, err := m.children.run(ctx, argv...)
	if err == nil && code > ok {
		err = fmt.Errorf("exit status %d", code)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", what, err, strings.TrimSpace(out))
	}
	return nil
}
