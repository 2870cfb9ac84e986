package datakit

import (
	"cmp"
	"slices"
	"strings"
)

// Renames, as git's merge sees them: a file that one side removed and a similar
// one that it added. They matter where the other side changed the file that was
// removed, and for directories that moved. git finds them in three rounds: equal
// content; the same name, at least 75 % similar; any name, at least 50 %. What
// it picks among equally good ones depends on the order in which it walks; there
// we do not choose but leave a conflict. A file that one side added to a directory
// that the other moved is a conflict in both; we are stricter there: such a directory
// counts as moved if any of its files did. We are less strict where one side only
// moved a file that the other removed: see follow.

const (
	whyMoved   = "Changed on one branch, moved on the other in a way that is not clear"
	whyMoveTwo = "Moved to different places"
	whyMoveDir = "Added to a directory that the other branch moved"
)

var emptyBlob = hashOf(3, nil)

// maxMatrix bounds the pairs of files that are compared.
const maxMatrix = 250_000

// renames of one side.
type renames struct {
	to     map[string]string // from the old path to the new one
	unsure map[string]bool   // old paths that several new ones could be, or that were not compared
}

// followRenames moves what one side did to a file to where the other side moved
// it.
func (m merger) followRenames(t *threeTrees, virtual bool) error {
	c := &comparer{r: m.b, seen: map[Hash]pieces{}, room: maxComparing}
	var found [3]renames
	for side := 1; side <= 2; side++ {
		moved, err := m.movedDirs(t, side)
		if err != nil {
			return err
		}
		if found[side], err = c.detect(t, side, moved); err != nil {
			return err
		}
		if virtual {
			continue
		}
		for dir, added := range moved {
			for old, now := range found[side].to {
				if inDir(old, dir) && !inDir(now, dir) {
					for _, p := range added {
						p.why = whyMoveDir
					}
				}
			}
			for old := range found[side].unsure {
				if inDir(old, dir) {
					for _, p := range added {
						p.why = whyMoveDir
					}
				}
			}
		}
	}
	for _, path := range t.paths() {
		old := t.at[path]
		if old.n[0].absent() {
			continue
		}
		for side := 1; side <= 2; side++ {
			if found[side].unsure[path] && old.n[3-side] != old.n[0] {
				old.why = whyMoved
			}
		}
		t.follow(old, found[1].to[path], found[2].to[path])
	}
	return nil
}

// follow applies the renames of one file by both sides ("": none).
func (t *threeTrees) follow(old *mergePath, one, two string) {
	switch {
	case one == "" && two == "":
		return
	case one != "" && one == two:
		now := t.at[one]
		now.n[0], old.n = old.n[0], [3]node{}
		return
	case one != "" && two != "":
		t.at[one].why, t.at[two].why = whyMoveTwo, whyMoveTwo
		old.n = [3]node{}
		return
	}
	side, to := 1, one
	if one == "" {
		side, to = 2, two
	}
	now, other := t.at[to], 3-side
	switch {
	case old.n[other] == old.n[0]:
		return // the other side left it alone: removed here, added there
	case old.n[other].absent() && now.n[side] != old.n[0]:
		now.why = whyDeleted
	case old.n[other].absent():
		// Moved here, removed there: git says conflict, but to a store of keys
		// and values the two have nothing to do with each other, and DataKit
		// keeps what was added.
	case !now.n[other].absent():
		now.why = whyAdded
	case old.n[other].mode.isRegular() != now.n[side].mode.isRegular():
		now.why = whyBoth
	default:
		now.n[0], now.n[other] = old.n[0], old.n[other]
	}
	old.n = [3]node{}
}

func inDir(path, dir string) bool { return strings.HasPrefix(path, dir+"/") }

// movedDirs returns the directories that are gone on a side, where the other
// side added files, with those.
func (m merger) movedDirs(t *threeTrees, side int) (map[string][]*mergePath, error) {
	removed := map[string]bool{} // directories that lost a file on side
	for path, p := range t.at {
		if !p.n[0].absent() && p.n[side].absent() {
			for dir := parentDir(path); dir != "" && !removed[dir]; dir = parentDir(dir) {
				removed[dir] = true
			}
		}
	}
	moved := map[string][]*mergePath{}
	if len(removed) == 0 {
		return moved, nil
	}
	gone := map[string]bool{}
	for path, p := range t.at {
		if !p.n[0].absent() || p.n[3-side].absent() {
			continue
		}
		for dir := parentDir(path); dir != ""; dir = parentDir(dir) {
			if !removed[dir] {
				continue
			}
			is, asked := gone[dir]
			if !asked {
				at, err := find(m.b, t.trees[side], dir)
				if err != nil {
					return nil, err
				}
				is = !at.mode.IsDir()
				gone[dir] = is
			}
			if is {
				moved[dir] = append(moved[dir], p)
			}
		}
	}
	return moved, nil
}

