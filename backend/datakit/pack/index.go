package pack

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // git's format
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// An idx file, version 2: 8 bytes of magic and version; 256 counts of objects
// whose first byte is at most so much; names, sorted; a CRC-32 each; an offset
// each, with the top bit set when it is the number of an 8-byte offset in the
// table that follows; the pack's trailer; SHA-1 of all before.
const (
	indexMagic    = "\xfftOc\x00\x00\x00\x02"
	fanoutEnd     = int64(len(indexMagic) + 256*4)
	maxIndexCount = 1<<31 - 1
	indexInMemory = 4 << 20 // larger ones are read piece by piece
)

// indexEntry is what an index says of one object.
type indexEntry struct {
	hash   Hash
	crc    uint32
	offset int64
}

// sortEntries sorts by name, as an index wants it, and refuses doublets.
func sortEntries(entries []indexEntry) error {
	slices.SortFunc(entries, func(a, b indexEntry) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	for i := 1; i < len(entries); i++ {
		if entries[i].hash == entries[i-1].hash {
			return fmt.Errorf("object %s is there twice", entries[i].hash)
		}
	}
	return nil
}

// writeIndex writes the index of sorted entries.
func writeIndex(w io.Writer, entries []indexEntry, trailer Hash) error {
	all := sha1.New()
	out := bufio.NewWriterSize(io.MultiWriter(all, w), 64<<10)
	_, _ = out.WriteString(indexMagic) // bufio keeps the error for Flush
	var b [8]byte
	put := func(v uint32) {
		binary.BigEndian.PutUint32(b[:], v)
		_, _ = out.Write(b[:4])
	}
	n := 0
	for first := range 256 {
		for n < len(entries) && int(entries[n].hash[0]) == first {
			n++
		}
		put(uint32(n))
	}
	for i := range entries {
		_, _ = out.Write(entries[i].hash[:])
	}
	for i := range entries {
		put(entries[i].crc)
	}
	var far []int64
	for i := range entries {
		if o := entries[i].offset; o < 1<<31 {
			put(uint32(o))
		} else {
			put(1<<31 | uint32(len(far)))
			far = append(far, o)
		}
	}
	for _, o := range far {
		binary.BigEndian.PutUint64(b[:], uint64(o))
		_, _ = out.Write(b[:])
	}
	_, _ = out.Write(trailer[:])
	if err := out.Flush(); err != nil {
		return err
	}
	own := sum(all)
	_, err := w.Write(own[:])
	return err
}

// index is an open idx file: all of it when it is small, else its fan-out.
type index struct {
	fanout [256]uint32
	count  int64
	far    int64 // 8-byte offsets
	data   []byte
	file   *os.File // nil when data has all
}

// openIndex checks what can be checked without reading all: the sizes and that
// the fan-out grows.
func openIndex(path string) (*index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	x, err := loadIndex(f)
	if err != nil || x.file == nil {
		_ = f.Close()
	}
	return x, err
}

func loadIndex(f *os.File) (*index, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, min(info.Size(), fanoutEnd))
	if info.Size() <= indexInMemory {
		head = make([]byte, info.Size())
	}
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, err
	}
	x, err := parseIndex(head, info.Size())
	if err != nil {
		return nil, err
	}
	if info.Size() > indexInMemory {
		x.data, x.file = nil, f
	}
	return x, nil
}

// parseIndex reads the beginning of an idx file of the given size.
func parseIndex(head []byte, size int64) (*index, error) {
	if int64(len(head)) < fanoutEnd || string(head[:len(indexMagic)]) != indexMagic {
		return nil, damaged("the index is not one of version 2; `git index-pack` makes it anew")
	}
	x := &index{data: head}
	last := uint32(0)
	for i := range x.fanout {
		v := binary.BigEndian.Uint32(head[len(indexMagic)+4*i:])
		if v < last || v > maxIndexCount {
			return nil, damaged("the index's counts do not grow")
		}
		x.fanout[i], last = v, v
	}
	x.count = int64(last)
	rest := size - fanoutEnd - x.count*28 - 2*trailerSize
	if rest < 0 || rest%8 != 0 || rest/8 > x.count {
		return nil, damaged("an index of %d bytes for %d objects", size, x.count)
	}
	x.far = rest / 8
	return x, nil
}

