// Package pack reads and writes git's pack files: many objects in one file,
// and beside it an index of where each begins (git's gitformat-pack, pack and
// idx version 2, SHA-1). It knows nothing of refs or of the store above it.
//
//   - [Create] makes a pack out of objects in memory, fast: no deltas.
//   - [Merge] makes one pack out of several, small: it keeps deltas that are
//     there, finds new ones along the history of each path, and copies what is
//     compressed already.
//   - [Open] reads one: lookups, contents, sizes, listing; concurrently.
//   - [Index] takes a pack from a stranger, checks every object and completes
//     it with objects that we have.
//
// What it guarantees:
//
//   - A pack appears whole and durable or not at all. Both files are written
//     under names that git takes for temporary (tmp_pack_*, tmp_idx_*), synced
//     and renamed, the index first: git and this package look for an index and
//     then for its pack, while some others fail on a pack without an index. A
//     crash leaves temporary files at most, or an index alone, which git gc and
//     the owner of the directory may remove.
//   - Nothing is ever deleted or overwritten. Who merges packs deletes the old
//     ones, when nobody needs them any more.
//   - What Get returns has the name that was asked for: the content is hashed.
//   - Files are hostile input. Sizes, counts, depths and memory have bounds;
//     damage gives an error that wraps [ErrDamaged], never a panic.
//
// Packs are read with pread, not mapped into memory: a bad disk gives an error
// where a mapping would kill the process.
package pack
