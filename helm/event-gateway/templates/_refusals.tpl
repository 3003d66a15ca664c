{{- /* Settings that the schema can't refuse: the names and messages that tests/it/process/helm.rs expects. */ -}}

{{- /* Variables that shape the pod, its ports, its files and its place among others, each with the value that sets it;
      "": the chart fixes it. tests/it/process/helm/settings.rs holds both lists against the pod's template. */ -}}
{{- define "event-gateway.variablesOfThePod" -}}
BROKER: broker
CREDENTIALS_DIR: kafkaListener.credentialsSecretName
HTTP_HOST: listenHost
HTTP_PORT: ""
HTTP_TLS_CERT: tls.secretName
HTTP_TLS_KEY: tls.secretName
KAFKA_LISTEN_ADVERTISED: kafkaListener.advertised
KAFKA_LISTEN_CACHE_DIR: ""
KAFKA_LISTEN_CACHE_MB: kafkaListener.cacheMb
KAFKA_LISTEN_HOST: listenHost
KAFKA_LISTEN_PORT: kafkaListener.port
POD_IP: ""
REPLICA: ""
SUBSCRIPTIONS_DIR: ""
TENANTS_DIR: ""
{{- end -}}

{{- /* All other variables that the pod's template sets, each with the value that sets it. */ -}}
{{- define "event-gateway.variablesOfValues" -}}
AUTH_AUDIENCE: auth.audience
AUTH_ISSUERS: auth.issuers
AUTH_METRICS: auth.metrics
AUTH_MODE: auth.mode
AUTH_OKAPI_KEY_FILE: auth.okapiKeySecret
AUTH_OPERATOR_ISSUERS: auth.operatorIssuers
DB_DATABASE: store.postgres.database
DB_HOST: store.postgres.host
DB_MAXPOOLSIZE: store.postgres.maxPoolSize
DB_PASSWORD: store.postgres.passwordSecret
DB_PORT: store.postgres.port
DB_SERVER_PEM: store.postgres.serverPemSecret
DB_USERNAME: store.postgres.username
ENV: env
HEXKIT_MONGODB_URL: hexkit.mongodbUrlSecret
KAFKA_HOST: kafka.hosts
KAFKA_PORT: kafka.port
KAFKA_SASL_MECHANISM: kafka.sasl.mechanism
KAFKA_SASL_OAUTHBEARER_CLIENT_ID: kafka.oauthbearer.clientId
KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: kafka.oauthbearer.clientSecretSecret
KAFKA_SASL_OAUTHBEARER_SCOPE: kafka.oauthbearer.scope
KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: kafka.oauthbearer.tokenEndpointUrl
KAFKA_SASL_PASSWORD: kafka.sasl.passwordSecret
KAFKA_SASL_USERNAME: kafka.sasl.usernameSecret
KAFKA_SECURITY_PROTOCOL: kafka.securityProtocol
KAFKA_SSL_KEYSTORE_LOCATION: kafka.keystoreSecret
KAFKA_SSL_KEYSTORE_PASSWORD: kafka.keystorePasswordSecret
KAFKA_SSL_TRUSTSTORE_LOCATION: kafka.truststoreSecret
KAFKA_SSL_TRUSTSTORE_PASSWORD: kafka.truststorePasswordSecret
LOG_LEVEL: logLevel
OTEL_EXPORTER_OTLP_ENDPOINT: traces.collector
OTEL_EXPORTER_OTLP_HEADERS: traces.headersSecret
OTEL_TRACES_SAMPLER: traces.sampler
OTEL_TRACES_SAMPLER_ARG: traces.samplerArg
STORE_URL: store.urlSecret
{{- end -}}

{{- /* Fails for a variable that the chart itself sets: [name, where, by]. */ -}}
{{- define "event-gateway.refuseOwn" -}}
{{- $who := ternary (printf "the value %s sets it" .by) "the chart fixes it" (ne .by "") -}}
{{- fail (printf "%s is not taken in %s: %s" .name .where $who) -}}
{{- end -}}