// at gives n bytes of the file, in buf if they have to be read.
func (x *index) at(offset int64, n int, buf []byte) ([]byte, error) {
	if x.file == nil {
		return x.data[offset : offset+int64(n)], nil
	}
	_, err := x.file.ReadAt(buf[:n], offset)
	return buf[:n], err
}

func (x *index) name(i int64) int64 { return fanoutEnd + i*20 }

// find returns the place of h among the names, or -1. Names are as good as
// random numbers, so a guess by proportion lands within a few dozen of the
// place; a window of that size is looked at, moved until it holds h's place.
func (x *index) find(h Hash) (int64, error) {
	low, high := int64(0), int64(x.fanout[h[0]])
	if h[0] > 0 {
		low = int64(x.fanout[h[0]-1])
	}
	const window = 50
	var buf [window * 20]byte
	part := float64(binary.BigEndian.Uint32(h[1:])) / (1 << 32)
	guess := low + int64(part*float64(high-low))
	for low < high {
		from := max(low, min(guess-window/2, high-window))
		n := min(high-from, window)
		b, err := x.at(x.name(from), int(n)*20, buf[:])
		if err != nil {
			return -1, err
		}
		i, found := findName(b, h)
		switch {
		case found:
			return from + int64(i), nil
		case i == 0:
			high = from
		case i == int(n):
			low = from + n
		default:
			return -1, nil
		}
		guess = low + (high-low)/2 // whoever made the names not random gets log time
	}
	return -1, nil
}

// findName looks for h in sorted names: where it is, or would be.
func findName(names []byte, h Hash) (int, bool) {
	low, high := 0, len(names)/20
	for low < high {
		mid := (low + high) / 2
		switch c := bytes.Compare(names[mid*20:mid*20+20], h[:]); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// offset returns where the i-th object begins. Only the pack can tell whether
// that is so.
func (x *index) offset(i int64) (int64, error) {
	var buf [8]byte
	b, err := x.at(fanoutEnd+x.count*24+i*4, 4, buf[:])
	if err != nil {
		return 0, err
	}
	v := int64(binary.BigEndian.Uint32(b))
	if v < 1<<31 {
		return v, nil
	}
	v &= 1<<31 - 1
	if v >= x.far {
		return 0, damaged("the index points outside of itself")
	}
	if b, err = x.at(fanoutEnd+x.count*28+v*8, 8, buf[:]); err != nil {
		return 0, err
	}
	far := int64(binary.BigEndian.Uint64(b))
	if far < 0 {
		return 0, damaged("the index points outside of the pack")
	}
	return far, nil
}

// all lists the entries in the order of names.
func (x *index) all() iter.Seq2[indexEntry, error] {
	return func(yield func(indexEntry, error) bool) {
		const chunk = 1024
		var names, crcs [chunk * 20]byte
		for from := int64(0); from < x.count; from += chunk {
			n := min(chunk, x.count-from)
			b, err := x.at(x.name(from), int(n)*20, names[:])
			var c []byte
			if err == nil {
				c, err = x.at(fanoutEnd+x.count*20+from*4, int(n)*4, crcs[:])
			}
			for i := int64(0); i < n && err == nil; i++ {
				e := indexEntry{hash: Hash(b[i*20 : i*20+20]), crc: binary.BigEndian.Uint32(c[i*4:])}
				if e.offset, err = x.offset(from + i); err == nil && !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(indexEntry{}, err)
				return
			}
		}
	}
}

func (x *index) close() error {
	if x.file == nil {
		return nil
	}
	return x.file.Close()
}
