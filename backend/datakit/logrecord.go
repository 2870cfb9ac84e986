package datakit

import (
	"encoding/binary"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// update is a change of one branch; the zero Hash is "no branch".
type update struct {
	branch   string
	old, new Hash
}

// logRecord is what the journal holds of one change: branches, and the objects
// that are new with it, each after those it refers to. A record without updates
// says that all up to flushed is in git's view.
type logRecord struct {
	updates []update
	objects []newObject
	flushed uint64
}

// The kinds of record, the first byte. Numbers are varints, names and contents have
// their length before them, hashes 20 bytes.
const (
	recordChange  = 1 // count, {branch, old, new}…, count, {kind, content}…
	recordFlushed = 2 // number
)

func (r logRecord) encode() []byte {
	if len(r.updates) == 0 {
		return binary.AppendUvarint([]byte{recordFlushed}, r.flushed)
	}
	size := 16
	for _, u := range r.updates {
		size += 50 + len(u.branch)
	}
	for _, o := range r.objects {
		size += 11 + len(o.data)
	}
	b := make([]byte, 0, size)
	b = append(b, recordChange)
	b = binary.AppendUvarint(b, uint64(len(r.updates)))
	for _, u := range r.updates {
		b = binary.AppendUvarint(b, uint64(len(u.branch)))
		b = append(b, u.branch...)
		b = append(b, u.old[:]...)
		b = append(b, u.new[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.objects)))
	for _, o := range r.objects {
		b = append(b, byte(o.kind))
		b = binary.AppendUvarint(b, uint64(len(o.data)))
		b = append(b, o.data...)
	}
	return b
}

// decodeLogRecord reads what encode wrote. The contents share data.
func decodeLogRecord(data []byte) (logRecord, error) {
	d := recordDecoder{rest: data}
	var r logRecord
	switch kind := d.bytes(1); {
	case len(kind) == 1 && kind[0] == recordFlushed:
		r.flushed = d.number()
	case len(kind) == 1 && kind[0] == recordChange:
		for n := d.number(); n > 0 && !d.bad; n-- {
			u := update{branch: string(d.bytes(d.number()))}
			copy(u.old[:], d.bytes(20))
			copy(u.new[:], d.bytes(20))
			if checkBranch(u.branch) != nil {
				d.bad = true
			}
			r.updates = append(r.updates, u)
		}
		for n := d.number(); n > 0 && !d.bad; n-- {
			r.objects = append(r.objects, d.object())
		}
		d.bad = d.bad || len(r.updates) == 0
	default:
		d.bad = true
	}
	if d.bad || len(d.rest) > 0 {
		return logRecord{}, fmt.Errorf("%w: malformed record in the journal", ErrDamaged)
	}
	return r, nil
}

type recordDecoder struct {
	rest []byte
	bad  bool
}

func (d *recordDecoder) number() uint64 {
	n, used := binary.Uvarint(d.rest)
	if used <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[used:]
	return n
}

func (d *recordDecoder) bytes(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *recordDecoder) object() newObject {
	kind := d.bytes(1)
	data := d.bytes(d.number())
	if d.bad {
		return newObject{}
	}
	o := newObject{kind: plumbing.ObjectType(kind[0]), data: data}
	switch o.kind {
	case plumbing.BlobObject, plumbing.TreeObject, plumbing.CommitObject, plumbing.TagObject:
		o.hash = hashOf(o.kind, o.data)
	default:
		d.bad = true
	}
	return o
}
