package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// meter knows what the server and the load had taken when it was started: themselves, without their children.
type meter struct {
	pid          int
	server, load time.Duration
}

func startMeter(pid int) (meter, error) {
	server, err := cpuOf(pid)
	if err != nil {
		return meter{}, err
	}
	load, err := cpuOf(os.Getpid())
	return meter{pid, server, load}, err
}

func (m meter) stop(done *result) error {
	now, err := startMeter(m.pid)
	if err != nil {
		return err
	}
	done.ServerCPUSeconds = (now.server - m.server).Seconds()
	done.LoadCPUSeconds = (now.load - m.load).Seconds()
	return nil
}

func memoryOf(pid int) (memory, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	return memory{kibibytes(rollup, "Rss:") << 10, kibibytes(rollup, "Anonymous:") << 10}, nil
}

// cpuOf reads the clock of the process, which counts nanoseconds where /proc/PID/stat counts hundredths of a second.
func cpuOf(pid int) (time.Duration, error) {
	// As clock_getcpuclockid makes it: CPUCLOCK_SCHED of the whole process.
	clock := int32(^pid)<<3 | 2
	var spec unix.Timespec
	if err := unix.ClockGettime(clock, &spec); err != nil {
		return 0, fmt.Errorf("the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(spec.Nano()), nil
}

func kibibytes(rollup []byte, name string) int64 {
	for line := range strings.Lines(string(rollup)) {
		if rest, found := strings.CutPrefix(line, name); found {
			var value int64
			fmt.Sscan(rest, &value)
			return value
		}
	}
	return 0
}
