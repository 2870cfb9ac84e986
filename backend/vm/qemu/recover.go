package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// How long an orphan may take to end when asked, and when killed.
const (
	orphanQuit = 3 * time.Second
	orphanKill = 3 * time.Second
)

// Recover ends a QEMU that outlived its engine. See the package's comment for
// who may call it.
func (d *Driver) Recover(ctx context.Context, dir string) (vm.Recovered, error) {
	var r vm.Recovered
	pid := readPID(filepath.Join(dir, pidFile))
	// The handle comes before the proof, so that it is of the process proved.
	proc, err := os.FindProcess(pid)
	if pid <= 0 || err != nil || !isMachine(pid, dir) {
		proc = nil
	} else {
		defer proc.Release()
		r.PID = pid
	}
	ended, reached := quitOrphan(ctx, dir, d.patience)
	if reached && r.PID == 0 {
		r.PID = pid
	}
	if proc != nil { // one that was not reached can be on its way out
		if ended = waitGone(ctx, pid, dir, d.patience); !ended {
			if err := ctx.Err(); err != nil { // it had not its time yet
				return r, err
			}
			d.log.Warn("orphaned QEMU did not quit, killing it", "pid", pid)
			r.Killed = true
			if err := proc.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return r, fmt.Errorf("kill orphaned QEMU %d: %w", pid, err)
			}
			ended = waitGone(ctx, pid, dir, orphanKill)
		}
	}
	if (proc != nil || reached) && !ended {
		return r, &vm.Fault{Code: vm.CodeStuck, Message: fmt.Sprintf("A QEMU left behind in %s (process %d) does not end.", dir, pid),
			Hint: "End the process yourself, or restart this computer."}
	}
	r.Removed = removeFiles(dir)
	return r, nil
}

func readPID(path string) int {
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 32 {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 2 {
		return 0
	}
	return pid
}

// quitOrphan asks the QEMU in dir to exit. It says whether one was reached, and
// whether its monitor closed, as it does at the end of the process.
func quitOrphan(ctx context.Context, dir string, patience time.Duration) (ended, reached bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q, err := dialQMP(ctx, filepath.Join(dir, qmpSocket), func(string, json.RawMessage) {})
	if err != nil {
		return false, false
	}
	defer q.close()
	if q.execute(ctx, "quit", nil, nil) != nil {
		return false, true
	}
	select {
	case <-q.gone:
		return true, true
	case <-ctx.Done():
		return false, true
	}
}

// waitGone waits for the end of a process that is not our child.
func waitGone(ctx context.Context, pid int, dir string, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for isMachine(pid, dir) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
