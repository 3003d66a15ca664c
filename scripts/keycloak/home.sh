# shellcheck shell=bash
# Sourced by scripts/services and scripts/keycloak/server: where Keycloak lies.

keycloak_version=26.7.3
# Shared by all clones.
KEYCLOAK_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/keycloak-$keycloak_version

# Downloads Keycloak unless it is there. An interrupted download leaves no server folder.
fetch_keycloak() (
  [[ ! -d $KEYCLOAK_HOME/server ]] || exit 0
  echo "downloading Keycloak into $KEYCLOAK_HOME" >&2
  new=$KEYCLOAK_HOME/new.$$
  trap 'rm -rf "$new"' EXIT
  mkdir -p "$new"
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dtransitive=false \
    "-Dartifact=org.keycloak:keycloak-quarkus-dist:$keycloak_version:zip" >&2 || exit
  local zip=keycloak-quarkus-dist/$keycloak_version/keycloak-quarkus-dist-$keycloak_version.zip
  python3 -m zipfile -e "$HOME/.m2/repository/org/keycloak/$zip" "$new" >&2 || exit
  # Another clone may have been faster.
  mv -T "$new/keycloak-$keycloak_version" "$KEYCLOAK_HOME/server" 2>/dev/null ||
    [[ -d $KEYCLOAK_HOME/server ]]
)
