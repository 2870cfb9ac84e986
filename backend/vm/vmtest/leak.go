package vmtest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// NoLeak fails the test if goroutines of this kit are left at its end. Call it
// first: cleanups run in the reverse order.
func NoLeak(t *testing.T) {
	t.Helper()
	before := ours()
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second)
		for {
			left := ours()
			if len(left) <= len(before) {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines before and %d after:\n%s", len(before), len(left), strings.Join(left, "\n\n"))
				return
			}
			<-time.After(5 * time.Millisecond)
		}
	})
}

// ours are the stacks of the goroutines that run code of this kit, tests aside.
func ours() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var stacks []string
	for _, stack := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(stack, "/backend/vm") && !strings.Contains(stack, "testing.tRunner") && !strings.Contains(stack, "testing.(*M).Run") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
