package tree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// modelClient does random transactions in a directory of its own, and knows what
// must be there.
type modelClient struct {
	*guest
	rng   *rand.Rand
	dir   string
	files map[string]string // of its directory, by path below it; committed
}

// TestModel lets several clients change two branches at the same time, merging
// them now and then; each keeps a plain map of what its files are. In the end, and
// after each commit of its own, a client's files must be those of its map.
func TestModel(t *testing.T) {
	w := newWorld(t, Options{})
	w.plain().put("main", "README", "here")
	const clients, rounds = 4, 25
	var all sync.WaitGroup
	models := make([]*modelClient, clients)
	for i := range clients {
		m := &modelClient{w.plain(), rand.New(rand.NewPCG(uint64(i), 7)), fmt.Sprintf("client%d", i), map[string]string{}}
		models[i] = m
		all.Go(func() {
			for round := range rounds {
				if !m.transaction(fmt.Sprintf("t%d-%d", i, round)) {
					return
				}
			}
		})
	}
	all.Wait()
	for _, m := range models {
		m.compare("branch/main/ro/"+m.dir, m.files)
	}
	equalList(t, "transactions left", models[0].ls("branch/main/transactions"))
}

// transaction does some changes, looks at them, and commits or gives up.
func (m *modelClient) transaction(name string) bool {
	x := m.begin("main", name)
	now := maps.Clone(m.files)
	if err := m.Mkdir(m.ctx, x.rw(m.dir), 0o775); err != nil && ninep.ErrnoOf(err) != ninep.EEXIST {
		m.t.Error(err)
		return false
	}
	for range 1 + m.rng.IntN(8) {
		m.change(x, now)
	}
	m.compare(x.rw(m.dir), now)
	if m.rng.IntN(4) == 0 {
		m.say(x.dir+"/ctl", "close")
	} else {
		if m.rng.IntN(4) == 0 { // what others committed meanwhile comes in
			m.say(x.dir+"/merge", m.cat("branch/main/head"))
			m.compare(x.rw(m.dir), now)
		}
		hash := x.commit()
		m.files = now
		m.compare("snapshots/"+hash+"/ro/"+m.dir, now)
	}
	m.compare("branch/main/ro/"+m.dir, m.files)
	return !m.t.Failed()
}

// change does one thing to the transaction and to the map.
func (m *modelClient) change(x tx, now map[string]string) {
	names := slices.Sorted(maps.Keys(now))
	pick := func() string { return names[m.rng.IntN(len(names))] }
	at := func(name string) string { return x.rw(m.dir + "/" + name) }
	what := m.rng.IntN(7)
	if len(names) == 0 {
		what = 0
	}
	switch what {
	case 0, 1: // write a new file or an old one
		name := fmt.Sprintf("f%d", m.rng.IntN(12))
		now[name] = strings.Repeat(string(rune('a'+m.rng.IntN(26))), m.rng.IntN(100))
		m.write(at(name), now[name])
	case 2: // write in the middle
		name, offset := pick(), m.rng.IntN(150)
		f, err := m.Open(m.ctx, at(name), ninep.WriteOnly)
		m.must(err)
		defer f.Close()
		_, err = f.WriteAt(m.ctx, []byte("middle"), int64(offset))
		m.must(err)
		b := make([]byte, max(len(now[name]), offset+6))
		copy(b, now[name])
		copy(b[offset:], "middle")
		now[name] = string(b)
	case 3: // truncate
		name, size := pick(), m.rng.IntN(60)
		m.must(m.set(at(name), ninep.SetAttr{Valid: ninep.SetSize, Size: uint64(size)}))
		b := make([]byte, size)
		copy(b, now[name])
		now[name] = string(b)
	case 4: // remove
		name := pick()
		m.must(m.rm(at(name), false))
		delete(now, name)
	case 5: // rename, maybe over another
		from, to := pick(), fmt.Sprintf("f%d", m.rng.IntN(12))
		m.must(m.mv(at(from), at(to)))
		text := now[from]
		delete(now, from)
		now[to] = text
	case 6: // make executable, which changes no content
		m.must(m.set(at(pick()), ninep.SetAttr{Valid: ninep.SetMode, Mode: 0o755}))
	}
}

func (m *modelClient) compare(dir string, want map[string]string) {
	m.t.Helper()
	got := map[string]string{}
	if entries, err := m.ReadDir(m.ctx, dir); err == nil {
		for _, e := range entries {
			got[e.Name] = m.cat(dir + "/" + e.Name)
			if st, err := m.Stat(m.ctx, dir+"/"+e.Name); err != nil || st.Size != uint64(len(got[e.Name])) {
				m.t.Errorf("%s/%s: size %d, %v; it has %d bytes", dir, e.Name, st.Size, err, len(got[e.Name]))
			}
		}
	} else if ninep.ErrnoOf(err) != ninep.ENOENT { // git has no empty directory
		m.t.Error(err)
	}
	if !maps.Equal(got, want) {
		m.t.Errorf("%s: got %q, want %q", dir, got, want)
	}
}
