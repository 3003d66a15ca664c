{{- /* Names, labels, and what several objects need. */ -}}

{{- define "event-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 52 characters: the names of a StatefulSet's pods and revisions are longer. */ -}}
{{- define "event-gateway.fullname" -}}
{{- $name := include "event-gateway.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "event-gateway.selector" -}}
app.kubernetes.io/name: {{ include "event-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "event-gateway.labels" -}}
{{ include "event-gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "event-gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "event-gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "event-gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "event-gateway.isSqlite" -}}
{{- if eq .Values.store.kind "sqlite" }}true{{ end -}}
{{- end -}}

{{- /* Whether there may be more than one pod. */ -}}
{{- define "event-gateway.hasSeveral" -}}
{{- if .Values.autoscaling.enabled -}}
{{- if gt (int .Values.autoscaling.maxReplicas) 1 }}true{{ end -}}
{{- else if gt (int .Values.replicas) 1 }}true{{ end -}}
{{- end -}}

{{- /* The address that Kafka's clients connect to first. Each of several pods then tells them its own. */ -}}
{{- define "event-gateway.kafkaAddress" -}}
{{- with .Values.kafkaListener -}}
{{- default (printf "%s.%s:%d" (include "event-gateway.fullname" $) $.Release.Namespace (int .port)) .advertised -}}
{{- end -}}
{{- end -}}

{{- /* All that the tenants' files say: those of ConfigMaps that are kept elsewhere, too, if a cluster can be asked. */ -}}
{{- define "event-gateway.tenantsText" -}}
{{- toJson .Values.tenants -}}
{{- range .Values.tenants.existingConfigMaps -}}
{{- with lookup "v1" "ConfigMap" $.Release.Namespace . -}}
{{- toJson (pick . "data" "binaryData") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "event-gateway.peers" -}}
{{- if .Values.networkPolicy.from }}
{{- toYaml .Values.networkPolicy.from }}
{{- else }}
- podSelector: {}
{{- end }}
{{- end -}}

{{- define "event-gateway.scheme" -}}
{{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }}
{{- end -}}

{{- /* The ConfigMap of the files of tenants or of subscriptions, unless it is kept elsewhere: [name, root]. */ -}}
{{- define "event-gateway.files" -}}
{{- $values := index .root.Values .name -}}
{{- if not $values.existingConfigMaps -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ printf "%s-%s" (include "event-gateway.fullname" .root) .name | quote }}
  labels:
    {{- include "event-gateway.labels" .root | nindent 4 }}
data:
  {{- range $name, $text := $values.files }}
  {{ $name | quote }}: {{ $text | quote }}
  {{- else }}
  {}
  {{- end }}
{{- end }}
{{- end -}}
