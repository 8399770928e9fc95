package main

import (
	"context"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"device-api-server/bench/go/device/v1alpha1"
)

// watcherEvents is how many events wait for one watcher before the writers wait for it.
const watcherEvents = 100

const ready = "Ready"

// store keeps the GPUs. A Gpu in the map is never changed, only replaced, so that replies need no copy.
type store struct {
	mu       sync.RWMutex
	version  int64
	gpus     map[string]*v1alpha1.Gpu
	watchers map[*watcher]struct{}
}

type watcher struct {
	ctx    context.Context
	events chan *v1alpha1.WatchGpusResponse
}

func newStore() *store {
	return &store{
		// As the device API server counts, so that the replies have the same length.
		version:  time.Now().UnixMicro(),
		gpus:     make(map[string]*v1alpha1.Gpu),
		watchers: make(map[*watcher]struct{}),
	}
}

func (s *store) get(name string) *v1alpha1.Gpu {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gpus[name]
}

func (s *store) list() ([]*v1alpha1.Gpu, int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.items(), s.version
}

func (s *store) items() []*v1alpha1.Gpu {
	items := make([]*v1alpha1.Gpu, 0, len(s.gpus))
	for _, gpu := range s.gpus {
		items = append(items, gpu)
	}
	return items
}

// watch returns the present GPUs, and a watcher of everything after them.
func (s *store) watch(ctx context.Context) ([]*v1alpha1.Gpu, *watcher) {
	w := &watcher{ctx: ctx, events: make(chan *v1alpha1.WatchGpusResponse, watcherEvents)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[w] = struct{}{}
	return s.items(), w
}

func (s *store) unwatch(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// register says whether the GPU was new; one that is known stays as it is.
func (s *store) register(name string, spec *v1alpha1.GpuSpec, status *v1alpha1.GpuStatus) (bool, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gpu, known := s.gpus[name]; known {
		return false, gpu.ResourceVersion
	}
	gpu := &v1alpha1.Gpu{Metadata: &v1alpha1.ObjectMeta{Name: name}, Spec: spec, Status: &v1alpha1.GpuStatus{}}
	for _, condition := range status.GetConditions() {
		setCondition(gpu.Status, condition)
	}
	return true, s.commit("ADDED", gpu)
}

// update changes a copy of the GPU's status; false where there is no such GPU.
func (s *store) update(name string, change func(*v1alpha1.GpuStatus)) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, found := s.gpus[name]
	if !found {
		return 0, false
	}
	gpu := proto.Clone(known).(*v1alpha1.Gpu)
	change(gpu.Status)
	return s.commit("MODIFIED", gpu), true
}

// commit needs the lock. No event is lost: a watcher whose channel is full is waited for, as long as it is there.
func (s *store) commit(kind string, gpu *v1alpha1.Gpu) int64 {
	s.version++
	gpu.ResourceVersion = s.version
	gpu.Metadata.ResourceVersion = strconv.FormatInt(s.version, 10)
	s.gpus[gpu.Metadata.Name] = gpu
	event := &v1alpha1.WatchGpusResponse{Type: kind, Object: gpu}
	for w := range s.watchers {
		select {
		case w.events <- event:
		case <-w.ctx.Done():
		}
	}
	return s.version
}

// setCondition keeps the verdict Ready, which stands first, in step with the others.
func setCondition(status *v1alpha1.GpuStatus, condition *v1alpha1.Condition) {
	if len(status.Conditions) == 0 {
		put(status, &v1alpha1.Condition{Type: ready, Status: "Unknown"})
	}
	put(status, condition)
	verdict := &v1alpha1.Condition{Type: ready, Status: "True", Reason: condition.Reason, Message: condition.Message}
	for _, other := range status.Conditions[1:] {
		if other.Status != "True" {
			verdict.Status, verdict.Reason, verdict.Message = "False", other.Reason, other.Message
			break
		}
	}
	put(status, verdict)
}

func put(status *v1alpha1.GpuStatus, condition *v1alpha1.Condition) {
	for i, known := range status.Conditions {
		if known.Type == condition.Type {
			if known.Status == condition.Status {
				condition.LastTransitionTime = known.LastTransitionTime
			} else if condition.LastTransitionTime == nil {
				condition.LastTransitionTime = timestamppb.Now()
			}
			status.Conditions[i] = condition
			return
		}
	}
	if condition.LastTransitionTime == nil {
		condition.LastTransitionTime = timestamppb.Now()
	}
	status.Conditions = append(status.Conditions, condition)
}
