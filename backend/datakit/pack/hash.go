package pack

import (
	"crypto/sha1" //nolint:gosec // git's format
	"hash"
	"strconv"

	"github.com/pjbgf/sha1cd"
)

// newNamer starts the hash that names an object of this kind and size.
func newNamer(kind Kind, size int64) hash.Hash {
	return name(sha1.New(), kind, size)
}

// strictHash names content from a stranger: like git, it notices content that
// was made to collide with another's name, and reports it as not ok.
func strictHash(kind Kind, data []byte) (h Hash, ok bool) {
	s := name(sha1cd.New(), kind, int64(len(data)))
	_, _ = s.Write(data)
	b, collision := s.(sha1cd.CollisionResistantHash).CollisionResistantSum(nil)
	copy(h[:], b)
	return h, !collision
}

func name(s hash.Hash, kind Kind, size int64) hash.Hash {
	b := make([]byte, 0, 32)
	b = append(b, kind.Bytes()...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, size, 10)
	_, _ = s.Write(append(b, 0))
	return s
}

func sum(s hash.Hash) (h Hash) {
	s.Sum(h[:0])
	return h
}
