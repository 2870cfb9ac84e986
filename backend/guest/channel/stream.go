package channel

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/yamux"
)

// A stream begins with a header from the side that opened it: the two bytes of
// headerMark, the version of the header, the length of the service's name, the name.
// The answer is the length of a text, two bytes, big-endian, and the text, which is
// empty when the service is there and otherwise says why not.
const (
	headerMark    = "Sw"
	headerVersion = 1
	maxService    = 32
	// MaxText bounds the bytes of an error's text on its way to the other side.
	MaxText = 2048
	// MaxMessage bounds the bytes of one message.
	MaxMessage = 64 << 10
)

var errHeader = errors.New("malformed stream header")

// Refusal is the other side's reason not to serve a stream.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return r.Text }

// A Stream is one conversation. Its messages are JSON, each behind its length as
// four bytes, big-endian.
type Stream struct {
	y *yamux.Stream
}

// Close ends both directions, and a Send or Receive in progress.
func (s *Stream) Close() error {
	_ = s.y.SetDeadline(time.Unix(1, 0))
	return s.y.Close()
}

// Do runs f, whose reads and writes on s fail when ctx ends; the error is then
// that of ctx. The stream is of no use after that but to be closed.
func (s *Stream) Do(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = s.y.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() && err != nil {
		return ctx.Err()
	}
	return err
}

func (s *Stream) request(service string) error {
	header := append([]byte(headerMark), headerVersion, byte(len(service)))
	if _, err := s.y.Write(append(header, service...)); err != nil {
		return err
	}
	var size [2]byte
	if _, err := io.ReadFull(s.y, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint16(size[:])
	if n > MaxText {
		return errHeader
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(s.y, text); err != nil {
		return err
	}
	if n > 0 {
		return &Refusal{Text: string(text)}
	}
	return nil
}

// Service reads the name of the service that the host asked for. Accept or Refuse
// comes next.
func (s *Stream) Service() (string, error) { return readHeader(s.y) }

func readHeader(r io.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	n := head[3]
	if string(head[:2]) != headerMark || head[2] != headerVersion || n == 0 || n > maxService {
		return "", errHeader
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(r, name); err != nil {
		return "", err
	}
	return string(name), nil
}

// Accept tells the host that its service is there.
func (s *Stream) Accept() error { return s.answer("") }

// Refuse tells the host why its service is not.
func (s *Stream) Refuse(reason error) error {
	text := Text(reason)
	if text == "" {
		text = "refused"
	}
	return s.answer(text)
}

func (s *Stream) answer(text string) error {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(text)))
	_, err := s.y.Write(append(b, text...))
	return err
}

// Text is err as it travels: cut to MaxText bytes, and empty for nil.
func Text(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), MaxText)], "")
}

// Send sends v as one message.
func (s *Stream) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(b) > MaxMessage {
		return fmt.Errorf("message of %d bytes, at most %d are allowed", len(b), MaxMessage)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b)))
	_, err = s.y.Write(append(frame, b...))
	return err
}

// Receive reads the next message into v; io.EOF means that the other side closed
// the stream between messages.
func (s *Stream) Receive(v any) error { return readMessage(s.y, v) }

func readMessage(r io.Reader, v any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > MaxMessage {
		return fmt.Errorf("message of %d bytes, at most %d are allowed", n, MaxMessage)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}

// timedOut tells yamux's time-out errors, which are not os.ErrDeadlineExceeded.
func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
