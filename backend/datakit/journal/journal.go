package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
)

// Errors to test for with errors.Is.
var (
	// ErrBroken: a sync failed; nothing can be made durable any more.
	ErrBroken = errors.New("a sync of the journal failed")
	// ErrFull: more than Options.Limit bytes wait for a checkpoint.
	ErrFull = errors.New("the journal is full")
	// ErrUndo: a batch failed, and the caller did not call Resume yet.
	ErrUndo = errors.New("a batch of the journal failed")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("the journal is closed")
)

// Options of New. The zero value works.
type Options struct {
	First   int64  // bytes of the first segment; 0: 1 MiB
	Segment int64  // bytes of later ones; 0: 8 MiB
	Limit   int64  // bytes of records that may wait for a checkpoint; 0: 64 MiB
	Boot    string // id of this boot of the system, at most 64 bytes; "": unknown
	// Fault is for tests: it is asked before "create", "write", "sync" and may
	// return the error that the operation is to fail with.
	Fault func(op, path string) error
}

// Journal is open for writing. Its methods may be called concurrently.
type Journal struct {
	dir string
	opt Options
	io  chan struct{} // holds one token: the right to touch what is below

	cur     *segment
	full    []*segment // begun before cur, not checkpointed
	spare   []*segment // of the standard size, to be used again
	created int        // number of the last segment made
	last    uint64     // number of the last record written
	done    uint64     // of the last checkpoint

	mu       sync.Mutex
	open     *batch // takes what is appended; nil when nothing waits
	next     uint64
	used     int64 // bytes in cur, full and open
	undo     bool
	failures uint64
	broken   error
	closed   bool
	syncs    uint64
}

// batch is records that are written and synced together.
type batch struct {
	frames []frame
	size   int64
	sync   bool // somebody wants it durable
	done   chan struct{}
	err    error // once done is closed
}

// New returns a journal in dir, with numbers above last (what Replay returned).
// What is in dir must have been replayed and removed. It writes nothing until the
// first record.
func New(dir string, last uint64, opt Options) *Journal {
	if opt.First == 0 {
		opt.First = 1 << 20
	}
	if opt.Segment == 0 {
		opt.Segment = 8 << 20
	}
	if opt.Limit == 0 {
		opt.Limit = 64 << 20
	}
	j := &Journal{dir: dir, opt: opt, io: make(chan struct{}, 1), last: last, next: last + 1}
	j.io <- struct{}{}
	return j
}

// Pos is the place of a record that was appended.
type Pos struct {
	Seq uint64
	j   *Journal
	b   *batch
}

// Append adds a record; data must not change from now on. It does no I/O: somebody
// has to call Wait on the result, and data is durable when that returns nil. With
// durable false, Wait only gives the record to the system, so that it outlives this
// process, but not the machine. Errors: ErrFull, ErrUndo, ErrBroken, ErrClosed.
func (j *Journal) Append(data []byte, durable bool) (Pos, error) {
	return j.append(frame{kind: kindData, data: data, sum: crc32.Checksum(data, castagnoli)}, durable)
}

func (j *Journal) append(f frame, durable bool) (Pos, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.broken != nil:
		return Pos{}, j.broken
	case j.closed:
		return Pos{}, ErrClosed
	case j.undo:
		return Pos{}, ErrUndo
	case durable && f.kind == kindData && j.used > j.opt.Limit:
		return Pos{}, ErrFull
	}
	if j.open == nil {
		j.open = &batch{done: make(chan struct{})}
	}
	f.seq = j.next
	j.next++
	b := j.open
	b.frames = append(b.frames, f)
	b.size += f.size()
	b.sync = b.sync || durable
	j.used += f.size()
	return Pos{Seq: f.seq, j: j, b: b}, nil
}

// Wait returns nil when the record, and all before it, are as durable as was asked
// for. The first who waits does the work for all that was appended until then.
func (p Pos) Wait() error {
	select {
	case <-p.b.done:
		return p.b.err
	case <-p.j.io:
	}
	defer func() { p.j.io <- struct{}{} }()
	select {
	case <-p.b.done:
		return p.b.err
	default:
	}
	p.j.flush() // p.b is the open one: others are done before the right is given back
	return p.b.err
}

