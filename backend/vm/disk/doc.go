// Package disk makes, inspects and grows the disk images of machines: sparse
// qcow2 for QEMU and sparse raw for Virtualization.framework. It needs no
// program but itself, so that a disk can be made where QEMU is not installed,
// and does no more than that: reading and writing the guest's data is the
// hypervisor's business.
//
// It guarantees that an image appears under its name complete or not at all
// (it is written beside it and linked into place, never over another file);
// that growing is ordered so that a crash at any moment leaves an image that
// opens with its old or its new size; and that an image never shrinks, since
// only the guest knows what lies in the part that would go.
//
// The format is that of QEMU's docs/interop/qcow2.txt, version 3, with 64 KiB
// clusters, 16-bit refcounts and no backing file, encryption or snapshots.
package disk
