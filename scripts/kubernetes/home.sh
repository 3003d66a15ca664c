# shellcheck shell=bash
# Sourced by scripts/services and scripts/kubernetes/*: where Helm, kubeconform, the schemas of Kubernetes's objects and
# Kubernetes's API server lie.

helm_version=4.3.1
kubeconform_version=0.7.0
kubernetes_version=1.34.4
gateway_api_version=1.3.0
prometheus_operator_version=0.85.0
# Shared by all clones. A changed schemas.py needs another number at the end.
KUBERNETES_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/kubernetes-$kubernetes_version-helm-$helm_version-1
API_SERVER_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/kube-apiserver-$kubernetes_version
# Debian's own, whose PyYAML a package installs.
kubernetes_python=/usr/bin/python3

# Builds the tools and writes the schemas, which takes three minutes on two cores.
fetch_kubernetes() {
  once "$KUBERNETES_HOME" "building Helm and kubeconform in" build_tools
}

# Builds Kubernetes's API server, which takes 8 to 23 minutes on two cores, and fetches Debian's etcd and the definitions
# of the kinds that are not Kubernetes's own.
fetch_api_server() {
  once "$API_SERVER_HOME" "building Kubernetes's API server in" make_api_server
}

build_tools() {
  need_go Helm
  # Modules are looked up in an empty one.
  new=$KUBERNETES_HOME/new
  rm -rf "$new" && mkdir -p "$new" && cd "$new" || return
  export GOBIN=$KUBERNETES_HOME/bin GOFLAGS=-modcacherw
  go install "helm.sh/helm/v4/cmd/helm@v$helm_version" >&2 || return
  go install "github.com/yannh/kubeconform/cmd/kubeconform@v$kubeconform_version" >&2 || return
  go mod init schemas 2>/dev/null || return
  local kubernetes gateway_api operator monitoring=example/prometheus-operator-crd/monitoring.coreos.com
  kubernetes=$(module "k8s.io/kubernetes@v$kubernetes_version") || return
  gateway_api=$(module "sigs.k8s.io/gateway-api@v$gateway_api_version") || return
  operator=$(module "github.com/prometheus-operator/prometheus-operator@v$prometheus_operator_version") || return
  rm -rf "$KUBERNETES_HOME/schemas" && mkdir "$KUBERNETES_HOME/schemas" || return
  "$kubernetes_python" "$root/scripts/kubernetes/schemas.py" "$KUBERNETES_HOME/schemas" \
    "$kubernetes/api/openapi-spec/swagger.json" \
    "$gateway_api/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml" \
    "$operator/$monitoring"_{podmonitors,prometheusrules,servicemonitors}.yaml || return
  rm -rf "$new"
}

make_api_server() {
  need_go "the API server"
  new=$API_SERVER_HOME/new
  rm -rf "$new" && mkdir -p "$new" && cd "$new" || return
  export GOFLAGS=-modcacherw
  go mod init apiserver 2>/dev/null || return
  copy_definitions || return
  unpack_package etcd-server etcd || return
  build_api_server || return
  mv etcd/usr/bin/etcd kube-apiserver definitions "$API_SERVER_HOME/" || return
  cd .. && rm -rf "$new"
}

copy_definitions() {
  local gateway_api operator monitoring=example/prometheus-operator-crd/monitoring.coreos.com
  gateway_api=$(module "sigs.k8s.io/gateway-api@v$gateway_api_version") || return
  operator=$(module "github.com/prometheus-operator/prometheus-operator@v$prometheus_operator_version") || return
  rm -rf "$API_SERVER_HOME/definitions" && mkdir definitions &&
    cp "$gateway_api/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml" \
      "$operator/$monitoring"_{podmonitors,prometheusrules,servicemonitors}.yaml definitions
}

# `go install` can't build it: the modules that it consists of are folders of its repository, and are published under
# numbers of their own.
build_api_server() {
  local kubernetes part flags version=k8s.io/component-base/version
  kubernetes=$(module "k8s.io/kubernetes@v$kubernetes_version") || return
  for part in $(sed -n 's|.*=> ./staging/src/\(k8s.io/.*\)|\1|p' "$kubernetes/go.mod"); do
    go mod edit -replace "$part=$part@v0.${kubernetes_version#*.}" || return
  done
  go mod edit -require "k8s.io/kubernetes@v$kubernetes_version" || return
  cp "$kubernetes/cmd/kube-apiserver/apiserver.go" . || return
  # Clients ask the server for its version, which the sources don't have.
  flags="-s -w -X $version.gitVersion=v$kubernetes_version -X $version.gitMajor=1 -X $version.gitMinor=34"
  # One package at a time: some take a gigabyte to compile.
  nice go build -mod=mod -p 1 -trimpath -ldflags "$flags" -o kube-apiserver . >&2
}

# Downloads a module, and prints its folder.
module() {
  go mod download -json "$1" | "$kubernetes_python" -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'
}
