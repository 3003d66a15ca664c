# shellcheck shell=bash
# Sourced by scripts/services and scripts/kafka/broker: where the Kafka jars lie.

# Shared by all clones. A changed pom.xml needs another folder name here.
KAFKA_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/kafka-4.1.0-tools-1

# Downloads the jars unless they are there. An interrupted download leaves no libs folder.
fetch_kafka() (
  [[ ! -d $KAFKA_HOME/libs ]] || exit 0
  echo "downloading Kafka into $KAFKA_HOME" >&2
  new=$KAFKA_HOME/new.$$
  trap 'rm -rf "$new"' EXIT
  mkdir -p "$new"
  mvn -q -B -f "$(dirname "${BASH_SOURCE[0]}")/pom.xml" \
    dependency:copy-dependencies "-DoutputDirectory=$new" >&2 || exit
  # Another clone may have been faster.
  mv -T "$new" "$KAFKA_HOME/libs" 2>/dev/null || [[ -d $KAFKA_HOME/libs ]]
)
