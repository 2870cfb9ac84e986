package datakit

import (
	"fmt"
	"testing"
)

// BenchmarkCommit makes durable commits of one small file in a tree of 1,000
// files at depth 3.
func BenchmarkCommit(b *testing.B) {
	s, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	all := map[string]string{}
	for i := range 1000 {
		all[fmt.Sprintf("%d/%d/%d", i/100, i/10%10, i%10)] = fmt.Sprint("file ", i)
	}
	if _, err := tryPut(b.Context(), s, "main", "base", all); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		change := map[string]string{fmt.Sprintf("%d/%d/%d", i%10, i/10%10, i/100%10): fmt.Sprint("changed ", i)}
		if _, err := tryPut(b.Context(), s, "main", "change", change); err != nil {
			b.Fatal(err)
		}
	}
}
