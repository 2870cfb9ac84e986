// Package journal keeps records of bytes, in order and durable, at the price of one
// fdatasync for all who wait. It knows nothing of what is in them.
//
// A journal is a few segment files in a directory. Each is filled with zeros and
// synced when it is made: space that was only reserved would make each sync write
// the file system's own journal, too. Segments are used again when a checkpoint says
// that their records are not needed any more.
//
// # Format
//
// All numbers are little-endian. A segment begins with a header of 128 bytes: the
// magic, the number of its first record, the number of the record before that (at
// its end, in another segment), the boot id of the system that wrote it, the number
// of the last checkpoint, and the CRC-32C of these. Then come records:
//
//	length uint32   of kind and data
//	crc    uint32   CRC-32C of data, then of the segment's first number, number, length, kind
//	number uint64   rises; numbers may be left out
//	kind   uint8    0: data, 1: checkpoint, data is the number up to which all is done
//	data
//
// A segment ends at the first record that does not check. That may be the rest of
// its former use, which the first number in the checksum tells apart, or a batch
// that a crash cut short, which nobody was told to be durable. A segment whose
// header names a predecessor that cannot be found is damage, and is reported.
//
// # Failure
//
// A write that fails, as on a full disk, is taken back: the batch fails as a whole
// with the cause, and so do the records that were appended meanwhile, since they may
// build on it. Append then refuses with [ErrUndo] until the caller has undone in
// memory what failed and says so by [Journal.Resume].
// When a sync fails nobody knows what is on disk, and asking again gives a false
// answer (the kernel drops the pages): the journal refuses everything from then on
// with [ErrBroken].
package journal
