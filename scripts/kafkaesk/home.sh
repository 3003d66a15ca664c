# shellcheck shell=bash
# Sourced by scripts/services: where the Python that has kafkaesk lies.

# Shared by all clones. Other versions in requirements.txt need another folder name here.
KAFKAESK_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/kafkaesk-0.8.7

fetch_kafkaesk() {
  once "$KAFKAESK_HOME" "installing kafkaesk into" make_venv "$KAFKAESK_HOME" "$root/scripts/kafkaesk/requirements.txt"
}
