# shellcheck shell=bash
# Sourced by scripts/services: where the Python that has hexkit lies.

# Shared by all clones. Other versions in requirements.txt need another folder name here.
HEXKIT_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/hexkit-9.0.3-clients-1

fetch_hexkit() {
  once "$HEXKIT_HOME" "installing hexkit into" make_venv "$HEXKIT_HOME" "$root/scripts/hexkit/requirements.txt"
}
