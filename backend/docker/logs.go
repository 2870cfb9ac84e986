package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// LogsOptions choose what of a container's output to read.
type LogsOptions struct {
	Tail       int       // the last lines; 0 means all
	Since      time.Time // zero means from the start
	Follow     bool      // go on until the container ends
	Timestamps bool      // begin each line with its time, RFC 3339
	Stderr     io.Writer // nil means that stderr goes where stdout goes
}

// Logs writes a container's output to w until it ends or ctx does. With Follow that
// is when the container ends. A container with a terminal has but one stream.
func (c *Client) Logs(ctx context.Context, id string, opts LogsOptions, w io.Writer) error {
	var details struct {
		Config struct{ Tty bool }
	}
	if err := c.do(ctx, http.MethodGet, containerPath(id)+"/json", nil, &details); err != nil {
		return err
	}
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}}
	if opts.Tail > 0 {
		query.Set("tail", strconv.Itoa(opts.Tail))
	}
	if !opts.Since.IsZero() {
		query.Set("since", fmt.Sprintf("%d.%09d", opts.Since.Unix(), opts.Since.Nanosecond()))
	}
	if opts.Follow {
		query.Set("follow", "1")
	}
	if opts.Timestamps {
		query.Set("timestamps", "1")
	}
	resp, err := c.request(ctx, http.MethodGet, containerPath(id)+"/logs", query)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if opts.Stderr == nil {
		opts.Stderr = w
	}
	if details.Config.Tty {
		_, err = io.Copy(w, resp.Body)
	} else {
		err = demultiplex(w, opts.Stderr, resp.Body)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

var errLogStream = errors.New("malformed log stream of a container")

// demultiplex separates the two streams of a container without a terminal: frames of
// one byte for the stream (1 stdout, 2 stderr), three of zero, the length in four,
// big-endian, and the data (Engine API, ContainerAttach).
func demultiplex(stdout, stderr io.Writer, r io.Reader) error {
	var header [8]byte
	for {
		if _, err := io.ReadFull(r, header[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		w := stdout
		switch header[0] {
		case 0, 1: // 0 is stdin, which old daemons echo
		case 2:
			w = stderr
		default:
			return errLogStream
		}
		n := int64(binary.BigEndian.Uint32(header[4:]))
		if copied, err := io.CopyN(w, r, n); err == io.EOF && copied < n {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
	}
}
