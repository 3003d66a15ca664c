# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by benches/peers/run: hexkit, whose publisher stores in MongoDB, sends, and marks as sent.

# `plain` is its publisher that stores nothing.
workloads[hexkit]='single 32 1
plain 32 1'

hexkit_need() { :; }

hexkit_install() {
  if ! venv "$home" "$here/hexkit/requirements.txt"; then
    skipped_because="failed to install benches/peers/hexkit/requirements.txt"
    return 1
  fi
  version=$(sed -n 's/^hexkit.*==//p' "$here/hexkit/requirements.txt")
}

hexkit_start() { :; }
hexkit_stop() { :; }

hexkit_round() {
  local connections
  connections=$(awk -v name="$1" '$1 == name { print $2 }' <<<"${workloads[hexkit]}")
  "$home/venv/bin/python" "$here/hexkit/publish.py" --workload "$1" --topic "$2" \
    --kafka "$EVENT_GATEWAY_TEST_KAFKA" --mongodb "$EVENT_GATEWAY_TEST_MONGODB" \
    --records "$records" --tasks "$connections" --warm-up "$warm_up" --seconds "$seconds"
}
