package pack

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // git's format
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/zlib"
)

// IndexOptions bound what a stranger may make us store. The zero value works.
type IndexOptions struct {
	WriteOptions
	// Has reports whether we have an object. With it, Index refuses a pack whose
	// commits, trees or tags name objects that are neither in it nor ours, so
	// that what it gives is complete as far as our own objects are.
	Has func(Hash) bool
	// MaxBytes of the pack, 0: 4 GiB. MaxObjects, 0: 8 million (about 150 bytes
	// of memory each). MaxObject is the size of the largest object, 0:
	// DefaultMaxObject. MaxContent is the sum of the sizes of all objects, which
	// bounds the time that deltas of deltas can cost, 0: 256 GiB.
	MaxBytes   int64
	MaxObjects int
	MaxObject  int64
	MaxContent int64
	// Progress is told now and then how many objects were received and how many
	// of them, later, were checked.
	Progress func(received, checked, total int)
}

// Index stores the pack that a git server or client sends, and its index, in
// dir. It reads r up to the pack's end and a little beyond.
//
// The pack is believed in nothing: every object is made, named by its content
// (content made to collide is refused as git refuses it) and looked at, and the
// pack's own check sum is compared. A thin pack, which has deltas against
// objects of ours, is completed with these, by resolve; an error of resolve
// means that we do not have one. resolve may be nil.
//
// Nothing is visible before all of it is right and, unless NoSync, durable. A
// pack without objects stores nothing and gives the zero Info. ctx is looked at
// between objects; a blocked r is for the caller to end.
func Index(ctx context.Context, r io.Reader, dir string, resolve func(Hash) (Kind, []byte, error), opt IndexOptions) (Info, error) {
	opt = opt.withDefaults()
	f, err := newPackFile(dir, opt.WriteOptions)
	if err != nil {
		return Info{}, fmt.Errorf("index pack: %w", err)
	}
	defer f.discard()
	in := &ingest{ctx: ctx, opt: opt, pack: f, resolve: resolve, byName: map[Hash]int32{}, byBase: map[Hash][]int32{}, links: map[Hash]Kind{}}
	in.src = source{file: f.tmp, limit: opt.MaxObject, cache: NewCache(64 << 20), find: in.find}
	info, err := in.run(r)
	if err != nil {
		return Info{}, fmt.Errorf("index pack: %w", err)
	}
	return info, nil
}

func (opt IndexOptions) withDefaults() IndexOptions {
	if opt.Level == 0 {
		opt.Level = 6
	}
	if opt.MaxBytes == 0 {
		opt.MaxBytes = 4 << 30
	}
	if opt.MaxObjects == 0 {
		opt.MaxObjects = 8 << 20
	}
	if opt.MaxObject == 0 {
		opt.MaxObject = DefaultMaxObject
	}
	if opt.MaxContent == 0 {
		opt.MaxContent = 256 << 30
	}
	if opt.Progress == nil {
		opt.Progress = func(int, int, int) {}
	}
	return opt
}

// ingest is one run of Index.
type ingest struct {
	ctx     context.Context
	opt     IndexOptions
	pack    *packFile
	resolve func(Hash) (Kind, []byte, error)
	src     source
	end     int64 // of the entries

	objects []received       // in the order of the pack
	byName  map[Hash]int32   // objects whose name is known
	byBase  map[Hash][]int32 // REF deltas
	deltas  []int32          // OFS deltas; by base, after receive
	known   int
	content int64
	links   map[Hash]Kind // what was named before it was seen
}

type received struct {
	hash   Hash
	offset int64
	base   int64 // OFS: offset of the base; 0: no OFS delta
	crc    uint32
	kind   Kind // 0: not known yet
}

func (in *ingest) run(r io.Reader) (Info, error) {
	trailer, err := in.receive(r)
	if err != nil {
		return Info{}, err
	}
	total := len(in.objects)
	own, err := in.seal()
	if err != nil {
		return Info{}, err
	}
	if own != trailer {
		return Info{}, damaged("its check sum is wrong")
	}
	if total == 0 {
		return Info{}, nil
	}
	if err := in.resolveDeltas(); err != nil {
		return Info{}, err
	}
	if err := in.checkLinks(); err != nil {
		return Info{}, err
	}
	if len(in.objects) > total { // a thin pack, completed
		if _, err := in.pack.tmp.WriteAt(packHeader(uint32(len(in.objects))), 0); err != nil {
			return Info{}, err
		}
		if trailer, err = in.seal(); err != nil {
			return Info{}, err
		}
	}
	if _, err := in.pack.tmp.WriteAt(trailer[:], in.end); err != nil {
		return Info{}, err
	}
	if err := in.pack.tmp.Truncate(in.end + trailerSize); err != nil {
		return Info{}, err
	}
	entries := make([]indexEntry, len(in.objects))
	for i, o := range in.objects {
		entries[i] = indexEntry{hash: o.hash, crc: o.crc, offset: o.offset}
	}
	return in.pack.finish(entries, trailer)
}

