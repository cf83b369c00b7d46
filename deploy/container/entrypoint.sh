#!/bin/sh
# `videovisual serve` with the container's folders and settings; the arguments are its own.
set -eu
run=${VIDEOVISUAL_RUN_FOLDER:-/tmp/videovisual}
# An earlier start of this container may have been killed: its process ids mean others by now.
rm -rf "$run/tmp" "$run/store"
mkdir -p "$run/store"
# The image's archives, then those that are mounted.
for archive in /opt/videovisual/store/*.mar /models/*.mar; do
    if [ -f "$archive" ]; then
        ln -sf "$archive" "$run/store/"
    fi
done
# What TorchServe prints belongs into the container's log.
ln -sf /dev/stderr "$run/torchserve.log"
exec videovisual serve --store "$run/store" --run-folder "$run" \
    --config /opt/videovisual/config.properties --log-config /opt/videovisual/log4j2.xml "$@"