{{- /* Fails if a text has a URL with a user before its host: [path, value], the path of a text, a list or a map. */ -}}
{{- define "event-gateway.refuseUsers" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $name, $value := .value -}}
{{- include "event-gateway.refuseUsers" (dict "path" (printf "%s.%s" $path $name) "value" $value) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $at, $value := .value -}}
{{- include "event-gateway.refuseUsers" (dict "path" (printf "%s[%d]" $path $at) "value" $value) -}}
{{- end -}}
{{- else if regexMatch "://[^/\\s]*@" (toString .value) -}}
{{- fail (printf "%s has a user or a password in its URL, which is a secret: name the Secret that has it, by a value of its own or in extraEnv" (trimPrefix "." $path)) -}}
{{- end -}}
{{- end -}}

{{- define "event-gateway.refusals" -}}
{{- $values := .Values -}}
{{- if not .Values.auth.mode -}}
{{- fail "auth.mode must be set: perimeter (Okapi or a sidecar in front checks tokens), okapi or keycloak" -}}
{{- end -}}
{{- if and (eq .Values.auth.mode "okapi") (not .Values.auth.okapiKeySecret.name) -}}
{{- fail "auth.okapiKeySecret.name must be set with auth.mode okapi: the Secret that has mod-authtoken's key" -}}
{{- end -}}
{{- if and (eq .Values.auth.mode "keycloak") (not .Values.auth.issuers) -}}
{{- fail "auth.issuers must be set with auth.mode keycloak" -}}
{{- end -}}
{{- if and (ne .Values.auth.mode "okapi") .Values.auth.okapiKeySecret.name -}}
{{- fail (printf "auth.okapiKeySecret has no effect with auth.mode %s" .Values.auth.mode) -}}
{{- end -}}
{{- range $name := list "issuers" "operatorIssuers" "audience" -}}
{{- if and (ne $values.auth.mode "keycloak") (index $values.auth $name) -}}
{{- fail (printf "auth.%s has no effect with auth.mode %s" $name $values.auth.mode) -}}
{{- end -}}
{{- end -}}

{{- if and (eq .Values.auth.mode "perimeter") (eq .Values.auth.metrics "closed") -}}
{{- fail "auth.metrics closed needs auth.mode okapi or keycloak: with perimeter nobody checks who reads them" -}}
{{- end -}}

{{- with .Values.store -}}
{{- if eq .kind "sqlite" -}}
{{- if $values.autoscaling.enabled -}}
{{- fail "store.kind sqlite has one replica, since its log is one file: autoscaling.enabled must be false" -}}
{{- end -}}
{{- if gt (int $values.replicas) 1 -}}
{{- fail (printf "store.kind sqlite has one replica, since its log is one file: replicas must be 1, not %d; use postgres or mongodb for more" (int $values.replicas)) -}}
{{- end -}}
{{- if .urlSecret.name -}}
{{- fail "store.urlSecret has no effect with store.kind sqlite, whose log is on the chart's own volume" -}}
{{- end -}}
{{- else if and (eq .kind "mongodb") (not .urlSecret.name) -}}
{{- fail "store.urlSecret.name must be set with store.kind mongodb: the Secret that has the STORE_URL" -}}
{{- else if and (not .urlSecret.name) (not .postgres.host) -}}
{{- fail "store.urlSecret.name or store.postgres.host must be set with store.kind postgres" -}}
{{- else if and .urlSecret.name .postgres.host -}}
{{- fail "store.urlSecret and store.postgres.host exclude each other" -}}
{{- end -}}
{{- if and .postgres.host (ne .kind "postgres") -}}
{{- fail (printf "store.postgres.host has no effect with store.kind %s" .kind) -}}
{{- end -}}
{{- if and .postgres.host (not .postgres.passwordSecret.name) -}}
{{- fail "store.postgres.passwordSecret.name must be set: the Secret that has DB_PASSWORD" -}}
{{- end -}}
{{- end -}}

