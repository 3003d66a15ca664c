# shellcheck shell=bash
# Sourced by scripts/services: where the Python that has schemathesis and openapi-spec-validator lies.

# Shared by all clones. Other versions in requirements.txt need another folder name here.
OPENAPI_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/schemathesis-4.32.5

# Makes the virtual environment unless it is there. An interrupted installation leaves no mark.
fetch_openapi() (
  [[ ! -e $OPENAPI_HOME/installed ]] || exit 0
  echo "installing schemathesis into $OPENAPI_HOME" >&2
  mkdir -p "$OPENAPI_HOME"
  # Another clone may be at it.
  exec 8>"$OPENAPI_HOME/lock"
  flock 8
  [[ ! -e $OPENAPI_HOME/installed ]] || exit 0
  python3 -m venv --clear "$OPENAPI_HOME/venv" >&2 || exit
  "$OPENAPI_HOME/venv/bin/python" -m pip install -q --no-deps --only-binary :all: --disable-pip-version-check \
    -r "$root/scripts/openapi/requirements.txt" >&2 || exit
  touch "$OPENAPI_HOME/installed"
)