// counted notes how much was read, and refuses to read more than left.
type counted struct {
	r       io.Reader
	n, left int64
}

func (c *counted) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("a pack of more than %d bytes: %w", c.n, ErrTooLarge)
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.n += int64(n)
	c.left -= int64(n)
	return n, err
}

// receive copies the pack into the file, and names the objects that are whole.
func (in *ingest) receive(r io.Reader) (trailer Hash, err error) {
	from := &counted{r: r, left: in.opt.MaxBytes}
	i := &inflater{buf: bufio.NewReaderSize(io.TeeReader(from, in.pack.tmp), 64<<10)}
	head, err := i.buf.Peek(headerSize)
	if err != nil {
		return trailer, cutShort(err)
	}
	count, err := parsePackHeader(head)
	if err != nil {
		return trailer, err
	}
	if int64(count) > int64(in.opt.MaxObjects) {
		return trailer, fmt.Errorf("a pack of %d objects: %w", count, ErrTooLarge)
	}
	_, _ = i.buf.Discard(headerSize)
	for n := range int(count) {
		if err := in.ctx.Err(); err != nil {
			return trailer, err
		}
		if err := in.receiveOne(i, from.n-int64(i.buf.Buffered())); err != nil {
			return trailer, fmt.Errorf("object %d: %w", n+1, cutShort(err))
		}
		if n%1024 == 0 || n == int(count)-1 {
			in.opt.Progress(n+1, 0, int(count))
		}
	}
	in.end = from.n - int64(i.buf.Buffered())
	in.src.end = in.end
	if _, err := io.ReadFull(i.buf, trailer[:]); err != nil {
		return trailer, cutShort(err)
	}
	return trailer, nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it is cut short: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func (in *ingest) receiveOne(i *inflater, offset int64) error {
	b, err := i.buf.Peek(maxEntryHeader) // the trailer follows, but it may be shorter
	if err != nil && !(errors.Is(err, io.EOF) && len(b) > 0) {
		return err
	}
	h, err := parseEntryHeader(b)
	if err != nil {
		return err
	}
	_, _ = i.buf.Discard(h.len)
	data, err := i.all(h.size, in.opt.MaxObject)
	if err != nil {
		return err
	}
	n := int32(len(in.objects))
	o := received{offset: offset}
	switch h.kind {
	case kindOFS:
		if o.base = offset - h.back; o.base < headerSize {
			return damaged("a delta whose base is before the pack")
		}
		in.deltas = append(in.deltas, n)
	case kindREF:
		in.byBase[h.base] = append(in.byBase[h.base], n)
	}
	in.objects = append(in.objects, o)
	if h.delta() {
		return nil
	}
	return in.know(n, h.kind, data)
}

// know gives an object its name and looks at its content.
func (in *ingest) know(n int32, kind Kind, data []byte) error {
	name, ok := strictHash(kind, data)
	if !ok {
		return damaged("object %s was made to collide with another", name)
	}
	if _, twice := in.byName[name]; twice {
		return damaged("object %s is there twice", name)
	}
	if in.content += int64(len(data)); in.content > in.opt.MaxContent {
		return fmt.Errorf("content of more than %d bytes: %w", in.opt.MaxContent, ErrTooLarge)
	}
	in.objects[n].hash, in.objects[n].kind = name, kind
	in.byName[name] = n
	in.known++
	if err := in.look(kind, data); err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	return nil
}

// find gives where an object with a known name begins.
func (in *ingest) find(h Hash) (int64, error) {
	n, ok := in.byName[h]
	if !ok {
		return 0, ErrNotExist
	}
	return in.objects[n].offset, nil
}

// seal reads the whole file: it notes the CRC of every entry and gives the
// check sum.
func (in *ingest) seal() (Hash, error) {
	all := sha1.New()
	from := bufio.NewReaderSize(&readAt{file: in.pack.tmp, end: in.end}, 256<<10)
	if _, err := io.CopyN(all, from, headerSize); err != nil {
		return Hash{}, err
	}
	for i := range in.objects {
		end := in.end
		if i+1 < len(in.objects) {
			end = in.objects[i+1].offset
		}
		crc := crc32.NewIEEE()
		if _, err := io.CopyN(io.MultiWriter(all, crc), from, end-in.objects[i].offset); err != nil {
			return Hash{}, err
		}
		in.objects[i].crc = crc.Sum32()
		if i%1024 == 0 && in.ctx.Err() != nil {
			return Hash{}, in.ctx.Err()
		}
	}
	return sum(all), nil
}

// resolveDeltas makes all deltas, beginning with those whose bases are whole.
// Each is made soon after its base, while that is in the cache.
func (in *ingest) resolveDeltas() error {
	slices.SortFunc(in.deltas, func(a, b int32) int { return cmp.Compare(in.objects[a].base, in.objects[b].base) })
	total := len(in.objects)
	var bases []int32
	for n := range in.objects {
		if in.objects[n].kind != 0 {
			bases = append(bases, int32(n))
		}
	}
	slices.Reverse(bases)
	if err := in.resolveFrom(bases, total); err != nil {
		return err
	}
	if in.known < total {
		added, err := in.complete()
		if err != nil {
			return err
		}
		if err := in.resolveFrom(added, total); err != nil {
			return err
		}
	}
	if in.known < len(in.objects) {
		return damaged("%d deltas without a base", len(in.objects)-in.known)
	}
	return nil
}

// resolveFrom makes all that depend on bases, which is a stack.
func (in *ingest) resolveFrom(bases []int32, total int) error {
	for done := 0; len(bases) > 0; {
		base := bases[len(bases)-1]
		bases = bases[:len(bases)-1]
		o := in.objects[base]
		first, _ := slices.BinarySearchFunc(in.deltas, o.offset, func(n int32, at int64) int { return cmp.Compare(in.objects[n].base, at) })
		last := first
		for last < len(in.deltas) && in.objects[in.deltas[last]].base == o.offset {
			last++
		}
		for _, list := range [][]int32{in.deltas[first:last], in.byBase[o.hash]} {
			for _, n := range list {
				if err := in.ctx.Err(); err != nil {
					return err
				}
				kind, data, err := in.src.object(in.objects[n].offset)
				if err == nil {
					err = in.know(n, kind, data)
				}
				if err != nil {
					return err
				}
				bases = append(bases, n)
				if done++; done%1024 == 0 {
					in.opt.Progress(total, in.known, total)
				}
			}
		}
	}
	in.opt.Progress(total, min(in.known, total), total)
	return nil
}

// complete appends those bases of a thin pack that are ours.
func (in *ingest) complete() (added []int32, err error) {
	var missing []Hash
	for h := range in.byBase {
		if _, ok := in.byName[h]; !ok {
			missing = append(missing, h)
		}
	}
	slices.SortFunc(missing, func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, in.opt.Level)
	if err != nil {
		return nil, err
	}
	for _, h := range missing {
		if in.resolve == nil {
			return nil, damaged("a delta against object %s, which is not in it", h)
		}
		kind, data, err := in.resolve(h)
		if err != nil {
			// May be a delta's own result that waits for another base of ours.
			continue
		}
		if hashObject(kind, data) != h {
			return nil, fmt.Errorf("object %s of ours: the content does not have this name", h)
		}
		if len(in.objects) >= in.opt.MaxObjects {
			return nil, fmt.Errorf("a pack of more than %d objects: %w", in.opt.MaxObjects, ErrTooLarge)
		}
		out.Reset()
		var head [maxEntryHeader]byte
		out.Write(appendEntryHeader(head[:0], kind, int64(len(data)), 0))
		z.Reset(&out)
		if _, err := z.Write(data); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		if _, err := in.pack.tmp.WriteAt(out.Bytes(), in.end); err != nil {
			return nil, err
		}
		n := int32(len(in.objects))
		in.objects = append(in.objects, received{hash: h, offset: in.end, kind: kind})
		in.byName[h] = n
		in.known++
		in.end += int64(out.Len())
		in.src.end = in.end
		added = append(added, n)
	}
	return added, nil
}
