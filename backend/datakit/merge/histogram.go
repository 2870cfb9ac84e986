package merge

import "math"

// maxOccurrences is how often a line may occur to be a point to split at.
const maxOccurrences = 64

// histogram compares two texts as git's (and JGit's) histogram diff does: find
// the longest run of equal lines among those around the rarest line, and go on
// on both sides of it.
type histogram struct {
	a, b  *side
	steps *int
}

// region marks the changed lines of a part of both texts: na lines of a from
// line a on, nb of b.
func (h *histogram) region(a, na, b, nb int) {
	for *h.steps >= 0 {
		switch {
		case na <= 0 && nb <= 0:
			return
		case na <= 0:
			h.b.markAll(b, nb)
			return
		case nb <= 0:
			h.a.markAll(a, na)
			return
		}
		run, found, hopeless := h.anchor(a, na, b, nb)
		switch {
		case hopeless: // all that is common occurs too often
			myers(h.a, a, na, h.b, b, nb, h.steps)
			return
		case !found:
			h.a.markAll(a, na)
			h.b.markAll(b, nb)
			return
		}
		h.region(a, run.a-a, b, run.b-b)
		endA, endB := run.a+run.n, run.b+run.n
		a, na = endA, a+na-endA
		b, nb = endB, b+nb-endB
	}
}

// run is a run of n equal lines.
type run struct{ a, b, n int }

// index is where each line of a part of a occurs.
type index struct {
	first map[int32]int // line of the first occurrence, by class
	count map[int32]int
	next  []int // of the next occurrence after line i at i-shift, or -1
	shift int
}

func (h *histogram) index(a, na int) index {
	x := index{make(map[int32]int, na), make(map[int32]int, na), make([]int, na), a}
	for i := a + na - 1; i >= a; i-- {
		c := h.a.class[i]
		if n, ok := x.first[c]; ok {
			x.next[i-a] = n
		} else {
			x.next[i-a] = -1
		}
		x.first[c] = i
		x.count[c]++
	}
	return x
}

// anchor finds the run to split at.
func (h *histogram) anchor(a, na, b, nb int) (best run, found, hopeless bool) {
	x := h.index(a, na)
	*h.steps -= 4*na + nb
	rarest := maxOccurrences + 1
	common := false
	for j := b; j < b+nb && *h.steps >= 0; {
		next := j + 1
		class := h.b.class[j]
		i, ok := x.first[class]
		if !ok {
			j = next
			continue
		}
		common = true
		if x.count[class] > rarest {
			j = next
			continue
		}
		for i >= 0 {
			after := x.next[i-a]
			r, rare := h.grow(x, i, j, a, na, b, nb)
			next = max(next, r.b+r.n)
			// git compares the distances between first and last line.
			if best.n < r.n && (found || r.n > 1) || rare < rarest {
				best, rarest, found = r, rare, true
			}
			for after >= 0 && after < r.a+r.n {
				after = x.next[after-a]
			}
			i = after
		}
		j = next
	}
	return best, found, common && rarest > maxOccurrences
}

// grow returns the run of equal lines around line i of a and j of b, and how
// often its rarest line occurs.
func (h *histogram) grow(x index, i, j, a, na, b, nb int) (run, int) {
	ca, cb := h.a.class, h.b.class
	rare := x.count[ca[i]]
	lo, n := 0, 1
	for i-lo > a && j-lo > b && ca[i-lo-1] == cb[j-lo-1] {
		lo++
		if rare > 1 {
			rare = min(rare, x.count[ca[i-lo]])
		}
	}
	for i+n < a+na && j+n < b+nb && ca[i+n] == cb[j+n] {
		if rare > 1 {
			rare = min(rare, x.count[ca[i+n]])
		}
		n++
	}
	*h.steps -= lo + n
	return run{i - lo, j - lo, lo + n}, min(rare, math.MaxInt32)
}
