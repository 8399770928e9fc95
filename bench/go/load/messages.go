package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"device-api-server/bench/go/device/v1alpha1"
)

const (
	gpuService      = "/nvidia.device.v1alpha1.GpuService/"
	providerService = "/nvidia.device.v1alpha1.ProviderService/"
	providerID      = "bench"
	ready           = "Ready"
	// One reply in so many is decoded and looked at.
	sampleEvery = 499
)

// With the verdict Ready, which the server adds, a GPU has four conditions.
var conditionTypes = [...]string{"LinkHealthy", "MemoryHealthy", "XidHealthy"}

func nameOf(gpu int) string { return fmt.Sprintf("gpu-%d", gpu) }

func indexOf(gpu *v1alpha1.Gpu) (index int) {
	fmt.Sscanf(gpu.Metadata.Name, "gpu-%d", &index)
	return index
}

func encoded(message proto.Message) []byte {
	bytes, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return frame(bytes)
}

func registration(gpu int) []byte {
	conditions := make([]*v1alpha1.Condition, len(conditionTypes))
	for i, kind := range conditionTypes {
		conditions[i] = condition(kind, "True", "registered by the load")
	}
	return encoded(&v1alpha1.RegisterGpuRequest{
		Name:          nameOf(gpu),
		Spec:          &v1alpha1.GpuSpec{Uuid: fmt.Sprintf("GPU-%08x-0000-4000-8000-000000000000", gpu)},
		ProviderId:    providerID,
		InitialStatus: &v1alpha1.GpuStatus{Conditions: conditions},
	})
}

func condition(kind, status, message string) *v1alpha1.Condition {
	return &v1alpha1.Condition{Type: kind, Status: status, Reason: "Measured", Message: message}
}

// work is what is called again and again. Its functions may be used by several goroutines.
type work struct {
	path string
	// requests are taken in turns, from the one after the last.
	requests [][]byte
	taken    atomic.Int64
	// check looks at each reply to a request, and closer where it is a sample. It returns the version of an update.
	check func(request int, reply []byte, sample bool) (int64, error)
}

func (w *work) next() (int, []byte) {
	i := int((w.taken.Add(1) - 1) % int64(len(w.requests)))
	return i, w.requests[i]
}

func newWork(method string, gpus int, list *v1alpha1.GpuList) (*work, error) {
	switch method {
	case "list":
		requests := [][]byte{encoded(&v1alpha1.ListGpusRequest{})}
		return &work{path: gpuService + "ListGpus", requests: requests, check: checkList(list)}, nil
	case "get":
		requests := make([][]byte, gpus)
		for i := range requests {
			requests[i] = encoded(&v1alpha1.GetGpuRequest{Name: nameOf(i)})
		}
		return &work{path: gpuService + "GetGpu", requests: requests, check: checkGet(list)}, nil
	case "update":
		return &work{path: providerService + "UpdateGpuCondition", requests: updates(gpus), check: checkUpdate}, nil
	}
	return nil, fmt.Errorf("unknown method %q", method)
}

// updates goes round the GPUs, then to their next condition, then to the other status: each of them changes something.
// The message is this run's own, so the first round does, too, whatever stood there before.
func updates(gpus int) [][]byte {
	message := fmt.Sprintf("written by run %016x", time.Now().UnixNano())
	requests := make([][]byte, 0, 2*len(conditionTypes)*gpus)
	for _, status := range [...]string{"False", "True"} {
		for _, kind := range conditionTypes {
			for gpu := range gpus {
				requests = append(requests, encoded(&v1alpha1.UpdateGpuConditionRequest{
					Name: nameOf(gpu), ProviderId: providerID, Condition: condition(kind, status, message),
				}))
			}
		}
	}
	return requests
}

func checkRegistration(_ int, reply []byte, _ bool) (int64, error) {
	var decoded v1alpha1.RegisterGpuResponse
	if err := proto.Unmarshal(reply, &decoded); err != nil {
		return 0, err
	}
	if !decoded.Created {
		return 0, fmt.Errorf("a GPU is registered already: the load needs a server of its own")
	}
	return decoded.ResourceVersion, nil
}

// checkList: nothing changes meanwhile, so each reply has the length of the first.
func checkList(list *v1alpha1.GpuList) func(int, []byte, bool) (int64, error) {
	want := proto.Size(&v1alpha1.ListGpusResponse{GpuList: list})
	return func(_ int, reply []byte, sample bool) (int64, error) {
		if len(reply) != want {
			return 0, fmt.Errorf("a list of %d bytes, not %d", len(reply), want)
		}
		if !sample {
			return 0, nil
		}
		again, err := decodeList(reply, len(list.Items))
		if err == nil && again.Metadata.ResourceVersion != list.Metadata.ResourceVersion {
			return 0, fmt.Errorf("a list of version %s, not %s", again.Metadata.ResourceVersion, list.Metadata.ResourceVersion)
		}
		return 0, err
	}
}

func checkGet(list *v1alpha1.GpuList) func(int, []byte, bool) (int64, error) {
	wanted := make([]*v1alpha1.GetGpuResponse, len(list.Items))
	sizes := make([]int, len(list.Items))
	for _, gpu := range list.Items {
		i := indexOf(gpu)
		wanted[i] = &v1alpha1.GetGpuResponse{Gpu: gpu}
		sizes[i] = proto.Size(wanted[i])
	}
	return func(gpu int, reply []byte, sample bool) (int64, error) {
		if len(reply) != sizes[gpu] {
			return 0, fmt.Errorf("%s in %d bytes, not %d", nameOf(gpu), len(reply), sizes[gpu])
		}
		if !sample {
			return 0, nil
		}
		var decoded v1alpha1.GetGpuResponse
		if err := proto.Unmarshal(reply, &decoded); err != nil {
			return 0, err
		}
		if !proto.Equal(&decoded, wanted[gpu]) {
			return 0, fmt.Errorf("got %v, listed %v", &decoded, wanted[gpu])
		}
		return 0, nil
	}
}

func checkUpdate(_ int, reply []byte, _ bool) (int64, error) {
	version, found := varint(reply, 1)
	if !found || version == 0 {
		return 0, fmt.Errorf("the reply to an update has no version: %x", reply)
	}
	return int64(version), nil
}
