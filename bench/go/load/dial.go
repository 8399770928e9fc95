package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// splitTarget takes unix:PATH, unix://PATH, or HOST:PORT.
func splitTarget(target string) (network, address, authority string) {
	if path, isUnix := strings.CutPrefix(target, "unix:"); isUnix {
		return "unix", strings.TrimPrefix(path, "//"), "localhost"
	}
	return "tcp", target, target
}

func dial(target string) (*conn, error) {
	network, address, authority := splitTarget(target)
	socket, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return newConn(socket, authority)
}

// descriptor is a socket that Go's own poller does not know: many of them are read by one epoll.
type descriptor int

func dialDescriptor(target string) (descriptor, error) {
	network, address, _ := splitTarget(target)
	family := unix.AF_UNIX
	var to unix.Sockaddr = &unix.SockaddrUnix{Name: address}
	if network == "tcp" {
		port, err := netip.ParseAddrPort(address)
		if err != nil || !port.Addr().Is4() {
			return -1, fmt.Errorf("%s is no IPv4 address and port", address)
		}
		family = unix.AF_INET
		to = &unix.SockaddrInet4{Addr: port.Addr().As4(), Port: int(port.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	// It blocks, and so does what little is written to it.
	for err = unix.Connect(fd, to); err == unix.EINTR; {
		err = unix.Connect(fd, to)
	}
	if err == nil && network == "tcp" {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("%s: %w", target, err)
	}
	return descriptor(fd), nil
}

func (d descriptor) Read(into []byte) (int, error) {
	for {
		if n, err := unix.Read(int(d), into); err != unix.EINTR {
			return n, err
		}
	}
}

func (d descriptor) Write(bytes []byte) (int, error) { return unix.Write(int(d), bytes) }

func (d descriptor) Close() error { return unix.Close(int(d)) }
