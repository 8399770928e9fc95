#!/bin/sh
# After removal: nothing is left but what the administrator changed, and the user, whose id may own files elsewhere.
set -e
case "$1" in
    remove | purge | 0)
        rm -rf /run/device-api /run/nvidia-device-api
        if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
        ;;
esac
