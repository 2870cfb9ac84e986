//go:build amd64

package qemu

import (
	"runtime"
	"testing"
)

func TestTSCIsMeasured(t *testing.T) {
	khz := tscKHz()
	// Processors with an invariant counter run it between these.
	if khz < 500_000 || khz > 10_000_000 {
		t.Errorf("%d kHz is not the frequency of a time stamp counter", khz)
	}
	// A second measurement must agree: the guest's clock is only as good as it.
	t0, c0 := clockPair()
	for i := 0; i < 5_000_000; i++ {
		runtime.KeepAlive(i)
	}
	t1, c1 := clockPair()
	again := float64(c1-c0) / (t1.Sub(t0).Seconds() * 1000)
	if off := again/float64(khz) - 1; off > 1e-3 || off < -1e-3 {
		t.Errorf("measured %d kHz, then %.0f", khz, again)
	}
}