// flush writes the open batch. The caller has the right to do I/O.
func (j *Journal) flush() {
	j.mu.Lock()
	b := j.open
	j.open = nil
	broken := j.broken
	j.mu.Unlock()
	if b == nil {
		return
	}
	err := broken
	if err == nil {
		err = j.write(b)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil && b.sync {
		j.syncs++
	}
	if err != nil {
		j.undo = true
		j.failures++
		if errors.Is(err, ErrBroken) {
			j.broken = err
		}
		j.used -= b.size
		if j.open != nil { // it may build on what failed
			j.used -= j.open.size
			j.open.err = err
			close(j.open.done)
			j.open = nil
		}
	}
	b.err = err
	close(b.done)
}

// write makes a batch durable, or takes it back.
func (j *Journal) write(b *batch) error {
	first := b.frames[0].seq
	if j.cur == nil || j.cur.free() < b.size {
		if err := j.rotate(first, b.size); err != nil {
			return fmt.Errorf("begin a journal segment: %w", err)
		}
	}
	s := j.cur
	buf := make([]byte, 0, b.size)
	for _, f := range b.frames {
		buf = appendFrame(buf, s.first, f)
	}
	if err := j.writeAt(s, buf, s.end); err != nil {
		err = fmt.Errorf("write journal: %w", err)
		// What was written of it must not be read back.
		_, undo := s.file.WriteAt(make([]byte, min(headSize, s.free())), s.end)
		if undo == nil {
			undo = datasync(s.file)
		}
		if undo != nil {
			return fmt.Errorf("%w: %w", ErrBroken, errors.Join(err, undo))
		}
		return err
	}
	if b.sync {
		if err := j.sync(s); err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
	s.end += b.size
	s.last = b.frames[len(b.frames)-1].seq
	j.last = s.last
	return nil
}

// rotate makes a segment current that has room for size bytes.
func (j *Journal) rotate(first uint64, size int64) error {
	need := size + headerSize
	var s *segment
	if i := slices.IndexFunc(j.spare, func(s *segment) bool { return s.size >= need }); i >= 0 {
		s = j.spare[i]
		j.spare = slices.Delete(j.spare, i, i+1)
	} else {
		standard := j.opt.Segment
		if j.created == 0 {
			standard = j.opt.First
		}
		var err error
		if s, err = j.create(max(standard, need)); err != nil {
			return err
		}
	}
	if err := j.begin(s, first); err != nil {
		j.spare = append(j.spare, s)
		return err
	}
	if j.cur != nil {
		// Records that nobody wants durable may be in it; the next sync is of
		// another file.
		if err := j.sync(j.cur); err != nil {
			j.spare = append(j.spare, s)
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		j.full = append(j.full, j.cur)
	}
	j.cur = s
	return nil
}

// Failures returns how many batches have failed.
func (j *Journal) Failures() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failures
}

// Resume says that the caller has undone what failed until Failures returned n.
func (j *Journal) Resume(n uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failures == n {
		j.undo = false
	}
}

// Checkpoint says, durably, that the records up to seq are not needed any more,
// and makes their room free.
func (j *Journal) Checkpoint(seq uint64) error {
	p, err := j.append(frame{kind: kindCheckpoint, data: le.AppendUint64(nil, seq), sum: crc32.Checksum(le.AppendUint64(nil, seq), castagnoli)}, true)
	if err != nil {
		return err
	}
	if err := p.Wait(); err != nil {
		return err
	}
	<-j.io
	defer func() { j.io <- struct{}{} }()
	j.done = max(j.done, seq)
	var errs error
	keep := j.full[:0]
	for _, s := range j.full {
		switch {
		case s.last > seq:
			keep = append(keep, s)
		case j.reusable(s):
			j.spare = append(j.spare, s)
		default:
			errs = errors.Join(errs, s.remove())
		}
	}
	j.full = keep
	if j.cur != nil && j.cur.last == p.Seq && p.Seq == seq+1 && j.reusable(j.cur) {
		// All of it is done: begin anew. Its file stays, as the record of this
		// checkpoint is in it.
		j.spare = append(j.spare, j.cur)
		j.cur = nil
	}
	used := int64(0)
	for _, s := range append(slices.Clone(keep), j.cur) {
		if s != nil {
			used += s.end
		}
	}
	j.mu.Lock()
	if j.open != nil {
		used += j.open.size
	}
	j.used = used
	j.mu.Unlock()
	return errs
}

func (j *Journal) reusable(s *segment) bool {
	return len(j.spare) < 2 && (s.size == j.opt.Segment || s.size == j.opt.First)
}

// Last returns the number of the last record appended.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - 1
}

// Used returns the bytes that wait for a checkpoint.
func (j *Journal) Used() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.used
}

// Nearly reports whether the next checkpoint should not wait: segments are full, or
// the present one is to three quarters.
func (j *Journal) Nearly() bool { return j.Used() > j.opt.Segment*3/4 }

// Syncs returns how many times the journal was synced for appended records.
func (j *Journal) Syncs() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.syncs
}

// Close ends the use of the journal. With discard, what it holds is not needed any
// more and its files are removed; else they stay for Replay.
func (j *Journal) Close(discard bool) error {
	<-j.io
	defer func() { j.io <- struct{}{} }()
	j.flush()
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	var err error
	for _, s := range append(append(slices.Clone(j.full), j.spare...), j.cur) {
		if s != nil {
			err = errors.Join(err, s.file.Close())
		}
	}
	j.cur, j.full, j.spare = nil, nil, nil
	if err == nil && discard {
		err = Remove(j.dir)
	}
	return err
}

// Result reports whether the fate of the record is known already, and it.
func (p Pos) Result() (done bool, err error) {
	select {
	case <-p.b.done:
		return true, p.b.err
	default:
		return false, nil
	}
}
