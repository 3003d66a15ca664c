# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by benches/peers/run: the Strimzi Kafka Bridge, which stores nothing: what it accepts, Kafka has.

workloads[strimzi]='single 64 1
batch 8 100'

# In no registry: built from its source, at this tag.
strimzi_version=1.0.0
strimzi_source=${STRIMZI_SOURCE:-https://github.com/strimzi/strimzi-kafka-bridge}
strimzi_java=21
strimzi_ready_within_s=60
# For the first answers, and the last.
strimzi_patience_s=60

strimzi_need() {
  need wrk command -v wrk
  need curl command -v curl
  [[ ! -d $home/bridge-$strimzi_version ]] || return 0
  need git command -v git
  need maven command -v mvn
  need default-jdk-headless strimzi_jdk
}

# The first JDK that is new enough; Debian's newest may be too old.
strimzi_jdk() {
  local jdk
  for jdk in ${JAVA_HOME:+"$JAVA_HOME"} /usr/lib/jvm/*; do
    [[ -x $jdk/bin/javac ]] || continue
    (($("$jdk/bin/javac" -version 2>&1 | sed 's/[^0-9]*\([0-9]*\).*/\1/') >= strimzi_java)) || continue
    echo "$jdk"
    return
  done
  return 1
}

strimzi_install() {
  local jdk
  version=$strimzi_version
  if ! jdk=$(strimzi_jdk); then
    skipped_because="there is no JDK of version $strimzi_java or newer, neither in JAVA_HOME nor in /usr/lib/jvm"
    return 1
  fi
  strimzi_home=$jdk
  [[ ! -d $home/bridge-$strimzi_version ]] || return 0
  rm -rf "$home/source"
  if ! GIT_TERMINAL_PROMPT=0 timeout 300 git -c advice.detachedHead=false clone -q --depth 1 \
    --branch "$strimzi_version" "$strimzi_source" "$home/source" >&2; then
    skipped_because="failed to clone $strimzi_source at $strimzi_version; it is in no package registry"
    return 1
  fi
  echo "building the Strimzi Kafka Bridge $strimzi_version" >&2
  # Without its tests, and without what only they need.
  perl -0pi -e 's{<dependency>(?:(?!</dependency>).)*<scope>test</scope>.*?</dependency>}{}gs' "$home/source/pom.xml"
  if ! JAVA_HOME=$jdk mvn -q -B -Dstyle.color=never -f "$home/source/pom.xml" -Dcheckstyle.skip -Dspotbugs.skip \
    compile dependency:copy-dependencies -DincludeScope=runtime >&2; then
    skipped_because="failed to build $home/source"
    return 1
  fi
  mv "$home/source/target" "$home/bridge-$strimzi_version"
  rm -rf "$home/source"
}

strimzi_start() {
  local bridge=$home/bridge-$strimzi_version management until=$((SECONDS + strimzi_ready_within_s))
  read -r strimzi_port management < <(python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
  cat >"$home/application.properties" <<END
bridge.id=peers
kafka.bootstrap.servers=$EVENT_GATEWAY_TEST_KAFKA
kafka.producer.acks=all
kafka.producer.linger.ms=0
http.host=127.0.0.1
http.port=$strimzi_port
http.management.port=$management
END
  # It would log each request.
  printf '%s\n' 'rootLogger.level=warn' 'rootLogger.appenderRefs=out' 'rootLogger.appenderRef.out.ref=out' \
    'appender.out.type=Console' 'appender.out.name=out' >"$home/log4j2.properties"
  "$strimzi_home/bin/java" -Xmx1g "-Dlog4j2.configurationFile=file:$home/log4j2.properties" \
    "-Dvertx.cacheDirBase=$home/vertx" -cp "$bridge/classes:$bridge/dependency/*" \
    io.strimzi.kafka.bridge.Application "--config-file=$home/application.properties" >"$home/log" 2>&1 &
  strimzi_pid=$!
  running=strimzi
  until curl -fs -o "$home/ready" "http://127.0.0.1:$management/ready"; do
    if ! kill -0 "$strimzi_pid" 2>/dev/null || ((SECONDS > until)); then
      tail -n 40 "$home/log" >&2
      die "failed to start the Strimzi Kafka Bridge: the end of $home/log is above"
    fi
    sleep 0.5
  done
}

strimzi_stop() {
  kill "$strimzi_pid" 2>/dev/null || true
  wait "$strimzi_pid" || true
}

strimzi_round() {
  local connections each
  read -r connections each < <(awk -v name="$1" '$1 == name { print $2, $3 }' <<<"${workloads[strimzi]}")
  # It ends before that, when everything is answered.
  wrk -t 1 -c "$connections" -d "$((warm_up + seconds + strimzi_patience_s))" --timeout 30 -s "$here/strimzi/load.lua" \
    "http://127.0.0.1:$strimzi_port/topics/$2" -- \
    "$records" "$each" "$connections" "$warm_up" "$seconds" >"$home/wrk.log"
  if grep -E '^(wrong|unanswered) ' "$home/wrk.log" >&2; then cat "$home/wrk.log" >&2; fi
  sed -n 's/^result //p' "$home/wrk.log"
}