// detect finds the renames of one side. Whether files of moved directories take
// part in it can change what the others are paired with; where it does, those are
// unsure.
func (c *comparer) detect(t *threeTrees, side int, moved map[string][]*mergePath) (renames, error) {
	var from, to []*mergePath
	relevant, also := map[string]bool{}, map[string]bool{}
	for _, path := range t.paths() {
		p := t.at[path]
		switch {
		case p.n[0].absent() && !p.n[side].absent() && p.n[side].hash != emptyBlob:
			to = append(to, p)
		case !p.n[0].absent() && p.n[side].absent() && p.n[0].hash != emptyBlob:
			from = append(from, p)
			if p.n[3-side] != p.n[0] {
				relevant[path] = true
			}
			for dir := range moved {
				if inDir(path, dir) {
					also[path] = true
				}
			}
		}
	}
	none := renames{to: map[string]string{}, unsure: map[string]bool{}}
	if len(from) == 0 || len(to) == 0 || len(relevant)+len(also) == 0 {
		return none, nil
	}
	r, err := c.match(from, to, side, relevant)
	if err != nil || len(also) == 0 {
		return r, err
	}
	for path := range relevant {
		also[path] = true
	}
	wide, err := c.match(from, to, side, also)
	for path := range relevant {
		if wide.to[path] != r.to[path] {
			wide.unsure[path] = true
			delete(wide.to, path)
		}
	}
	return wide, err
}

// matcher pairs removed files with added ones.
type matcher struct {
	*comparer
	side     int
	relevant map[string]bool
	renames
	used map[string]bool // added paths that have a partner
}

func (c *comparer) match(from, to []*mergePath, side int, relevant map[string]bool) (renames, error) {
	m := matcher{c, side, relevant, renames{map[string]string{}, map[string]bool{}}, map[string]bool{}}
	if certain := m.exact(from, to); !certain {
		for path := range relevant {
			if m.to[path] == "" {
				m.unsure[path] = true
			}
		}
		return m.renames, nil
	}
	if err := m.byName(from, to); err != nil {
		return m.renames, err
	}
	return m.renames, m.byContent(from, to)
}

func (m *matcher) pair(old, now *mergePath) {
	m.to[old.path] = now.path
	m.used[now.path] = true
}

// exact pairs files of equal content. certain is false if it is not clear which
// of the added files have a partner.
func (m *matcher) exact(from, to []*mergePath) (certain bool) {
	type key struct {
		hash Hash
		mode Mode // of what is not a regular file
	}
	keyOf := func(n node) key {
		if n.mode.isRegular() {
			return key{hash: n.hash}
		}
		return key{n.hash, n.mode}
	}
	olds, news := map[key][]*mergePath{}, map[key][]*mergePath{}
	for _, p := range from {
		olds[keyOf(p.n[0])] = append(olds[keyOf(p.n[0])], p)
	}
	for _, p := range to {
		news[keyOf(p.n[m.side])] = append(news[keyOf(p.n[m.side])], p)
	}
	certain = true
	for k, now := range news {
		old := olds[k]
		switch byName := namesakes(old, now); {
		case len(old) == 0:
		case len(old) == 1 && len(now) == 1:
			m.pair(old[0], now[0])
		case byName != nil:
			for i, p := range now {
				m.pair(byName[i], p)
			}
		default:
			for _, p := range old {
				m.unsure[p.path] = true
			}
			for _, p := range now {
				m.used[p.path] = true
			}
			certain = certain && len(now) <= len(old)
		}
	}
	return certain
}

// namesakes returns for each added file the removed one of its name, or nil
// unless all have exactly one.
func namesakes(old, now []*mergePath) []*mergePath {
	names := map[string]*mergePath{}
	for _, p := range old {
		if names[baseName(p.path)] != nil {
			return nil
		}
		names[baseName(p.path)] = p
	}
	list := make([]*mergePath, 0, len(now))
	for _, p := range now {
		partner := names[baseName(p.path)]
		if partner == nil {
			return nil
		}
		delete(names, baseName(p.path))
		list = append(list, partner)
	}
	return list
}

