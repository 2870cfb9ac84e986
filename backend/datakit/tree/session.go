package tree

import (
	"context"
	"os"
	"os/user"
	"strconv"
	"sync"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Session is what belongs to one connection: its transactions, which are closed
// with it, its watches, and the branches that it made and that have no commit yet.
type Session struct {
	s    *Server
	peer ninep.Peer

	account string // of the peer's UID
	program func() string

	mu   sync.Mutex
	user string          // of the last attach
	made map[string]bool // branches without a commit

	// Guarded by Server.mu.
	open     int // transactions
	watchers int
	reflogs  int // of the watchers
}

// Session makes the session of a connection. Close must be called in the end. It
// is a ninep.Tree: its roots are those of Root.
func (s *Server) Session(peer ninep.Peer) *Session {
	x := &Session{s: s, peer: peer, made: map[string]bool{}}
	if peer.UID >= 0 {
		x.account = accountOf(peer.UID)
	}
	x.program = sync.OnceValue(func() string { return programOf(peer.PID) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[x] = true
	s.changed()
	return x
}

// accountOf is the name of a UID, or its number.
func accountOf(uid int) string {
	if uid == os.Getuid() {
		return ownAccount()
	}
	return lookUpAccount(uid)
}

var ownAccount = sync.OnceValue(func() string { return lookUpAccount(os.Getuid()) })

func lookUpAccount(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// Close closes the session's transactions. Its files must not be used any more.
func (x *Session) Close() {
	for _, t := range x.s.open("") {
		if t.session == x {
			t.close()
		}
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	delete(x.s.sessions, x)
	x.s.changed()
}

// Attach implements ninep.Tree: the names of the tree are "", "/" and "plain".
func (x *Session) Attach(_ context.Context, r ninep.AttachRequest) (ninep.Node, error) {
	switch r.Name {
	case "", "/", "plain":
		return x.Root(r), nil
	}
	return nil, faultf(ninep.ENOENT, "There is no tree %q here", clip(r.Name))
}

// Root returns DataKit's root for who attaches. With the name "plain" live files
// never answer a read with nothing before their end.
func (x *Session) Root(r ninep.AttachRequest) ninep.Node {
	v := &view{s: x.s, x: x, user: x.account, plain: r.Name == "plain", uid: r.UID}
	if v.user == "" {
		v.user = clip(r.User)
	}
	switch {
	case x.peer.UID >= 0:
		v.uid = uint32(x.peer.UID)
		v.gid = uint32(max(x.peer.GID, 0))
	case r.UID == 0xffffffff:
		v.uid, v.gid = uint32(os.Getuid()), uint32(os.Getgid())
	}
	x.mu.Lock()
	x.user = v.user
	x.mu.Unlock()
	return v.root()
}

// owner describes the client for others.
func (x *Session) owner() query.Owner {
	x.mu.Lock()
	defer x.mu.Unlock()
	o := query.Owner{User: x.user, UID: x.peer.UID, PID: x.peer.PID, Program: x.program()}
	if isTCP(x.peer) {
		o.Address = x.peer.Addr
	}
	return o
}

// view is the tree as one attach sees it.
type view struct {
	s        *Server
	x        *Session
	user     string
	uid, gid uint32 // of the files' attributes
	plain    bool
}

func (v *view) access(branch string) Access {
	if v.s.opt.Access == nil {
		return Write
	}
	return v.s.opt.Access(v.x.peer, v.user, branch)
}

// need refuses what the client may not do. A branch that may not be read is not there.
func (v *view) need(branch string, want Access) error {
	switch have := v.access(branch); {
	case have == None:
		return errNotThere
	case have < want:
		return errNoWrite
	}
	return nil
}

// author of what this client commits. The zero Author is the store's.
func (v *view) author() datakit.Author {
	switch {
	case v.s.opt.Author != nil:
		return v.s.opt.Author(v.x.peer, v.user)
	case v.user == "":
		return datakit.Author{}
	}
	return datakit.Author{Name: v.user, Email: v.user + "@localhost"}
}
