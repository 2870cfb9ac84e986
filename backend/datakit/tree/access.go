package tree

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Access is what a client may do with a branch.
type Access uint8

// The degrees of access. A branch without access is invisible: it is not listed,
// and looking it up says that it does not exist. Commits, trees and snapshots are
// found by their hash alone: whoever knows one may read it.
const (
	None Access = iota
	Read
	Write
)

// String is the word query files use: "none", "read" or "write".
func (a Access) String() string {
	return [...]string{None: "none", Read: "read", Write: "write"}[min(a, Write)]
}

// Rules is a parsed access text. Its Access method fits Options.Access.
type Rules []rule

type rule struct {
	uid    int // -1: any
	user   string
	socket string // "unix", "tcp" or "" for both
	grants []grant
}

type grant struct {
	pattern string
	access  Access
}

// Bounds of an access text.
const (
	maxRules   = 1000
	maxPattern = 200 // bytes
)

// ParseAccess reads access rules, one a line (or separated by ";"); "#" begins a comment.
//
//	uid=1000       main:rw ci/*:r *:none
//	user=ci  unix  ci/*:rw *:r
//	tcp            public/*:r
//
// A rule begins with whom it is for: uid=N, user=NAME (the name of the client's
// UID where the system tells it, else what the client called itself, which nobody
// has verified), unix or tcp (how it is connected); all of them must fit, and
// none means everybody. Then come branches and rights: a "*" in a name stands for
// any text, slashes included; the rights are rw, r or none. The first branch that
// fits, in the first rule for the client that has one, decides; where none does
// there is no access. An empty text gives nobody anything.
func ParseAccess(text string) (Rules, error) {
	var rules Rules
	for i, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		r, err := parseRule(fields)
		if err != nil {
			return nil, fmt.Errorf("access rule %d: %w", i+1, err)
		}
		if rules = append(rules, r); len(rules) > maxRules {
			return nil, fmt.Errorf("more than %d access rules", maxRules)
		}
	}
	return rules, nil
}

func parseRule(fields []string) (rule, error) {
	r := rule{uid: -1}
	for _, f := range fields {
		name, right, isGrant := strings.Cut(f, ":")
		key, value, _ := strings.Cut(f, "=")
		switch {
		case isGrant:
			a, ok := map[string]Access{"rw": Write, "r": Read, "none": None}[right]
			if !ok || name == "" || len(name) > maxPattern {
				return r, fmt.Errorf("%q: want BRANCH:rw, BRANCH:r or BRANCH:none", clip(f))
			}
			r.grants = append(r.grants, grant{name, a})
		case len(r.grants) > 0:
			return r, fmt.Errorf("%q: whom a rule is for comes before the branches", clip(f))
		case f == "unix" || f == "tcp":
			r.socket = f
		case key == "user" && value != "":
			r.user = value
		case key == "uid":
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return r, fmt.Errorf("%q: want uid=NUMBER", clip(f))
			}
			r.uid = int(n)
		default:
			return r, fmt.Errorf("%q: want uid=NUMBER, user=NAME, unix, tcp or BRANCH:RIGHT", clip(f))
		}
	}
	if len(r.grants) == 0 {
		return r, fmt.Errorf("no branch; say for example *:r")
	}
	return r, nil
}

// Access tells what a client may do with a branch.
func (rules Rules) Access(peer ninep.Peer, user, branch string) Access {
	for _, r := range rules {
		if !r.fits(peer, user) {
			continue
		}
		for _, g := range r.grants {
			if match(g.pattern, branch) {
				return g.access
			}
		}
	}
	return None
}

func (r rule) fits(peer ninep.Peer, user string) bool {
	return (r.uid < 0 || r.uid == peer.UID) &&
		(r.user == "" || r.user == user) &&
		(r.socket == "" || (r.socket == "tcp") == isTCP(peer))
}

// isTCP tells by the address: that of a Unix socket has no port, if it has a name at all.
func isTCP(peer ninep.Peer) bool {
	_, err := netip.ParseAddrPort(peer.Addr)
	return err == nil
}

// match compares with a pattern in which "*" stands for any text. It goes back to
// the last "*" only, so it takes at most len(pattern) times len(name) steps.
func match(pattern, name string) bool {
	p, n := 0, 0
	star, from := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
