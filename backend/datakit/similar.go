package datakit

import (
	"bytes"

	"github.com/go-git/go-git/v5/plumbing"
)

// git's scale of similarity: what two versions share, of the larger one.
const (
	fullScore    = 60_000
	renameScore  = fullScore / 2     // a file is the renamed other one
	sameName     = fullScore * 3 / 4 // wanted of one that was only matched by its name
	maxCompared  = 8 << 20           // bytes of a file
	maxComparing = 256 << 20         // bytes read for one merge
)

// pieces are the parts of a file, lines or 64 bytes, counted by a hash of them
// in bytes. The hash is git's: what collides there has to collide here.
type pieces struct {
	size   int64
	bytes  map[uint32]int64
	tooBig bool
}

func cutPieces(data []byte) pieces {
	p := pieces{size: int64(len(data)), bytes: map[uint32]int64{}}
	text := bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0
	var a, b uint32
	n := int64(0)
	for i, c := range data {
		if text && c == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			continue
		}
		a, b = a<<7^b>>25, b<<7^a>>25
		a += uint32(c)
		if n++; n < 64 && c != '\n' {
			continue
		}
		p.bytes[(a+b*0x61)%107927] += n
		n, a, b = 0, 0, 0
	}
	// A rest without a newline does not count, as in git 2.39.
	return p
}

// similarity is what git's estimate gives, 0 to fullScore.
func similarity(old, new pieces) int {
	larger, smaller := max(old.size, new.size), min(old.size, new.size)
	if larger*(fullScore-renameScore) < (larger-smaller)*fullScore || new.size == 0 {
		return 0
	}
	shared := int64(0)
	for h, n := range old.bytes {
		shared += min(n, new.bytes[h])
	}
	return int(shared * fullScore / larger)
}

// comparer reads the files to compare, each once.
type comparer struct {
	r    objectReader
	seen map[Hash]pieces
	room int64
}

func (c *comparer) pieces(h Hash) (pieces, error) {
	if p, ok := c.seen[h]; ok {
		return p, nil
	}
	size, err := blobSize(c.r, h)
	if err != nil {
		return pieces{}, damagedIfMissing(err)
	}
	p := pieces{tooBig: true}
	if size <= maxCompared && size <= c.room {
		data, err := c.r.object(h, plumbing.BlobObject)
		if err != nil {
			return pieces{}, damagedIfMissing(err)
		}
		c.room -= size
		p = cutPieces(data)
	}
	c.seen[h] = p
	return p, nil
}

// score compares two files; sure is false when they are too large to.
func (c *comparer) score(old, new node) (score int, sure bool, err error) {
	if !old.mode.isRegular() || !new.mode.isRegular() {
		return 0, true, nil
	}
	a, err := c.pieces(old.hash)
	if err != nil {
		return 0, false, err
	}
	b, err := c.pieces(new.hash)
	if err != nil || a.tooBig || b.tooBig {
		return 0, false, err
	}
	return similarity(a, b), true, nil
}
