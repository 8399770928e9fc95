#!/bin/sh
# Before removal; at an upgrade (deb: upgrade, rpm: 1) the new version restarts the service.
set -e
case "$1" in
    remove | 0)
        if [ -d /run/systemd/system ]; then systemctl stop device-api-server.service; fi
        systemctl disable device-api-server.service
        ;;
esac
