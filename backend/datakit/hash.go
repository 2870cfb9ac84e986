package datakit

import (
	"encoding/hex"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// Hash is the SHA-1 name of a git object. The zero Hash names nothing: the
// head of a branch that does not exist, or an absent file.
type Hash [20]byte

// emptyTree is the name of the tree without entries. Git knows it without
// storing it, and so do we.
var emptyTree = hashOf(plumbing.TreeObject, nil)

// ParseHash reads 40 lower-case or upper-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("invalid hash %q: want %d hexadecimal digits", clip(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("invalid hash %q: want %d hexadecimal digits", clip(s), 2*len(h))
	}
	return h, nil
}

// String returns the 40 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short returns the first 10 hexadecimal digits, for messages.
func (h Hash) Short() string { return hex.EncodeToString(h[:5]) }

// IsZero reports whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes the hexadecimal digits, or nothing for the zero Hash.
func (h Hash) MarshalText() ([]byte, error) {
	if h.IsZero() {
		return []byte{}, nil
	}
	return []byte(h.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*h = Hash{}
		return nil
	}
	parsed, err := ParseHash(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}

func hashOf(kind plumbing.ObjectType, data []byte) Hash {
	return Hash(plumbing.ComputeHash(kind, data))
}

// clip shortens text from outside before it goes into a message.
func clip(s string) string {
	const limit = 80
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