// byName pairs files whose name nothing else has, or that follow other files of
// their directory.
func (m *matcher) byName(from, to []*mergePath) error {
	olds, news := map[string][]*mergePath{}, map[string][]*mergePath{}
	byPath := map[string]*mergePath{}
	for _, p := range from {
		if m.to[p.path] == "" {
			olds[baseName(p.path)] = append(olds[baseName(p.path)], p)
		}
	}
	for _, p := range to {
		byPath[p.path] = p
		if !m.used[p.path] {
			news[baseName(p.path)] = append(news[baseName(p.path)], p)
		}
	}
	guess := m.guesses()
	for _, p := range from {
		name := baseName(p.path)
		if m.to[p.path] != "" || m.unsure[p.path] || !m.relevant[p.path] || len(news[name]) == 0 {
			continue
		}
		now := news[name][0]
		if len(olds[name]) > 1 || len(news[name]) > 1 {
			dir, ok := guess[parentDir(p.path)]
			if ok && dir == nil { // several
				m.unsure[p.path] = true
				continue
			}
			if !ok || byPath[*dir+"/"+name] == nil {
				continue
			}
			now = byPath[*dir+"/"+name]
		}
		if m.used[now.path] {
			continue
		}
		score, sure, err := m.score(p.n[0], now.n[m.side])
		if err != nil {
			return err
		}
		if !sure {
			m.unsure[p.path] = true
		} else if score >= sameName {
			m.pair(p, now)
		}
	}
	return nil
}

// guesses returns where most of the renames out of a directory went; nil where
// two places have as many.
func (m *matcher) guesses() map[string]*string {
	counts := map[string]map[string]int{}
	for old, now := range m.to {
		from, to := parentDir(old), parentDir(now)
		if counts[from] == nil {
			counts[from] = map[string]int{}
		}
		counts[from][to]++
	}
	guess := map[string]*string{}
	for from, places := range counts {
		most := 0
		for to, n := range places {
			switch {
			case n > most:
				most, guess[from] = n, &to
			case n == most:
				guess[from] = nil
			}
		}
	}
	return guess
}

// candidate is a possible rename.
type candidate struct {
	old, now *mergePath
	score    int
	name     int // 1 if both have one name
}

func compareCandidates(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.name, a.name))
}

// byContent pairs what is left, the most similar first. git keeps four
// candidates for each added file.
func (m *matcher) byContent(from, to []*mergePath) error {
	var olds []*mergePath
	for _, p := range from {
		if m.relevant[p.path] && m.to[p.path] == "" && !m.unsure[p.path] {
			olds = append(olds, p)
		}
	}
	tooMany := len(olds)*(len(to)-len(m.used)) > maxMatrix
	var all []candidate
	for _, now := range to {
		if m.used[now.path] {
			continue
		}
		var best []candidate
		for _, old := range olds {
			if tooMany {
				m.unsure[old.path] = true
				continue
			}
			score, sure, err := m.score(old.n[0], now.n[m.side])
			if err != nil {
				return err
			}
			if !sure {
				m.unsure[old.path] = true
				continue
			}
			c := candidate{old, now, score, 0}
			if baseName(old.path) == baseName(now.path) {
				c.name = 1
			}
			if score >= renameScore {
				best = append(best, c)
			}
		}
		slices.SortStableFunc(best, compareCandidates)
		for i := 4; i < len(best); i++ {
			if compareCandidates(best[i], best[3]) == 0 {
				m.unsure[best[i].old.path] = true
			}
		}
		all = append(all, best[:min(4, len(best))]...)
	}
	slices.SortStableFunc(all, compareCandidates)
	m.greedy(all)
	return nil
}

// greedy takes candidates in order; equally good ones that exclude each other
// are unsure.
func (m *matcher) greedy(all []candidate) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && compareCandidates(all[0], all[n]) == 0 {
			n++
		}
		open := slices.DeleteFunc(slices.Clone(all[:n]), func(c candidate) bool {
			return m.to[c.old.path] != "" || m.used[c.now.path]
		})
		olds, news := map[string]int{}, map[string]int{}
		for _, c := range open {
			olds[c.old.path]++
			news[c.now.path]++
		}
		for _, c := range open {
			if olds[c.old.path] > 1 || news[c.now.path] > 1 {
				m.unsure[c.old.path] = true
				m.used[c.now.path] = true
			}
		}
		for _, c := range open {
			if !m.unsure[c.old.path] && !m.used[c.now.path] {
				m.pair(c.old, c.now)
			}
		}
		all = all[n:]
	}
}
