# shellcheck shell=bash
# Sourced by the scripts that fetch what the tests need: how a folder of the cache, which all clones share, is filled.

# once FOLDER NOTE COMMAND...: prints the note and has the command fill the folder, unless this or another clone did.
# An interrupted command leaves no mark.
once() (
  folder=$1
  [[ ! -e $folder/installed ]] || exit 0
  echo "$2 $folder" >&2
  mkdir -p "$folder"
  # Another clone may be at it.
  exec 8>"$folder/lock"
  flock 8
  [[ ! -e $folder/installed ]] || exit 0
  "${@:3}" || exit
  touch "$folder/installed"
)

# make_venv FOLDER REQUIREMENTS: makes a virtual environment of Python that has what the file lists, and nothing else.
make_venv() {
  python3 -m venv --clear "$1/venv" >&2 &&
    "$1/venv/bin/python" -m pip install -q --no-deps --only-binary :all: --disable-pip-version-check -r "$2" >&2
}

# unpack_package PACKAGE FOLDER: downloads a package of Debian into the present folder, and unpacks it without
# installing it.
unpack_package() {
  # A bare machine has no package lists, or old ones.
  download_package "$1" || { update_lists && download_package "$1"; } || return
  dpkg-deb -x "$1"_*.deb "$2"
}

# In a folder of ours, which apt's own user can't write to.
download_package() {
  apt-get -qq -o APT::Sandbox::User=root download "$1" >&2
}

update_lists() {
  if ((EUID == 0)); then apt-get -qq update >&2; else sudo -n apt-get -qq update >&2; fi
}

# need_go PROGRAM: adds Go to the path, which builds the program. The least version is the one that Helm needs.
need_go() {
  PATH=$PATH:/usr/local/go/bin
  command -v go >/dev/null || die "go is missing: install Go 1.26 or newer, which builds $1"
}
