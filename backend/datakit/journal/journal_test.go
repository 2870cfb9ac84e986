package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
)

func replay(t testing.TB, dir string) (all []string, last uint64) {
	t.Helper()
	last, err := Replay(dir, func(r Record) error {
		all = append(all, fmt.Sprint(r.Seq, " ", string(r.Data)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, last
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestModel appends and checkpoints at random, in segments so small that they are
// used again all the time, and replays a copy after each step, as after a kill.
func TestModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	j := New(dir, 0, Options{First: 512, Segment: 1024, Limit: 1 << 20, Boot: "b"})
	var want []string
	for step := range 400 {
		switch rng.IntN(6) {
		case 0:
			seq := j.Last()
			if err := j.Checkpoint(seq); err != nil {
				t.Fatal(err)
			}
			want = nil
		default:
			data := bytes.Repeat([]byte{byte('a' + step%26)}, rng.IntN(300))
			if rng.IntN(30) == 0 {
				data = bytes.Repeat([]byte("x"), 5000) // a segment of its own
			}
			p, err := j.Append(data, rng.IntN(4) > 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(p.Seq, " ", string(data)))
		}
		if got, _ := replay(t, copyDir(t, dir)); !slices.Equal(got, want) {
			t.Fatalf("step %d: replayed %d records, want %d", step, len(got), len(want))
		}
	}
	if files, _ := os.ReadDir(dir); len(files) > 8 {
		t.Errorf("%d segment files", len(files))
	}
	if err := j.Close(true); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

// TestTorn cuts or damages the last batch at every byte: what was before it stays.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	j := New(dir, 0, Options{First: 512})
	for _, text := range []string{"one", "two", "three"} {
		p, _ := j.Append([]byte(text), true)
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	end := int(j.cur.end)
	last := headSize + len("three")
	for i := end - last; i < end; i++ {
		torn := copyDir(t, dir)
		path := filepath.Join(torn, prefix+"1")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[i] ^= 0x40
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := replay(t, torn); !slices.Equal(got, []string{"1 one", "2 two"}) {
			t.Fatalf("byte %d: %v", i, got)
		}
	}
	// A segment that is missing in the middle is damage.
	big := New(t.TempDir(), 0, Options{First: 256, Segment: 256})
	for range 9 {
		p, _ := big.Append(make([]byte, 100), true)
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(big.dir, prefix+"2")); err != nil {
		t.Fatal(err)
	}
	if _, err := Replay(big.dir, func(Record) error { return nil }); !errors.Is(err, ErrDamaged) {
		t.Errorf("missing segment: %v", err)
	}
	_ = j.Close(false)
	_ = big.Close(false)
}

// TestFaults fails the n-th operation, for every n: what was acknowledged is there
// afterwards, what was refused for lack of space is not, and it goes on after that.
func TestFaults(t *testing.T) {
	for _, op := range []string{"create", "write", "sync"} {
		for n := range 40 {
			dir := t.TempDir()
			count := -n
			j := New(dir, 0, Options{First: 512, Segment: 512, Fault: func(what, _ string) error {
				if what == op {
					if count++; count == 1 {
						return syscall.ENOSPC
					}
				}
				return nil
			}})
			var want []string
			broken := false
			for i := range 20 {
				data := []byte(fmt.Sprint("record ", i, bytes.Repeat([]byte("."), 20)))
				p, err := j.Append(data, true)
				if err == nil {
					err = p.Wait()
				}
				switch {
				case errors.Is(err, ErrBroken):
					broken = true
				case err != nil:
					if !errors.Is(err, syscall.ENOSPC) {
						t.Fatal(err)
					}
					if _, err := j.Append(nil, true); !errors.Is(err, ErrUndo) {
						t.Errorf("append before Resume: %v", err)
					}
					j.Resume(j.Failures())
				default:
					if broken {
						t.Error("acknowledged after a failed sync")
					}
					want = append(want, fmt.Sprint(p.Seq, " ", string(data)))
				}
			}
			if broken != (op == "sync" && n < 20) && op != "sync" {
				t.Errorf("%s %d: broken=%t", op, n, broken)
			}
			got, _ := replay(t, dir)
			if broken && len(got) == len(want)+1 {
				got = got[:len(want)] // the one whose sync failed may be there
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %d: %d records, want %d", op, n, len(got), len(want))
			}
			_ = j.Close(false)
		}
	}
}

func TestTogether(t *testing.T) {
	dir := t.TempDir()
	j := New(dir, 7, Options{})
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := range 50 {
				p, err := j.Append(fmt.Appendf(nil, "%d.%d", w, i), true)
				if err == nil {
					err = p.Wait()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got, last := replay(t, dir)
	if len(got) != 800 || last != 807 {
		t.Errorf("%d records, last %d", len(got), last)
	}
	if j.Syncs() > 800 {
		t.Errorf("%d syncs", j.Syncs())
	}
	t.Logf("%d syncs for 800 records", j.Syncs())
	// Above the limit nothing is taken until a checkpoint.
	j.opt.Limit = 100
	if _, err := j.Append(nil, true); !errors.Is(err, ErrFull) {
		t.Errorf("above the limit: %v", err)
	}
	if err := j.Checkpoint(j.Last()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil, true); err != nil {
		t.Errorf("after the checkpoint: %v", err)
	}
	if err := j.Close(true); err != nil {
		t.Fatal(err)
	}
}

func FuzzSegment(f *testing.F) {
	h := header{first: 5, prev: 4, boot: "b"}
	seed := h.encode()
	seed = appendFrame(seed, 5, frame{seq: 5, data: []byte("data"), sum: 0})
	f.Add(seed)
	f.Add([]byte(magic))
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := uint64(0)
		_, err := decodeSegment(data, func(f frame) error {
			if f.seq <= last && last != 0 {
				t.Fatalf("number %d after %d", f.seq, last)
			}
			last = f.seq
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
