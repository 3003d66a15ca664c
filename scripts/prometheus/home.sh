# shellcheck shell=bash
# Sourced by scripts/services: where Prometheus and promtool lie. They are those of Debian's package, which is unpacked
# and not installed, so that the system gets no service of it.

# Shared by all clones.
PROMETHEUS_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/prometheus-debian-1

fetch_prometheus() {
  once "$PROMETHEUS_HOME" "unpacking Debian's Prometheus in" unpack_prometheus
}

unpack_prometheus() {
  command -v apt-get >/dev/null || die "apt-get is missing: Prometheus is taken from Debian's package"
  new=$PROMETHEUS_HOME/new
  rm -rf "$new" && mkdir -p "$new" && cd "$new" || return
  unpack_package prometheus . || return
  mkdir -p "$PROMETHEUS_HOME/bin"
  mv -f usr/bin/prometheus usr/bin/promtool "$PROMETHEUS_HOME/bin" || return
  cd / && rm -rf "$new"
}
