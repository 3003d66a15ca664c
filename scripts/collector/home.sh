# shellcheck shell=bash
# Sourced by scripts/services: where OpenTelemetry's collector lies.

collector_version=0.165
# Shared by all clones. A changed main.go needs another number at the end.
COLLECTOR_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/collector-$collector_version-1

# Builds the collector, which takes two minutes on two cores.
fetch_collector() {
  once "$COLLECTOR_HOME" "building OpenTelemetry's collector in" build_collector
}

build_collector() {
  need_go "OpenTelemetry's collector"
  new=$COLLECTOR_HOME/new
  rm -rf "$new" && mkdir -p "$new" && cd "$new" || return
  export GOFLAGS=-modcacherw
  cp "$root/scripts/collector/main.go" . && go mod init collector 2>/dev/null || return
  local core=go.opentelemetry.io/collector
  for module in $core/{otelcol,receiver/otlpreceiver,service}@v$collector_version.0 \
    $core/confmap/provider/fileprovider@v1.71.0 \
    github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter@v$collector_version.1; do
    go mod edit -require "$module" || return
  done
  go build -mod=mod -trimpath -ldflags=-s -o ../collector . >&2 || return
  cd .. && rm -rf "$new"
}
