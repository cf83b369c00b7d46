#!/bin/sh
# Runs `videovisual serve`, or `videovisual explainer` if that is the first argument, with the
# container's folders and settings; the command gets all other arguments.
set -eu
here=$(dirname "$0")
run=${VIDEOVISUAL_RUN_FOLDER:-/tmp/videovisual}
# Remove what a killed earlier start of this container left: its process ids are no longer valid.
rm -rf "$run/tmp" "$run/store" "$run/url"
mkdir -p "$run/store"
uvicorn="--host 0.0.0.0 --log-config $here/uvicorn.json"
if [ "${1-}" = explainer ]; then
    shift
    # shellcheck disable=SC2086
    exec videovisual explainer --run-folder "$run" $uvicorn "$@"
fi
# The image's archives, then those that are mounted, by KServe at /mnt/models.
for archive in "$here"/store/*.mar /models/*.mar /mnt/models/*.mar; do
    if [ -f "$archive" ]; then
        ln -sf "$archive" "$run/store/"
    fi
done
server=${VIDEOVISUAL_SERVER:-torchserve}
before=
for argument in "$@"; do
    if [ "$before" = --server ]; then
        server=$argument
    fi
    case $argument in
        --server=*) server=${argument#--server=} ;;
    esac
    before=$argument
done
if [ "$server" = uvicorn ]; then
    settings=$uvicorn
else
    # TorchServe's output goes to the container's log.
    ln -sf /dev/stderr "$run/torchserve.log"
    settings="--config $here/config.properties --log-config $here/log4j2.xml"
fi
# shellcheck disable=SC2086
exec videovisual serve --store "$run/store" --run-folder "$run" $settings "$@"
