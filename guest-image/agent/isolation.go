//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Docker's networks are kept apart by one rule of our own, since dockerd's sixty or
// so runs of iptables would be a third of the whole start under emulation:
//
//	table inet slipway {
//	  chain isolation {
//	    type filter hook forward priority -10; policy accept
//	    meta iifkind "bridge" meta oifkind "bridge" drop
//	  }
//	}
//
// What is routed from one bridge to another is dropped. Containers of one network
// talk below routing, and the way to the host is no bridge.

// From linux/netfilter/nf_tables.h and nfnetlink.h.
const (
	batchBegin = 0x10
	batchEnd   = 0x11
	nftables   = 10 << 8
	newTable   = nftables
	newChain   = nftables | 3
	newRule    = nftables | 6

	familyInet   = 1
	hookForward  = 2
	metaIIFKind  = 26
	metaOIFKind  = 27
	nested       = unix.NLA_F_NESTED
	beforeFilter = -10
)

// isolateNetworks installs the rule.
func isolateNetworks() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("keep networks apart: %w", err)
	}
	defer unix.Close(fd)
	msgs, acks := isolationBatch()
	if err := unix.Sendto(fd, msgs, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("keep networks apart: %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return fmt.Errorf("keep networks apart: %w", err)
	}
	buf := make([]byte, os.Getpagesize())
	for acks > 0 {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("keep networks apart: %w", err)
		}
		for msg := buf[:n]; len(msg) >= unix.NLMSG_HDRLEN+4; acks-- {
			size := int(binary.NativeEndian.Uint32(msg))
			if size < unix.NLMSG_HDRLEN+4 || size > len(msg) || binary.NativeEndian.Uint16(msg[4:]) != unix.NLMSG_ERROR {
				return errors.New("keep networks apart: the kernel's answer is not understood")
			}
			if errno := -int32(binary.NativeEndian.Uint32(msg[unix.NLMSG_HDRLEN:])); errno != 0 {
				return fmt.Errorf("keep networks apart: %w", unix.Errno(errno))
			}
			msg = msg[min(len(msg), align4(size)):]
		}
	}
	return nil
}

// isolationBatch returns the messages, and how many acknowledgements they ask for.
func isolationBatch() (batch []byte, acks int) {
	const table, chain = "slipway\x00", "isolation\x00"
	const ask = unix.NLM_F_REQUEST | unix.NLM_F_ACK | unix.NLM_F_CREATE
	match := func(key uint32) [][]byte {
		kind := make([]byte, unix.IFNAMSIZ)
		copy(kind, "bridge")
		return [][]byte{
			expression("meta", attr(1, be32(1)), attr(2, be32(key))),                             // register 1 = key
			expression("cmp", attr(1, be32(1)), attr(2, be32(0)), attr(3|nested, attr(1, kind))), // register 1 == kind
		}
	}
	drop := expression("immediate", attr(1, be32(0)), attr(2|nested, attr(2|nested, attr(1, be32(0))))) // verdict register = NF_DROP
	var rule []byte
	for _, e := range append(append(match(metaIIFKind), match(metaOIFKind)...), drop) {
		rule = append(rule, e...)
	}
	prio := int32(beforeFilter)
	return concat(
		message(batchBegin, unix.NLM_F_REQUEST, unix.AF_UNSPEC),
		message(newTable, ask, familyInet, attr(1, []byte(table))),
		message(newChain, ask, familyInet, attr(1, []byte(table)), attr(3, []byte(chain)),
			attr(4|nested, attr(1, be32(hookForward)), attr(2, be32(uint32(prio)))),
			attr(5, be32(1)), // policy accept
			attr(7, []byte("filter\x00"))),
		message(newRule, ask|unix.NLM_F_APPEND, familyInet, attr(1, []byte(table)), attr(2, []byte(chain)), attr(4|nested, rule)),
		message(batchEnd, unix.NLM_F_REQUEST, unix.AF_UNSPEC),
	), 3
}

func expression(name string, data ...[]byte) []byte {
	return attr(1|nested, attr(1, []byte(name+"\x00")), attr(2|nested, data...))
}

// message is a netlink message with nfnetlink's header.
func message(kind, flags uint16, family byte, attrs ...[]byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN, 256)
	b = append(b, family, 0, 0, nftables>>8) // the batch's messages name the subsystem here
	b = append(b, concat(attrs...)...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
	return b
}

// attr is a netlink attribute of the parts, padded.
func attr(kind uint16, parts ...[]byte) []byte {
	data := concat(parts...)
	b := make([]byte, unix.SizeofNlAttr, align4(unix.SizeofNlAttr+len(data)))
	binary.NativeEndian.PutUint16(b, uint16(unix.SizeofNlAttr+len(data)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	b = append(b, data...)
	return b[:cap(b)]
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func align4(n int) int { return (n + 3) &^ 3 }

func concat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
