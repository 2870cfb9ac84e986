package datakit

// edits is a change of a tree: for each file path what is there afterwards, the
// zero node for a file that is removed.
type edits map[string]node

// applyEdits returns the tree with e in it; a file where a directory is in the
// way, or the reverse, is a conflict.
func applyEdits(b *batch, tree Hash, e edits) (Hash, error) {
	root := &workDir{from: tree}
	for path, n := range e {
		if n.absent() {
			if err := root.unset(b, path); err != nil {
				return Hash{}, err
			}
		}
	}
	for path, n := range e {
		if n.absent() {
			continue
		}
		if taken, err := root.put(b, path, n); err != nil {
			return Hash{}, err
		} else if taken != "" {
			return Hash{}, &ConflictError{Paths: []string{taken}}
		}
	}
	return root.tree(b), nil
}
