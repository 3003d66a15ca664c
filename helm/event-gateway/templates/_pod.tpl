{{- /* The pod, which the Deployment and the StatefulSet share: its variables, its files, its container. */ -}}

{{- define "event-gateway.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret.name | quote }}
      key: {{ .secret.key | quote }}
{{ end -}}

{{- define "event-gateway.valueEnv" -}}
{{- if ne (toString .value) "" -}}
- name: {{ .name }}
  value: {{ toString .value | quote }}
{{ end -}}
{{- end -}}

{{- define "event-gateway.env" -}}
{{- $secret := "event-gateway.secretEnv" -}}
{{- $value := "event-gateway.valueEnv" -}}
{{ include $value (dict "name" "HTTP_HOST" "value" .Values.listenHost) -}}
- name: HTTP_PORT
  value: "8081"
- name: REPLICA
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: TENANTS_DIR
  value: /etc/event-gateway/tenants
{{ if include "event-gateway.hasSubscriptions" . -}}
- name: SUBSCRIPTIONS_DIR
  value: /etc/event-gateway/subscriptions
{{ end }}
{{- include $value (dict "name" "ENV" "value" .Values.env) }}
{{- include $value (dict "name" "LOG_LEVEL" "value" .Values.logLevel) }}
{{- if .Values.tls.secretName -}}
- name: HTTP_TLS_CERT
  value: /etc/event-gateway/tls/tls.crt
- name: HTTP_TLS_KEY
  value: /etc/event-gateway/tls/tls.key
{{ end }}
{{- with .Values.auth }}
{{- include $value (dict "name" "AUTH_MODE" "value" .mode) }}
{{- include $value (dict "name" "AUTH_METRICS" "value" .metrics) }}
{{- include $value (dict "name" "AUTH_ISSUERS" "value" (join "," .issuers)) }}
{{- include $value (dict "name" "AUTH_OPERATOR_ISSUERS" "value" (join "," .operatorIssuers)) }}
{{- include $value (dict "name" "AUTH_AUDIENCE" "value" .audience) }}
{{- if .okapiKeySecret.name -}}
- name: AUTH_OKAPI_KEY_FILE
  value: /etc/event-gateway/okapi/key
{{ end }}
{{- end }}
{{- with .Values.store }}
{{- if eq .kind "sqlite" -}}
- name: STORE_URL
  value: sqlite:///var/lib/event-gateway/event-gateway.db
{{ else if .urlSecret.name -}}
{{ include $secret (dict "name" "STORE_URL" "secret" .urlSecret) }}
{{- end }}
{{- if eq .kind "postgres" }}
{{- with .postgres }}
{{- if .host -}}
{{ include $value (dict "name" "DB_HOST" "value" .host) }}
{{- include $value (dict "name" "DB_PORT" "value" (int .port)) }}
{{- include $value (dict "name" "DB_USERNAME" "value" .username) }}
{{- include $value (dict "name" "DB_DATABASE" "value" .database) }}
{{- include $secret (dict "name" "DB_PASSWORD" "secret" .passwordSecret) }}
{{- end }}
{{- if .maxPoolSize -}}
{{ include $value (dict "name" "DB_MAXPOOLSIZE" "value" (int .maxPoolSize)) }}
{{- end }}
{{- if .serverPemSecret.name -}}
- name: DB_SERVER_PEM
  value: /etc/event-gateway/postgres/server.pem
{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- include $value (dict "name" "BROKER" "value" .Values.broker) }}
{{- if .Values.kafkaListener.port }}
{{- include $value (dict "name" "KAFKA_LISTEN_HOST" "value" .Values.listenHost) }}
{{- include $value (dict "name" "KAFKA_LISTEN_PORT" "value" (int .Values.kafkaListener.port)) }}
{{- include $value (dict "name" "KAFKA_LISTEN_CACHE_MB" "value" (int .Values.kafkaListener.cacheMb)) }}
{{- if include "event-gateway.hasCacheVolume" . }}
{{- include $value (dict "name" "KAFKA_LISTEN_CACHE_DIR" "value" "/var/cache/event-gateway") }}
{{- end }}
{{- if .Values.kafkaListener.credentialsSecretName }}
{{- include $value (dict "name" "CREDENTIALS_DIR" "value" "/etc/event-gateway/credentials") }}
{{- end }}
{{- if include "event-gateway.hasSeveral" . -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{ include $value (dict "name" "KAFKA_LISTEN_ADVERTISED" "value" (printf "[$(POD_IP)]:%d" (int .Values.kafkaListener.port))) }}
{{- else -}}
{{ include $value (dict "name" "KAFKA_LISTEN_ADVERTISED" "value" (include "event-gateway.kafkaAddress" .)) }}
{{- end -}}
{{- end }}
{{- if eq .Values.broker "kafka" }}
{{- with .Values.kafka }}
{{- include $value (dict "name" "KAFKA_HOST" "value" .hosts) }}
{{- if .port }}
{{- include $value (dict "name" "KAFKA_PORT" "value" (int .port)) }}
{{- end }}
{{- include $value (dict "name" "KAFKA_SECURITY_PROTOCOL" "value" .securityProtocol) }}
{{- include $value (dict "name" "KAFKA_SASL_MECHANISM" "value" .sasl.mechanism) }}
{{- if .sasl.usernameSecret.name -}}
{{ include $secret (dict "name" "KAFKA_SASL_USERNAME" "secret" .sasl.usernameSecret) }}
{{- end }}
{{- if .sasl.passwordSecret.name -}}
{{ include $secret (dict "name" "KAFKA_SASL_PASSWORD" "secret" .sasl.passwordSecret) }}
{{- end }}
{{- with .oauthbearer }}
{{- include $value (dict "name" "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL" "value" .tokenEndpointUrl) }}
{{- include $value (dict "name" "KAFKA_SASL_OAUTHBEARER_CLIENT_ID" "value" .clientId) }}
{{- include $value (dict "name" "KAFKA_SASL_OAUTHBEARER_SCOPE" "value" .scope) }}
{{- if .clientSecretSecret.name -}}
{{ include $secret (dict "name" "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET" "secret" .clientSecretSecret) }}
{{- end }}
{{- end }}
{{- if .truststoreSecret.name -}}
- name: KAFKA_SSL_TRUSTSTORE_LOCATION
  value: /etc/event-gateway/kafka-truststore/truststore
{{ end }}
{{- if .truststorePasswordSecret.name -}}
{{ include $secret (dict "name" "KAFKA_SSL_TRUSTSTORE_PASSWORD" "secret" .truststorePasswordSecret) }}
{{- end }}
{{- if .keystoreSecret.name -}}
- name: KAFKA_SSL_KEYSTORE_LOCATION
  value: /etc/event-gateway/kafka-keystore/keystore
{{ end }}
{{- if .keystorePasswordSecret.name -}}
{{ include $secret (dict "name" "KAFKA_SSL_KEYSTORE_PASSWORD" "secret" .keystorePasswordSecret) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.hexkit.mongodbUrlSecret.name -}}
{{ include $secret (dict "name" "HEXKIT_MONGODB_URL" "secret" .Values.hexkit.mongodbUrlSecret) }}
{{- end }}
{{- with .Values.traces }}
{{- include $value (dict "name" "OTEL_EXPORTER_OTLP_ENDPOINT" "value" .collector) }}
{{- include $value (dict "name" "OTEL_TRACES_SAMPLER" "value" .sampler) }}
{{- include $value (dict "name" "OTEL_TRACES_SAMPLER_ARG" "value" .samplerArg) }}
{{- if .headersSecret.name -}}
{{ include $secret (dict "name" "OTEL_EXPORTER_OTLP_HEADERS" "secret" .headersSecret) }}
{{- end }}
{{- end }}
{{- range $name, $setting := .Values.settings }}
{{- include $value (dict "name" $name "value" $setting) }}
{{- end }}
{{- with .Values.extraEnv }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{- /* Files of Secrets: [name, Secret, key, file]. */ -}}
{{- define "event-gateway.secretFiles" -}}
{{- with .Values.auth.okapiKeySecret }}{{ if .name }}
- {name: okapi, secret: {{ .name | quote }}, key: {{ .key | quote }}, file: key}
{{- end }}{{ end }}
{{- with .Values.store.postgres.serverPemSecret }}{{ if and .name (eq $.Values.store.kind "postgres") }}
- {name: postgres, secret: {{ .name | quote }}, key: {{ .key | quote }}, file: server.pem}
{{- end }}{{ end }}
{{- if eq .Values.broker "kafka" }}
{{- with .Values.kafka.truststoreSecret }}{{ if .name }}
- {name: kafka-truststore, secret: {{ .name | quote }}, key: {{ .key | quote }}, file: truststore}
{{- end }}{{ end }}
{{- with .Values.kafka.keystoreSecret }}{{ if .name }}
- {name: kafka-keystore, secret: {{ .name | quote }}, key: {{ .key | quote }}, file: keystore}
{{- end }}{{ end }}
{{- end }}
{{- end -}}

{{- /* SQLite's volume has room for the listener's cache too. */ -}}
{{- define "event-gateway.hasCacheVolume" -}}
{{- if and .Values.kafkaListener.port .Values.kafkaListener.cacheMb (ne .Values.store.kind "sqlite") }}true{{ end -}}
{{- end -}}

{{- define "event-gateway.hasSubscriptions" -}}
{{- if or .Values.subscriptions.files .Values.subscriptions.existingConfigMaps }}true{{ end -}}
{{- end -}}

{{- /* A volume of the files of tenants or of subscriptions: [name, root]. */ -}}
{{- define "event-gateway.filesVolume" -}}
{{- $values := index .root.Values .name -}}
- name: {{ .name }}
  projected:
    defaultMode: 0444
    sources:
      {{- range $values.existingConfigMaps }}
      - configMap:
          name: {{ . | quote }}
      {{- else }}
      - configMap:
          name: {{ printf "%s-%s" (include "event-gateway.fullname" .root) .name | quote }}
      {{- end }}
{{- end -}}

{{- define "event-gateway.pod" -}}
metadata:
  labels:
    {{- include "event-gateway.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- /* Files that are there count from the next start on, so a change rolls the pods. */}}
    checksum/tenants: {{ include "event-gateway.tenantsText" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "event-gateway.serviceAccount" . | quote }}
  automountServiceAccountToken: false
  # A service named kafka would set KAFKA_PORT.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- if include "event-gateway.hasSeveral" . }}
  topologySpreadConstraints:
    - topologyKey: kubernetes.io/hostname
      maxSkew: 1
      whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" .Values.spread.requireNodes }}
      # Each version by itself, or an upgrade would count the pods that it replaces.
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "event-gateway.selector" . | nindent 10 }}
    - topologyKey: topology.kubernetes.io/zone
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "event-gateway.selector" . | nindent 10 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: event-gateway
      image: {{ include "event-gateway.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      ports:
        - name: http
          containerPort: 8081
        {{- if .Values.kafkaListener.port }}
        - name: kafka
          containerPort: {{ .Values.kafkaListener.port }}
        {{- end }}
      env:
        {{- include "event-gateway.env" . | nindent 8 }}
      # The gateway takes no new connections from SIGTERM on: until then it goes on, while endpoints are removed.
      {{- if .Values.preStopSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.preStopSeconds }}
      {{- end }}
      # It listens once the store is open, migrations included.
      startupProbe:
        httpGet: {path: /livez, port: http, scheme: {{ include "event-gateway.scheme" . }}}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div (add (int .Values.startupSeconds) 1) 2 }}
      # The process alone: a store or a Kafka that is away is no reason to restart it.
      livenessProbe:
        httpGet: {path: /livez, port: http, scheme: {{ include "event-gateway.scheme" . }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      # Not ready without the store, whose check takes up to 2 s; ready, but degraded, without Kafka.
      readinessProbe:
        httpGet: {path: /readyz, port: http, scheme: {{ include "event-gateway.scheme" . }}}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        privileged: false
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tenants
          mountPath: /etc/event-gateway/tenants
          readOnly: true
        {{- if include "event-gateway.hasSubscriptions" . }}
        - name: subscriptions
          mountPath: /etc/event-gateway/subscriptions
          readOnly: true
        {{- end }}
        {{- if .Values.tls.secretName }}
        - name: tls
          mountPath: /etc/event-gateway/tls
          readOnly: true
        {{- end }}
        {{- if .Values.kafkaListener.credentialsSecretName }}
        - name: credentials
          mountPath: /etc/event-gateway/credentials
          readOnly: true
        {{- end }}
        {{- range include "event-gateway.secretFiles" . | fromYamlArray }}
        - name: {{ .name }}
          mountPath: /etc/event-gateway/{{ .name }}
          readOnly: true
        {{- end }}
        {{- if include "event-gateway.isSqlite" . }}
        - name: data
          mountPath: /var/lib/event-gateway
        # For SQLite's own temporary files.
        - name: tmp
          mountPath: /tmp
        {{- end }}
        {{- if include "event-gateway.hasCacheVolume" . }}
        - name: cache
          mountPath: /var/cache/event-gateway
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "event-gateway.filesVolume" (dict "name" "tenants" "root" .) | nindent 4 }}
    {{- if include "event-gateway.hasSubscriptions" . }}
    {{- include "event-gateway.filesVolume" (dict "name" "subscriptions" "root" .) | nindent 4 }}
    {{- end }}
    {{- if .Values.tls.secretName }}
    - name: tls
      secret:
        secretName: {{ .Values.tls.secretName | quote }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.kafkaListener.credentialsSecretName }}
    - name: credentials
      secret:
        secretName: {{ . | quote }}
        defaultMode: 0440
    {{- end }}
    {{- range include "event-gateway.secretFiles" . | fromYamlArray }}
    - name: {{ .name }}
      secret:
        secretName: {{ .secret | quote }}
        defaultMode: 0440
        items:
          - key: {{ .key | quote }}
            path: {{ .file }}
    {{- end }}
    {{- if include "event-gateway.isSqlite" . }}
    - name: tmp
      emptyDir: {}
    {{- end }}
    {{- if include "event-gateway.hasCacheVolume" . }}
    # The file is of cacheMb at most; what is above it keeps the pod from being evicted for a block too many.
    - name: cache
      emptyDir:
        sizeLimit: {{ printf "%dMi" (add (int .Values.kafkaListener.cacheMb) 64) }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
