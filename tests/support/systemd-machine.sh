#!/bin/bash
# Becomes the first process of a machine: this one's files with a throw-away layer on top, and systemd. To be run in
# mount, pid, network, ipc and uts namespaces of its own.
# usage: systemd-machine.sh FOLDER [SOURCE:TARGET...]   (folders of the host to be seen inside)
set -euo pipefail
folder=$1 && shift
root=$folder/root

mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir -p "$folder"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
for pair in "$@"; do
    mkdir -p "$root${pair#*:}"
    mount --bind "${pair%%:*}" "$root${pair#*:}"
done

# Nothing of the host's own services, and nothing that would change the host's kernel.
rm -rf "$root/etc/systemd/system"
mkdir "$root/etc/systemd/system"
for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-udevd systemd-udev-trigger \
    systemd-timesyncd systemd-logind systemd-binfmt systemd-random-seed systemd-pstore kmod-static-nodes; do
    ln -s /dev/null "$root/etc/systemd/system/$unit.service"
done
# Images of containers have one that forbids every start.
rm -f "$root/usr/sbin/policy-rc.d"
ip link set lo up 2>/dev/null || true

exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$root" /lib/systemd/systemd --system --unit=multi-user.target --log-target=null
