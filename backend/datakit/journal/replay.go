package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// ErrDamaged: records that were durable cannot be read any more.
var ErrDamaged = errors.New("the journal is damaged")

const (
	prefix     = "journal-"
	maxSegment = 1 << 30 // bytes that are read into memory at a time
)

// Record is one record that was read back.
type Record struct {
	Seq  uint64
	Boot string // id of the boot of the system that wrote it, "" if unknown
	Data []byte // valid during the call only
}

// Replay reads the journal in dir, which nobody may write to meanwhile, and calls f
// for each record after the last checkpoint, in order. It returns the highest number
// in use, 0 for none. Errors: f's; ErrDamaged when a record is missing that must
// have been durable.
func Replay(dir string, f func(Record) error) (last uint64, err error) {
	segments, err := list(dir)
	if err != nil {
		return 0, err
	}
	done := uint64(0) // the last checkpoint
	for _, s := range segments {
		done = max(done, s.done)
		_, err := s.read(dir, func(f frame) error {
			if f.kind == kindCheckpoint && len(f.data) == 8 {
				done = max(done, le.Uint64(f.data))
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	for i, s := range segments {
		if i > 0 && s.prev != last && s.prev > done {
			return last, fmt.Errorf("%w: records %d to %d cannot be read", ErrDamaged, last+1, s.prev)
		}
		end, err := s.read(dir, func(fr frame) error {
			if fr.kind != kindData || fr.seq <= done {
				return nil
			}
			return f(Record{Seq: fr.seq, Boot: s.boot, Data: fr.data})
		})
		if err != nil {
			return last, err
		}
		last = max(last, end)
	}
	return max(last, done), nil
}

// found is a segment file with a valid header.
type found struct {
	header
	name string
}

// list returns the segments that were begun, in order.
func list(dir string) ([]found, error) {
	names, err := segmentNames(dir)
	if err != nil {
		return nil, err
	}
	var all []found
	for _, name := range names {
		h, ok, err := readHeader(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		if ok {
			all = append(all, found{h, name})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].first < all[j].first })
	return all, nil
}

func segmentNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func readHeader(path string) (header, bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, false, err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	if n, _ := f.ReadAt(b, 0); n < headerSize {
		return header{}, false, nil // cut short when it was made
	}
	h, ok := decodeHeader(b)
	return h, ok, nil
}

// read calls f for each record and returns the number of the last, or of the one
// before the segment if it has none.
func (s found) read(dir string, f func(frame) error) (last uint64, err error) {
	path := filepath.Join(dir, s.name)
	if info, err := os.Stat(path); err != nil || info.Size() > maxSegment {
		return 0, errors.Join(err, fmt.Errorf("read journal: %s is not a segment: %w", s.name, ErrDamaged))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	return decodeSegment(data, f)
}

func decodeSegment(data []byte, f func(frame) error) (last uint64, err error) {
	h, ok := decodeHeader(data)
	if !ok || h.first == math.MaxUint64 {
		return 0, nil
	}
	last = h.prev
	for rest := data[headerSize:]; ; {
		var fr frame
		fr, rest, ok = decodeFrame(rest, h.first, last)
		if !ok {
			return last, nil
		}
		last = fr.seq
		if err := f(fr); err != nil {
			return last, err
		}
	}
}

// Remove deletes the journal in dir, once what it held is elsewhere.
func Remove(dir string) error {
	names, err := segmentNames(dir)
	for _, name := range names {
		err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
	}
	if err == nil && len(names) > 0 {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}
