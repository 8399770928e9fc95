// Command reference serves the device API as one would write it with grpc-go in an afternoon: a map under a lock and a
// buffered channel for each watcher, everything of grpc-go as it comes. It is what the benchmark measures beside the
// device API server; it has no authority, no leases, no history and no limits.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"

	"device-api-server/bench/go/device/v1alpha1"
)

func main() {
	socket := flag.String("unix-socket", "", "path of the unix socket")
	address := flag.String("grpc-address", "127.0.0.1:0", "TCP address")
	flag.Parse()
	if err := run(*socket, *address); err != nil {
		log.Fatal(err)
	}
}

func run(socket, address string) error {
	unix, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	gpus := newStore()
	server := grpc.NewServer()
	v1alpha1.RegisterGpuServiceServer(server, &gpuService{store: gpus})
	v1alpha1.RegisterProviderServiceServer(server, &providerService{store: gpus})

	failed := make(chan error, 2)
	go func() { failed <- server.Serve(unix) }()
	go func() { failed <- server.Serve(tcp) }()
	fmt.Fprintf(os.Stderr, "{\"msg\":\"serving\",\"tcp\":%q}\n", tcp.Addr())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	select {
	case err := <-failed:
		return err
	case <-stop:
		server.Stop()
		return nil
	}
}
