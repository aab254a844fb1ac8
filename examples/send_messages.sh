#!/bin/sh
# Sends each line of a file, which has to be JSON, as a message: `sh examples/send_messages.sh emails lines.jsonl`.
set -eu
address=${ROLLCALL_URL:-http://localhost:8000}
while IFS= read -r line; do
  curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' \
    ${ROLLCALL_API_KEY:+--header} ${ROLLCALL_API_KEY:+"Authorization: Bearer $ROLLCALL_API_KEY"} \
    --data "{\"payload\": $line}" "$address/v1/queues/$1/messages"
  echo
done <"$2"
