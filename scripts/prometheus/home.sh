# shellcheck shell=bash
# Sourced by scripts/services: where Prometheus and promtool lie. They are those of Debian's package, which is unpacked
# and not installed, so that the system gets no service of it.

# Shared by all clones.
PROMETHEUS_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/prometheus-debian-1

# Downloads and unpacks the package unless that was done. An interrupted download leaves no mark.
fetch_prometheus() (
  [[ ! -e $PROMETHEUS_HOME/installed ]] || exit 0
  command -v apt-get >/dev/null || die "apt-get is missing: Prometheus is taken from Debian's package"
  echo "unpacking Debian's Prometheus in $PROMETHEUS_HOME" >&2
  mkdir -p "$PROMETHEUS_HOME"
  # Another clone may be at it.
  exec 8>"$PROMETHEUS_HOME/lock"
  flock 8
  [[ ! -e $PROMETHEUS_HOME/installed ]] || exit 0
  new=$PROMETHEUS_HOME/new
  rm -rf "$new" && mkdir -p "$new" && cd "$new" || exit
  # A bare machine has no package lists, or old ones.
  download || { update_lists && download; } || exit
  dpkg -x prometheus_*.deb . || exit
  mkdir -p "$PROMETHEUS_HOME/bin"
  mv -f usr/bin/prometheus usr/bin/promtool "$PROMETHEUS_HOME/bin" || exit
  cd / && rm -rf "$new"
  touch "$PROMETHEUS_HOME/installed"
)

# In a folder of ours, which apt's own user can't write to.
download() {
  apt-get -qq -o APT::Sandbox::User=root download prometheus >&2
}

update_lists() {
  if ((EUID == 0)); then apt-get -qq update >&2; else sudo -n apt-get -qq update >&2; fi
}
