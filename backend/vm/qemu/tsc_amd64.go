package qemu

import (
	"sync"
	"time"
)

// rdtsc reads the processor's time stamp counter.
func rdtsc() uint64

// tscKHz measures the frequency of this processor's time stamp counter, in kHz.
//
// QEMU's emulation gives the guest the host's counter as it is. A guest kernel
// calibrates it against the emulated PIT, which goes wrong when the host is busy:
// "tsc: Unable to calibrate against PIT". microvm has no other clock to fall back
// on, so the kernel then waits for ticks that do not come, before its console says
// anything. Telling it the frequency leaves nothing to calibrate.
//
// The measurement takes 20 ms and is good to a few parts in a million: enough,
// because the agent sets the guest's clock now and again.
var tscKHz = sync.OnceValue(func() uint64 {
	const span = 20 * time.Millisecond
	t0, c0 := clockPair()
	time.Sleep(span)
	t1, c1 := clockPair()
	return uint64(float64(c1-c0)*float64(time.Millisecond)/float64(t1.Sub(t0)) + 0.5)
})

// clockPair reads both clocks at one moment: of several tries it takes the one in
// which reading the time took the fewest ticks, and so was not interrupted.
func clockPair() (time.Time, uint64) {
	var best time.Time
	var at, least uint64
	for range 16 {
		before := rdtsc()
		now := time.Now()
		after := rdtsc()
		if took := after - before; least == 0 || took < least {
			best, at, least = now, before+took/2, took
		}
	}
	return best, at
}
