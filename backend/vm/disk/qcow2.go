package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The fields of a qcow2 header that matter here, all big-endian.
const (
	magic          = 0x514649fb // "QFI\xfb"
	headerLen      = 104        // of version 3
	headerLenV2    = 72
	offBacking     = 8
	offClusterBits = 20
	offSize        = 24
	offCrypt       = 32
	offL1Size      = 36
	offL1          = 40
	offRefTable    = 48
	offRefClusters = 56
	offSnapshots   = 60
	offIncompat    = 72
	offRefOrder    = 96
	offHeaderLen   = 100
)

const (
	clusterBits = 16
	cluster     = 1 << clusterBits
	refOrder    = 4 // 16 bits
	// perL1 is how many bytes one L1 entry covers: a cluster of L2 entries.
	perL1 = cluster / 8 * cluster
	// l1Entries cover MaxSize whatever the size of the disk, so that growing
	// is one write of eight bytes. It costs 128 KiB of QEMU's memory.
	l1Entries  = int(MaxSize / perL1)
	l1Clusters = l1Entries * 8 / cluster
	// The file of an empty image: header, refcount table, refcount block, L1.
	emptyClusters = 3 + l1Clusters
	emptySize     = int64(emptyClusters * cluster)
)

// Bits of the incompatible features.
const (
	incompatDirty   = 1 << 0
	incompatCorrupt = 1 << 1
	incompatKnown   = incompatDirty | incompatCorrupt | 1<<3 | 1<<4 // compression type, extended L2
)

// writeQcow2 lays out an empty image. Everything not written is a hole.
func writeQcow2(f *os.File, size int64) error {
	be := binary.BigEndian
	if err := f.Truncate(emptySize); err != nil {
		return err
	}
	refBlock := make([]byte, emptyClusters*2)
	for i := range emptyClusters {
		be.PutUint16(refBlock[i*2:], 1)
	}
	refTable := be.AppendUint64(nil, 2*cluster)
	h := make([]byte, headerLen+8) // and the end of the header extensions
	be.PutUint32(h, magic)
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[offClusterBits:], clusterBits)
	be.PutUint64(h[offSize:], uint64(size))
	be.PutUint32(h[offL1Size:], uint32(l1Entries))
	be.PutUint64(h[offL1:], 3*cluster)
	be.PutUint64(h[offRefTable:], cluster)
	be.PutUint32(h[offRefClusters:], 1)
	be.PutUint32(h[offRefOrder:], refOrder)
	be.PutUint32(h[offHeaderLen:], headerLen)
	for _, part := range []struct {
		data []byte
		at   int64
	}{{refBlock, 2 * cluster}, {refTable, cluster}, {h, 0}} {
		if _, err := f.WriteAt(part.data, part.at); err != nil {
			return err
		}
	}
	return nil
}

// header is what parseHeader found and checked.
type header struct {
	Image
	capacity int64 // the largest size that the L1 table can map
}

// parseHeader checks the first bytes of a qcow2 file of fileSize bytes. An image
// that refers to other files (a backing or data file) is refused: it would
// let its author read files of this host.
func parseHeader(b []byte, fileSize int64) (header, error) {
	be := binary.BigEndian
	bad := func(format string, args ...any) (header, error) {
		return header{}, fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	if len(b) < headerLenV2 || be.Uint32(b) != magic {
		return bad("no qcow2 header")
	}
	var incompat uint64
	switch version := be.Uint32(b[4:]); version {
	case 2:
	case 3:
		if len(b) < headerLen || be.Uint32(b[offHeaderLen:]) < headerLen {
			return bad("its header is cut off")
		}
		incompat = be.Uint64(b[offIncompat:])
	default:
		return bad("qcow version %d", version)
	}
	bits := be.Uint32(b[offClusterBits:])
	if bits < 9 || bits > 21 {
		return bad("clusters of 2^%d bytes", bits)
	}
	switch {
	case incompat&incompatCorrupt != 0:
		return bad("it is marked corrupt")
	case incompat&^incompatKnown != 0:
		return bad("it needs features %#x", incompat&^incompatKnown)
	case be.Uint64(b[offBacking:]) != 0:
		return bad("it depends on a backing file")
	case be.Uint32(b[offCrypt:]) != 0:
		return bad("it is encrypted")
	}
	size, l1, refs := be.Uint64(b[offSize:]), be.Uint64(b[offL1:]), be.Uint64(b[offRefTable:])
	entries := uint64(be.Uint32(b[offL1Size:]))
	clusterSize := uint64(1) << bits
	perEntry := clusterSize / 8 * clusterSize
	if incompat&(1<<4) != 0 {
		perEntry /= 2 // extended L2 entries have 16 bytes
	}
	switch {
	case size > 1<<62 || size/perEntry+min(size%perEntry, 1) > entries:
		return bad("its L1 table is too small for %d bytes", size)
	case !inFile(l1, entries*8, clusterSize, fileSize):
		return bad("its L1 table lies outside the file")
	case !inFile(refs, uint64(be.Uint32(b[offRefClusters:]))*clusterSize, clusterSize, fileSize):
		return bad("its reference counts lie outside the file")
	}
	h := header{Image: Image{VirtualSize: int64(size), Dirty: incompat&incompatDirty != 0}}
	if be.Uint32(b[offSnapshots:]) == 0 { // a snapshot's memory lies behind the disk
		h.capacity = int64(min(entries, uint64(MaxSize)/perEntry) * perEntry)
	}
	return h, nil
}

func inFile(at, length, clusterSize uint64, fileSize int64) bool {
	end := at + length
	return at != 0 && at%clusterSize == 0 && end >= at && end <= uint64(fileSize)
}

func readHeader(f *os.File) (header, error) {
	info, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	b := make([]byte, headerLen)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	return parseHeader(b[:n], info.Size())
}
