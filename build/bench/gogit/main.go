// Command gogit commits with go-git, as a contender of the data kit's measurements:
// for each path on standard input it changes that file in the branch main of the bare
// repository that it is given, and answers with the commit's hash. Each commit edits
// the trees above the file, as go-git's users do who have no work tree; nothing is
// synced to the disk.
//
// It is a module of its own, so that the product does not depend on what only the
// measurement needs.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gogit:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	repo, err := git.PlainOpen(path)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for n := 0; lines.Scan(); n++ {
		h, err := commit(repo, lines.Text(), fmt.Appendf(nil, "line one\ncontent %d\n", n+1_000_000))
		if err != nil {
			return err
		}
		if _, err := fmt.Println(h); err != nil {
			return err
		}
	}
	return lines.Err()
}

func commit(repo *git.Repository, path string, data []byte) (plumbing.Hash, error) {
	head, err := repo.Reference(plumbing.NewBranchReferenceName("main"), true)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	before, err := repo.CommitObject(head.Hash())
	if err != nil {
		return plumbing.ZeroHash, err
	}
	tree, err := edit(repo, before.TreeHash, path, data)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	who := object.Signature{Name: "b", Email: "b@localhost", When: time.Now()}
	h, err := store(repo, &object.Commit{
		Author: who, Committer: who, Message: "change\n", TreeHash: tree, ParentHashes: []plumbing.Hash{head.Hash()},
	})
	if err != nil {
		return h, err
	}
	return h, repo.Storer.CheckAndSetReference(plumbing.NewHashReference(head.Name(), h), head)
}

// store writes a commit or tree.
func store(repo *git.Repository, o interface {
	Encode(plumbing.EncodedObject) error
}) (plumbing.Hash, error) {
	e := repo.Storer.NewEncodedObject()
	if err := o.Encode(e); err != nil {
		return plumbing.ZeroHash, err
	}
	return repo.Storer.SetEncodedObject(e)
}

// edit writes a file's new content and the trees above it.
func edit(repo *git.Repository, at plumbing.Hash, path string, data []byte) (plumbing.Hash, error) {
	tree, err := repo.TreeObject(at)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	name, rest, deeper := strings.Cut(path, "/")
	for i := range tree.Entries {
		if tree.Entries[i].Name != name {
			continue
		}
		var h plumbing.Hash
		if deeper {
			h, err = edit(repo, tree.Entries[i].Hash, rest, data)
		} else {
			h, err = blob(repo, data)
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		tree.Entries[i].Hash = h
		return store(repo, tree)
	}
	return plumbing.ZeroHash, fmt.Errorf("there is no %s", path)
}

func blob(repo *git.Repository, data []byte) (plumbing.Hash, error) {
	e := repo.Storer.NewEncodedObject()
	e.SetType(plumbing.BlobObject)
	w, err := e.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := w.Write(data); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := w.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	return repo.Storer.SetEncodedObject(e)
}
