#!/bin/sh
# Enqueue, list failures as JSON, requeue some of them by a jq filter. Needs jq; Redis by RQ_REDIS_URL.
set -eu

rq-rs enqueue resize cat.jpg width:=640 >/dev/null
rq-rs enqueue resize dog.jpg width:=-1 >/dev/null
rq-rs enqueue charge 4711 >/dev/null

# Any program is a handler. These fail for a width below zero, and always.
resize='sh -c "jq -e .kwargs.width\>0"'
rq-rs worker --burst --quiet --exec "resize=$resize" --exec 'charge=false' 2>/dev/null

echo "failed: $(rq-rs failed --json | jq -r '[.[].handler] | sort | join(" ")')"

# Only what failed in resizing goes back.
rq-rs failed --json | jq -r '.[] | select(.handler == "resize") | .id' | rq-rs requeue -

echo "waiting: $(rq-rs info --json | jq '.queues[0].queued'), failed: $(rq-rs info --json | jq '.queues[0].failed')"
