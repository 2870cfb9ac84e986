package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

// An instance is the only window of a home. A second start shows the first one's
// window instead. It meets it at a socket in the home, so it needs no session bus,
// and two homes have a window each. Wails has a lock of its own, but it is taken
// after startup has begun, and the second start fails by it.
type instance struct {
	net.Listener
}

// showRequest is what a second start writes, and what it is answered with.
const showRequest = "show\n"

// claim makes this process the window of a home. It returns nil if another one is
// and shows itself.
func claim(home string) (*instance, error) {
	path := filepath.Join(home, "run", "window.sock")
	l, err := control.Listen(path)
	var e *control.Error
	if !errors.As(err, &e) || e.Code != control.CodeTaken {
		return &instance{l}, err
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return nil, fmt.Errorf("meet the window that is open: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // a socket that is open has deadlines
	if _, err := io.WriteString(conn, showRequest); err != nil {
		return nil, fmt.Errorf("meet the window that is open: %w", err)
	}
	if answer, err := bufio.NewReader(conn).ReadString('\n'); answer != showRequest {
		return nil, control.Errorf(control.CodeUnavailable, "the window that is open does not answer").
			WithHint("quit it first (%v)", err)
	}
	return nil, nil
}

// serve calls show for each second start until the listener is closed.
func (i *instance) serve(show func()) {
	for {
		conn, err := i.Accept()
		if err != nil {
			return // closed
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second)) // as above
		line, _ := bufio.NewReaderSize(io.LimitReader(conn, int64(len(showRequest))), 16).ReadString('\n')
		if line == showRequest {
			show()
			_, _ = io.WriteString(conn, showRequest) // who asked may be gone
		}
		conn.Close()
	}
}