{{- if and (eq .Values.broker "kafka") (not .Values.kafka.hosts) -}}
{{- fail "kafka.hosts must be set, or broker: none" -}}
{{- end -}}
{{- if and (ne .Values.broker "kafka") .Values.kafka.hosts -}}
{{- fail (printf "kafka.hosts has no effect with broker %s" .Values.broker) -}}
{{- end -}}
{{- if eq .Values.broker "kafka" -}}
{{- with .Values.kafka -}}
{{- $sasl := hasPrefix "SASL_" .securityProtocol -}}
{{- if and $sasl (not .sasl.mechanism) -}}
{{- fail (printf "kafka.sasl.mechanism must be set with kafka.securityProtocol %s" .securityProtocol) -}}
{{- end -}}
{{- $of_sasl := dict "sasl.mechanism" .sasl.mechanism "sasl.usernameSecret" .sasl.usernameSecret.name "sasl.passwordSecret" .sasl.passwordSecret.name "oauthbearer.tokenEndpointUrl" .oauthbearer.tokenEndpointUrl "oauthbearer.clientId" .oauthbearer.clientId "oauthbearer.clientSecretSecret" .oauthbearer.clientSecretSecret.name -}}
{{- range $name, $value := $of_sasl -}}
{{- if and $value (not $sasl) -}}
{{- fail (printf "kafka.%s needs kafka.securityProtocol SASL_PLAINTEXT or SASL_SSL, not %s" $name $values.kafka.securityProtocol) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "truststoreSecret" "keystoreSecret" -}}
{{- if and (index $values.kafka $name).name (not (hasSuffix "SSL" $values.kafka.securityProtocol)) -}}
{{- fail (printf "kafka.%s needs kafka.securityProtocol SSL or SASL_SSL, not %s" $name $values.kafka.securityProtocol) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $traces := dict "sampler" .Values.traces.sampler "samplerArg" .Values.traces.samplerArg "headersSecret" .Values.traces.headersSecret.name -}}
{{- range $name, $value := $traces -}}
{{- if and (ne (toString $value) "") (not $values.traces.collector) (not (hasKey $values.settings "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) -}}
{{- fail (printf "traces.%s needs traces.collector" $name) -}}
{{- end -}}
{{- end -}}
{{- /* A key, a volume or a path that is there twice makes an illegal manifest. */ -}}
{{- $labels := dict "podLabels" .Values.podLabels "serviceMonitor.labels" .Values.serviceMonitor.labels "podMonitor.labels" .Values.podMonitor.labels "prometheusRule.labels" .Values.prometheusRule.labels "dashboards.labels" .Values.dashboards.labels -}}
{{- range $own := include "event-gateway.labels" . | fromYaml | keys | sortAlpha -}}
{{- range $name, $value := $labels -}}
{{- if hasKey $value $own -}}
{{- fail (printf "%s: the chart itself sets %s" $name $own) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.podAnnotations "checksum/tenants" -}}
{{- fail "podAnnotations: the chart itself sets checksum/tenants" -}}
{{- end -}}
{{- $pod := include "event-gateway.pod" . | fromYaml -}}
{{- $all := ternary (list "data") list (eq .Values.store.kind "sqlite") -}}
{{- range $pod.spec.volumes -}}
{{- if has .name $all -}}
{{- fail (printf "extraVolumes: the volume %s is there already" .name) -}}
{{- end -}}
{{- $all = append $all .name -}}
{{- end -}}
{{- $all = list -}}
{{- range (first $pod.spec.containers).volumeMounts -}}
{{- if has .mountPath $all -}}
{{- fail (printf "extraVolumeMounts: the path %s is mounted already" .mountPath) -}}
{{- end -}}
{{- $all = append $all .mountPath -}}
{{- end -}}
{{- with .Values.kafkaListener -}}
{{- if and .advertised (not .port) -}}
{{- fail "kafkaListener.advertised needs kafkaListener.port" -}}
{{- end -}}
{{- if and .advertised (include "event-gateway.hasSeveral" $) -}}
{{- fail "kafkaListener.advertised is one address, and each of several pods tells Kafka's clients its own: leave it empty, or have one replica" -}}
{{- end -}}
{{- if and .port (eq $.Values.auth.mode "perimeter") (not .credentialsSecretName) (ne $.Values.service.type "ClusterIP") -}}
{{- fail (printf "kafkaListener.port lets each client in with auth.mode perimeter, and a service of type %s is reached from outside" $.Values.service.type) -}}
{{- end -}}
{{- if and .port (has (int .port) (list 8081 (int $.Values.service.port))) -}}
{{- fail "kafkaListener.port is the port of HTTP" -}}
{{- end -}}
{{- if and .credentialsSecretName (not .port) -}}
{{- fail "kafkaListener.credentialsSecretName needs kafkaListener.port" -}}
{{- end -}}
{{- if and (eq $.Values.broker "embedded") (not .port) -}}
{{- fail "broker embedded needs kafkaListener.port, where Kafka's clients read" -}}
{{- end -}}
{{- end -}}

{{- range $name := list "tenants" "subscriptions" -}}
{{- with index $.Values $name -}}
{{- if and .files .existingConfigMaps -}}
{{- fail (printf "%s.files and %s.existingConfigMaps exclude each other" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.tenants.files -}}
{{- if not (regexMatch "^[-_a-zA-Z0-9]+\\.toml$" $name) -}}
{{- fail (printf "tenants.files: the name %s must have letters, digits, _ and - alone, and end with .toml" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.subscriptions.files -}}
{{- if not (regexMatch "^cg\\.[-._a-z0-9]+\\.toml$" $name) -}}
{{- fail (printf "subscriptions.files: the name %s must begin with cg., have small letters, digits, ., _ and - alone, and end with .toml" $name) -}}
{{- end -}}
{{- end -}}

{{- /* Secrets are named, never written down: a release keeps its values in the cluster, and git has the file. */ -}}
{{- $secret := "^(STORE_URL|KAFKA_(CONFIG_)?SASL_USERNAME|KAFKA_CONFIG_SASL_OAUTHBEARER_CONFIG|AUTH_OKAPI_KEY|HEXKIT_MONGODB_URL|OTEL_EXPORTER_OTLP_(TRACES_)?HEADERS)$|_(PASSWORD|PASSPHRASE|SECRET|KEY_PEM)$" -}}
{{- range $name, $value := .Values.settings -}}
{{- if regexMatch $secret $name -}}
{{- fail (printf "settings.%s is a secret: name the Secret that has it, by the value of its own or in extraEnv" $name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and (hasKey . "value") (regexMatch $secret .name) -}}
{{- fail (printf "extraEnv: %s is a secret: give it by valueFrom.secretKeyRef, not by value" .name) -}}
{{- end -}}
{{- end -}}

{{- /* The chart's own variables have one place each; those of the pod must fit its ports, probes and files. */ -}}
{{- $ofThePod := include "event-gateway.variablesOfThePod" . | fromYaml -}}
{{- $own := include "event-gateway.variablesOfValues" . | fromYaml | merge (dict) $ofThePod -}}
{{- range $name, $_ := .Values.settings -}}
{{- if hasKey $own $name -}}
{{- include "event-gateway.refuseOwn" (dict "name" $name "where" "settings" "by" (get $own $name)) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasKey $ofThePod .name -}}
{{- include "event-gateway.refuseOwn" (dict "name" .name "where" "extraEnv" "by" (get $ofThePod .name)) -}}
{{- end -}}
{{- end -}}

{{- /* What an umbrella chart shares with all of its charts is none of this chart's values. */ -}}
{{- include "event-gateway.refuseUsers" (dict "path" "" "value" (omit .Values "global")) -}}

{{- /* Twice in one container, the later one would count, and nothing would say so. */ -}}
{{- $all = list -}}
{{- range include "event-gateway.env" . | fromYamlArray -}}
{{- if has .name $all -}}
{{- fail (printf "%s is set twice: by extraEnv, and by another of its entries or another value of the chart" .name) -}}
{{- end -}}
{{- $all = append $all .name -}}
{{- end -}}

{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSeconds) 15 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds must be at least preStopSeconds + 15, which is %d: the gateway takes up to 10 s to stop" (add (int .Values.preStopSeconds) 15 | int)) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas must not be above autoscaling.maxReplicas" -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- /* Kubernetes takes a limit for the request that is not there. */ -}}
{{- $resources := default dict .Values.resources -}}
{{- $requests := default dict (get $resources "requests") -}}
{{- $limits := default dict (get $resources "limits") -}}
{{- $cpu := ternary (get $requests "cpu") (get $limits "cpu") (hasKey $requests "cpu") -}}
{{- if not (regexMatch "[1-9]" (toString $cpu)) -}}
{{- fail "autoscaling.enabled needs resources.requests.cpu, of which it goes by a share" -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.serviceMonitor.enabled .Values.podMonitor.enabled) (ne .Values.auth.mode "perimeter") (ne .Values.auth.metrics "open") -}}
{{- fail (printf "serviceMonitor and podMonitor need auth.metrics: open with auth.mode %s, since Prometheus has no token; limit its readers by networkPolicy" .Values.auth.mode) -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor and podMonitor exclude each other: every sample would be there twice" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs must name a Gateway" -}}
{{- end -}}
{{- end -}}
