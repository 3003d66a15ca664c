# shellcheck shell=bash
# Sourced by scripts/services: where the Python that has hexkit lies.

# Shared by all clones. Other versions in requirements.txt need another folder name here.
HEXKIT_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/hexkit-9.0.3

# Makes the virtual environment unless it is there. An interrupted installation leaves no mark.
fetch_hexkit() (
  [[ ! -e $HEXKIT_HOME/installed ]] || exit 0
  echo "installing hexkit into $HEXKIT_HOME" >&2
  mkdir -p "$HEXKIT_HOME"
  # Another clone may be at it.
  exec 8>"$HEXKIT_HOME/lock"
  flock 8
  [[ ! -e $HEXKIT_HOME/installed ]] || exit 0
  python3 -m venv --clear "$HEXKIT_HOME/venv" >&2 || exit
  "$HEXKIT_HOME/venv/bin/python" -m pip install -q --no-deps --only-binary :all: --disable-pip-version-check \
    -r "$root/scripts/hexkit/requirements.txt" >&2 || exit
  touch "$HEXKIT_HOME/installed"
)
