#!/bin/sh
# After installation and upgrade, of the deb and of the rpm. Each step works in a root folder without systemd running.
set -e
systemd-sysusers device-api-server.conf
systemd-tmpfiles --create device-api-server.conf
# deb says "configure" and, at an upgrade, the old version; rpm says 1, or 2 at an upgrade.
case "$1:$2" in
    configure: | 1:) first=yes ;;
    *) first=no ;;
esac
if [ "$first" = yes ]; then
    systemctl enable device-api-server.service
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl restart device-api-server.service
fi
