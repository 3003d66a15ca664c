# shellcheck shell=bash
# Sourced by scripts/services and scripts/postgres/server: where PostgreSQL's programs lie, and
# what the servers that we make let in.

# The superuser, who comes with a password alone. Whoever finds it may have these servers.
postgres_user=postgres
postgres_password=only-for-tests

# Prints the folder of the newest version's programs. Debian keeps them out of PATH.
postgres_bin() {
  local server newest=
  for server in /usr/lib/postgresql/*/bin/postgres; do
    [[ ! -x $server ]] || newest=$(printf '%s\n' "$newest" "$server" | sort -V | tail -n 1)
  done
  [[ -n $newest ]] || newest=$(command -v postgres) || return
  dirname "$newest"
}
