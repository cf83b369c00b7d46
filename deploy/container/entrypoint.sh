#!/bin/sh
# Runs `videovisual serve` with the container's folders and settings; it gets all arguments.
set -eu
run=${VIDEOVISUAL_RUN_FOLDER:-/tmp/videovisual}
# Remove what a killed earlier start of this container left: its process ids are no longer valid.
rm -rf "$run/tmp" "$run/store"
mkdir -p "$run/store"
# The image's archives, then those that are mounted.
for archive in /opt/videovisual/store/*.mar /models/*.mar; do
    if [ -f "$archive" ]; then
        ln -sf "$archive" "$run/store/"
    fi
done
# TorchServe's output goes to the container's log.
ln -sf /dev/stderr "$run/torchserve.log"
exec videovisual serve --store "$run/store" --run-folder "$run" \
    --config /opt/videovisual/config.properties --log-config /opt/videovisual/log4j2.xml "$@"
