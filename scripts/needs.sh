# shellcheck shell=bash
# Sourced by run, test, .ci/run and scripts/services: what a bare Debian lacks is
# collected with `need`, then installed at once where we may, else named.

missing=()

# need PACKAGE TEST...: the Debian PACKAGE is missing when the command TEST fails.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

# What `cargo build` needs: librdkafka is compiled from source, with zlib, OpenSSL and curl (for OAUTHBEARER).
need_to_build() {
  # cargo is not Debian's: theirs is too old.
  if ! command -v cargo >/dev/null; then
    PATH=$HOME/.cargo/bin:$PATH
    command -v cargo >/dev/null || die "cargo is missing: install Rust 1.95 or newer with rustup"
  fi
  need g++ command -v g++
  need make command -v make
  need pkg-config command -v pkg-config
  need libssl-dev pkg-config --exists openssl
  need zlib1g-dev pkg-config --exists zlib
  need libcurl4-openssl-dev pkg-config --exists libcurl
}

# Installs everything found missing, or says what to install. Speaks on stderr only.
install_needs() {
  ((${#missing[@]})) || return 0
  local as_root=() apt install
  ((EUID == 0)) || as_root=(sudo -n)
  if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    die "missing; as root: apt-get install ${missing[*]}"
  fi

  echo "installing: ${missing[*]}" >&2
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    # The package would make a cluster of its own, and start it.
    "${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' |
      "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/event-gateway.conf >/dev/null
  fi
  # The package of PgBouncer would start one: a policy says that nothing is started meanwhile.
  local policy=/usr/sbin/policy-rc.d ours= failed=
  if [[ " ${missing[*]} " == *" pgbouncer "* && ! -e $policy ]]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod +x "$policy"
  fi
  install=("${apt[@]}" install --no-install-recommends "${missing[@]}")
  # A bare machine has no package lists, or old ones.
  { "${install[@]}" || { "${apt[@]}" update && "${install[@]}"; }; } >&2 || failed=yes
  [[ -z $ours ]] || "${as_root[@]}" rm -f "$policy"
  [[ -z $failed ]] || die "failed to install; as root: apt-get install ${missing[*]}"
  missing=()
}

die() {
  echo "$*" >&2
  exit 1
}
