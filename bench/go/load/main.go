// Command load drives a server of the device API and says in one line of JSON how it fared. It is the same for every
// server, looks at the status and length of each reply, decodes a sample of them, and ends with an error at the first
// thing that is not as it should be. It has to have the server for itself.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"
)

type options struct {
	target      string
	pid         int
	do          string
	gpus        int
	first       int
	connections int
	outstanding int
	warmup      time.Duration
	duration    time.Duration
	watchers    int
	updates     int
	warmUpdates int
	rate        float64
}

// result is the same for all that can be done; what does not apply is 0.
type result struct {
	// Calls that were measured, and the time for them.
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	// Of the replies, on average.
	ReplyBytes float64 `json:"replyBytes"`
	// Events that reached a watcher, each of which had to.
	Events int `json:"events"`
	// Of calls, or from the sending of an update to its event at each watcher.
	Latency latency `json:"latencyUs"`
	// Of the server, and of the load itself, within the time measured.
	ServerCPUSeconds float64 `json:"serverCpuSeconds"`
	LoadCPUSeconds   float64 `json:"loadCpuSeconds"`
	// Of the server, before the first call and after the last.
	Before memory `json:"before"`
	After  memory `json:"after"`
}

type latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type memory struct {
	ResidentBytes  int64 `json:"residentBytes"`
	AnonymousBytes int64 `json:"anonymousBytes"`
}

func main() {
	var o options
	flag.StringVar(&o.target, "target", "", "unix:PATH or HOST:PORT")
	flag.IntVar(&o.pid, "pid", 0, "the server's process")
	flag.StringVar(&o.do, "do", "", "register, list, get, update, fanout or watches")
	flag.IntVar(&o.gpus, "gpus", 8, "how many GPUs to register, or are registered")
	flag.IntVar(&o.first, "first", 0, "the first GPU to register: those before it are there")
	flag.IntVar(&o.connections, "connections", 1, "connections for calls")
	flag.IntVar(&o.outstanding, "outstanding", 1, "calls in flight on each connection")
	flag.DurationVar(&o.warmup, "warmup", 0, "how long to call before measuring")
	flag.DurationVar(&o.duration, "duration", time.Second, "how long to measure calls")
	flag.IntVar(&o.watchers, "watchers", 0, "watches, each on a connection of its own")
	flag.IntVar(&o.updates, "updates", 0, "how many updates to fan out")
	flag.IntVar(&o.warmUpdates, "warm-updates", 0, "updates before those that are measured")
	flag.Float64Var(&o.rate, "rate", 0, "updates a second; 0 for as many as go")
	flag.Parse()
	// Fewer collections, which cost the server some of the machine.
	debug.SetGCPercent(400)
	if err := run(o); err != nil {
		fmt.Fprintf(os.Stderr, "load: %s: %v\n", o.do, err)
		os.Exit(1)
	}
}

func run(o options) error {
	var done result
	var err error
	if done.Before, err = memoryOf(o.pid); err != nil {
		return err
	}
	switch o.do {
	case "register":
		err = register(o)
	case "list", "get", "update":
		err = measureCalls(o, &done)
	case "fanout":
		err = measureFanOut(o, &done)
	case "watches":
		err = measureWatches(o, &done)
	default:
		err = fmt.Errorf("unknown")
	}
	if err != nil {
		return err
	}
	// Where the connections are what it costs, they are still there.
	if done.After.ResidentBytes == 0 {
		if done.After, err = memoryOf(o.pid); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

// quantiles by nearest rank: each of them is a value that was measured.
func quantiles(values []time.Duration) latency {
	if len(values) == 0 {
		return latency{}
	}
	slices.Sort(values)
	at := func(percent int) float64 {
		rank := max((percent*len(values)+99)/100, 1)
		return float64(values[rank-1]) / 1e3
	}
	return latency{P50: at(50), P99: at(99), Max: at(100)}
}
