# shellcheck shell=bash
# Sourced by scripts/services and scripts/kafka/broker: where the Kafka jars lie.

# Shared by all clones. A changed pom.xml needs another folder name here.
KAFKA_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/kafka-4.1.0-tools-1
# Java's newest client and the frameworks that tests read with: a changed readers.xml needs another folder name.
KAFKA_READERS_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/event-gateway/kafka-readers-2

# Downloads the jars of Kafka and of the frameworks, unless they are there.
fetch_kafka() {
  fetch_jars pom.xml "$KAFKA_HOME" && fetch_jars readers.xml "$KAFKA_READERS_HOME"
}

# fetch_jars POM HOME: an interrupted download leaves no libs folder.
fetch_jars() (
  [[ ! -d $2/libs ]] || exit 0
  echo "downloading the jars of $1 into $2" >&2
  new=$2/new.$$
  trap 'rm -rf "$new"' EXIT
  mkdir -p "$new"
  mvn -q -B -f "$(dirname "${BASH_SOURCE[0]}")/$1" \
    dependency:copy-dependencies "-DoutputDirectory=$new" >&2 || exit
  # Another clone may have been faster.
  mv -T "$new" "$2/libs" 2>/dev/null || [[ -d $2/libs ]]
)
