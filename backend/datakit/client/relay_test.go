package client_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// relay passes 9P messages on, with the name "query" of each walk spelt
// differently, so that the server does not find it.
func relay(t *testing.T, client, server net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(client, server) // ends with the connection
		client.Close()
	})
	both.Go(func() {
		defer server.Close()
		for {
			var size [4]byte
			if _, err := io.ReadFull(client, size[:]); err != nil {
				return
			}
			frame := make([]byte, binary.LittleEndian.Uint32(size[:]))
			copy(frame, size[:])
			if _, err := io.ReadFull(client, frame[4:]); err != nil {
				return
			}
			const walk = 110
			if frame[4] == walk {
				frame = bytes.ReplaceAll(frame, []byte("\x05\x00query"), []byte("\x05\x00QUERY"))
			}
			if _, err := server.Write(frame); err != nil {
				return
			}
		}
	})
	t.Cleanup(both.Wait)
}
