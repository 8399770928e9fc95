package main

import "time"

// measureWatches opens them, lets them be idle, and sends one update to all.
func measureWatches(o options, done *result) error {
	started := time.Now()
	watchers, err := openWatchers(o.target, o.watchers, o.gpus)
	if err != nil {
		return err
	}
	done.Calls, done.Seconds = o.watchers, time.Since(started).Seconds()

	start, err := startMeter(o.pid)
	if err != nil {
		return err
	}
	time.Sleep(o.duration)
	if err := start.stop(done); err != nil {
		return err
	}
	if done.After, err = memoryOf(o.pid); err != nil {
		return err
	}

	updates, err := newWork("update", o.gpus, nil)
	if err != nil {
		return err
	}
	conn, err := dial(o.target)
	if err != nil {
		return err
	}
	defer conn.close()
	u := &updater{conn: conn, work: updates, sent: make(map[int64]time.Time)}
	if err := u.burst(1, 1); err != nil {
		return err
	}
	if err := watchers.await(1); err != nil {
		return err
	}
	latencies, _, err := u.join(watchers, 0)
	done.Events, done.Latency = len(latencies), quantiles(latencies)
	return err
}
