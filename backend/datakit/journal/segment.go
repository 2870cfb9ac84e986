package journal

import (
	"fmt"
	"os"
	"path/filepath"
)

// segment is an open file of the journal.
type segment struct {
	file  *os.File
	path  string
	size  int64
	first uint64 // of its present use
	last  uint64
	end   int64 // where the next record goes
}

func (s *segment) free() int64 { return s.size - s.end }

// create makes a segment of zeros, durable.
func (j *Journal) create(size int64) (*segment, error) {
	j.created++
	path := filepath.Join(j.dir, fmt.Sprint(prefix, j.created))
	if err := j.fault("create", path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s := &segment{file: f, path: path, size: size}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size && err == nil; off += int64(len(zeros)) {
		err = j.writeAt(s, zeros[:min(size-off, int64(len(zeros)))], off)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(j.dir)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return s, nil
}

// begin writes the header of a new use of the segment, for records from first on.
// It is durable before any of them: the record of the last checkpoint may be what
// they are written over.
func (j *Journal) begin(s *segment, first uint64) error {
	s.first, s.last, s.end = first, j.last, headerSize
	h := header{first: first, prev: j.last, done: j.done, boot: j.opt.Boot}
	if err := j.writeAt(s, h.encode(), 0); err != nil {
		return err
	}
	return datasync(s.file)
}

func (j *Journal) writeAt(s *segment, b []byte, off int64) error {
	if err := j.fault("write", s.path); err != nil {
		// As a full disk does: a part is written.
		_, _ = s.file.WriteAt(b[:len(b)/2], off)
		return err
	}
	_, err := s.file.WriteAt(b, off)
	return err
}

func (j *Journal) sync(s *segment) error {
	if err := j.fault("sync", s.path); err != nil {
		return err
	}
	return datasync(s.file)
}

func (j *Journal) fault(op, path string) error {
	if j.opt.Fault == nil {
		return nil
	}
	return j.opt.Fault(op, path)
}

func (s *segment) remove() error {
	err := s.file.Close()
	if e := os.Remove(s.path); err == nil {
		err = e
	}
	return err
}
