package main

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"device-api-server/bench/go/device/v1alpha1"
)

type gpuService struct {
	v1alpha1.UnimplementedGpuServiceServer
	store *store
}

func (s *gpuService) GetGpu(_ context.Context, req *v1alpha1.GetGpuRequest) (*v1alpha1.GetGpuResponse, error) {
	gpu := s.store.get(req.Name)
	if gpu == nil {
		return nil, notFound(req.Name)
	}
	return &v1alpha1.GetGpuResponse{Gpu: gpu}, nil
}

func (s *gpuService) ListGpus(context.Context, *v1alpha1.ListGpusRequest) (*v1alpha1.ListGpusResponse, error) {
	items, version := s.store.list()
	metadata := &v1alpha1.ListMeta{ResourceVersion: strconv.FormatInt(version, 10)}
	return &v1alpha1.ListGpusResponse{GpuList: &v1alpha1.GpuList{Metadata: metadata, Items: items}}, nil
}

// WatchGpus begins with the present state: there is no history to resume from.
func (s *gpuService) WatchGpus(
	_ *v1alpha1.WatchGpusRequest, stream grpc.ServerStreamingServer[v1alpha1.WatchGpusResponse],
) error {
	items, w := s.store.watch(stream.Context())
	defer s.store.unwatch(w)
	for _, gpu := range items {
		if err := stream.Send(&v1alpha1.WatchGpusResponse{Type: "ADDED", Object: gpu}); err != nil {
			return err
		}
	}
	for {
		select {
		case event := <-w.events:
			if err := stream.Send(event); err != nil {
				return err
			}
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
}

// providerService has what the load calls.
type providerService struct {
	v1alpha1.UnimplementedProviderServiceServer
	store *store
}

func (s *providerService) RegisterGpu(
	_ context.Context, req *v1alpha1.RegisterGpuRequest,
) (*v1alpha1.RegisterGpuResponse, error) {
	created, version := s.store.register(req.Name, req.Spec, req.InitialStatus)
	return &v1alpha1.RegisterGpuResponse{Created: created, ResourceVersion: version}, nil
}

func (s *providerService) UpdateGpuCondition(
	_ context.Context, req *v1alpha1.UpdateGpuConditionRequest,
) (*v1alpha1.UpdateGpuConditionResponse, error) {
	version, found := s.store.update(req.Name, func(gpu *v1alpha1.GpuStatus) { setCondition(gpu, req.Condition) })
	if !found {
		return nil, notFound(req.Name)
	}
	return &v1alpha1.UpdateGpuConditionResponse{ResourceVersion: version}, nil
}

func notFound(name string) error {
	return status.Errorf(codes.NotFound, "gpu %q not found", name)
}
