# shellcheck shell=bash
# Sourced by scripts/services: where the Python that has schemathesis and openapi-spec-validator lies.

# Shared by all clones. Other versions in requirements.txt need another folder name here.
OPENAPI_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/schemathesis-4.32.5

fetch_openapi() {
  once "$OPENAPI_HOME" "installing schemathesis into" make_venv "$OPENAPI_HOME" "$root/scripts/openapi/requirements.txt"
}
