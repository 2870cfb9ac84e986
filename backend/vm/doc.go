// Package vm describes a Linux machine as data, says what a hypervisor driver
// must do, and supervises one machine from launch to its end.
//
// It has three parts, and imports no driver, so that it compiles and is tested
// on every system:
//
//   - Config is pure data (JSON). Check holds it against the file system before
//     anything is started, because a missing file is better explained by us
//     than by a hypervisor's error text.
//   - Driver and Instance are the few methods every hypervisor has. What only
//     some of them have (Pauser, Noticer, Recoverer) are optional interfaces,
//     found by type assertion and announced in Capabilities. The conformance
//     suite in vmtest fixes their meaning.
//   - Supervisor runs a machine and turns whatever happens to it into a Status
//     with a state, a reason and a hint.
//
// What the supervisor guarantees: every wait has a deadline, so that a dead
// hypervisor, a panicking kernel or a silent guest becomes a state and never a
// hang; a launch that says nothing is killed and repeated a bounded number of
// times, and the repeats are counted in Status; Run returns only when the
// machine and every goroutine it started are gone; memory for console text and
// watchers is bounded.
//
// Faults carry a Code (for programs), a message and a hint (for people).
package vm
