package pack

// A delta, in git's encoding: the size of the base and of the result, seven bits
// a byte, low ones first; then commands. A byte with the top bit set copies from
// the base: its lower bits say which bytes of offset (4) and size (3) follow,
// size 0 meaning 64 KiB. Any other byte but 0 is a count of literal bytes.

// deltaSizes reads the two sizes at the beginning of a delta.
func deltaSizes(delta []byte) (base, result int64, rest []byte, err error) {
	base, rest, err = deltaSize(delta)
	if err == nil {
		result, rest, err = deltaSize(rest)
	}
	return base, result, rest, err
}

func deltaSize(b []byte) (int64, []byte, error) {
	v := uint64(0)
	for i := range b {
		if i == 9 {
			break
		}
		v |= uint64(b[i]&127) << (7 * i)
		if b[i] < 128 {
			return int64(v), b[i+1:], nil
		}
	}
	return 0, nil, damaged("malformed size in a delta")
}

// applyDelta makes the object that delta describes. Its size is at most limit,
// and memory is taken only when the delta names this base.
func applyDelta(base, delta []byte, limit int64) ([]byte, error) {
	want, size, delta, err := deltaSizes(delta)
	if err != nil {
		return nil, err
	}
	if want != int64(len(base)) {
		return nil, damaged("a delta against %d bytes where its base has %d", want, len(base))
	}
	if size > limit {
		return nil, ErrTooLarge
	}
	out := make([]byte, 0, size)
	for len(delta) > 0 {
		c := delta[0]
		delta = delta[1:]
		var piece []byte
		switch {
		case c >= 128:
			var offset, n int64
			if offset, n, delta, err = copyCommand(c, delta); err != nil {
				return nil, err
			}
			if offset+n > int64(len(base)) {
				return nil, damaged("a delta copies from outside of its base")
			}
			piece = base[offset : offset+n]
		case c > 0 && int(c) <= len(delta):
			piece, delta = delta[:c], delta[c:]
		default:
			return nil, damaged("malformed delta")
		}
		if int64(len(out)+len(piece)) > size {
			return nil, damaged("a delta makes more than it says")
		}
		out = append(out, piece...)
	}
	if int64(len(out)) != size {
		return nil, damaged("a delta makes less than it says")
	}
	return out, nil
}

func copyCommand(c byte, delta []byte) (offset, n int64, rest []byte, err error) {
	for i := range 7 {
		if c&(1<<i) == 0 {
			continue
		}
		if len(delta) == 0 {
			return 0, 0, nil, damaged("malformed delta")
		}
		if i < 4 {
			offset |= int64(delta[0]) << (8 * i)
		} else {
			n |= int64(delta[0]) << (8 * (i - 4))
		}
		delta = delta[1:]
	}
	if n == 0 {
		n = 64 << 10
	}
	return offset, n, delta, nil
}

func appendDeltaSize(b []byte, v int) []byte {
	for ; v > 127; v >>= 7 {
		b = append(b, byte(v)|128)
	}
	return append(b, byte(v))
}
