package qemu

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// process is a running QEMU.
type process struct {
	cmd  *exec.Cmd
	tail tail          // its last words
	gone chan struct{} // closed when it ended and was waited for
	err  error         // of waiting, after gone
}

// startProcess runs the program with its standard output going to out, or to
// its last words if out is nil.
func startProcess(binary string, args []string, out io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), gone: make(chan struct{})}
	p.cmd.SysProcAttr = processAttributes()
	p.cmd.Stderr = &p.tail
	p.cmd.Stdout = out
	if out == nil {
		p.cmd.Stdout = &p.tail
	}
	p.cmd.WaitDelay = 2 * time.Second
	started := make(chan error)
	go func() {
		// On Linux the signal for the parent's death is sent when the thread
		// ends that forked, so that thread must be kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.gone)
		}
	}()
	return p, <-started
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end kills and waits.
func (p *process) end() {
	p.kill()
	<-p.gone
}

// maxTail bounds what is kept of QEMU's standard error.
const maxTail = 8 << 10

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-maxTail):]...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSpace(string(t.buf)), "?")
}
