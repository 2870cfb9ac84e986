package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

const (
	magic      = "slipjrn\x01"
	headerSize = 128
	headSize   = 4 + 4 + 8 + 1 // of a record
	maxBoot    = 64

	kindData       = 0
	kindCheckpoint = 1
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// header is the beginning of a segment.
type header struct {
	first, prev uint64
	done        uint64 // up to it all is checkpointed
	boot        string
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	le.PutUint64(b[8:], h.first)
	le.PutUint64(b[16:], h.prev)
	copy(b[24:24+maxBoot], h.boot)
	le.PutUint64(b[24+maxBoot:], h.done)
	le.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
	return b
}

func decodeHeader(b []byte) (header, bool) {
	if len(b) < headerSize || string(b[:8]) != magic ||
		le.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], castagnoli) {
		return header{}, false
	}
	h := header{first: le.Uint64(b[8:]), prev: le.Uint64(b[16:]), done: le.Uint64(b[24+maxBoot:])}
	h.boot = string(bytes.TrimRight(b[24:24+maxBoot], "\x00"))
	return h, h.prev < h.first
}

// frame is a record whose place in the journal is not known yet.
type frame struct {
	seq  uint64
	kind byte
	sum  uint32 // of data
	data []byte
}

func (f frame) size() int64 { return headSize + int64(len(f.data)) }

// appendFrame encodes a record for the segment that begins with the number first.
func appendFrame(b []byte, first uint64, f frame) []byte {
	var head [headSize]byte
	le.PutUint32(head[0:], uint32(1+len(f.data)))
	le.PutUint32(head[4:], checksum(f.sum, first, f.seq, uint32(1+len(f.data)), f.kind))
	le.PutUint64(head[8:], f.seq)
	head[16] = f.kind
	return append(append(b, head[:]...), f.data...)
}

func checksum(sum uint32, first, seq uint64, length uint32, kind byte) uint32 {
	var b [8 + 8 + 4 + 1]byte
	le.PutUint64(b[0:], first)
	le.PutUint64(b[8:], seq)
	le.PutUint32(b[16:], length)
	b[20] = kind
	return crc32.Update(sum, castagnoli, b[:])
}

// decodeFrame reads the record at the beginning of b, which has to have a number
// above last; ok is false where the segment ends.
func decodeFrame(b []byte, first, last uint64) (f frame, rest []byte, ok bool) {
	if len(b) < headSize {
		return frame{}, nil, false
	}
	length := le.Uint32(b)
	if length == 0 || int64(length) > int64(len(b)-headSize+1) {
		return frame{}, nil, false
	}
	f.seq, f.kind = le.Uint64(b[8:]), b[16]
	end := headSize - 1 + int(length)
	f.data, rest = b[headSize:end:end], b[end:]
	if f.seq <= last || f.seq < first {
		return frame{}, nil, false
	}
	f.sum = crc32.Checksum(f.data, castagnoli)
	return f, rest, checksum(f.sum, first, f.seq, length, f.kind) == le.Uint32(b[4:])
}
