{{- define "tailnet-discovery.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tailnet-discovery.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The full name with an ending, which is never cut: call it with (list . "ENDING"). */}}
{{- define "tailnet-discovery.named" -}}
{{- $ending := index . 1 -}}
{{- $room := sub 62 (len $ending) | int -}}
{{- printf "%s-%s" (include "tailnet-discovery.fullname" (index . 0) | trunc $room | trimSuffix "-") $ending -}}
{{- end -}}

{{- define "tailnet-discovery.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "tailnet-discovery.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tailnet-discovery.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The Lease that discovery takes for this instance. */}}
{{- define "tailnet-discovery.leaseName" -}}
{{- if eq .Values.instance "default" -}}
tailnet-discovery
{{- else -}}
tailnet-discovery-{{ .Values.instance }}
{{- end -}}
{{- end -}}

{{- define "tailnet-discovery.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a selector may hold: nothing in it changes with a version or a value. */}}
{{- define "tailnet-discovery.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tailnet-discovery.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of the pods of one component: call it with (list . "COMPONENT"). */}}
{{- define "tailnet-discovery.componentLabels" -}}
{{ include "tailnet-discovery.selectorLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object; the chart's own win over commonLabels. */}}
{{- define "tailnet-discovery.labels" -}}
{{- $own := include "tailnet-discovery.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) -}}
{{- $_ := set $own "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_" | trunc 63) -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/part-of" .Chart.Name -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* Labels by which a ServiceMonitor finds the Service for /metrics. */}}
{{- define "tailnet-discovery.metricsSelector" -}}
{{ include "tailnet-discovery.componentLabels" (list . "metrics") }}
{{- end -}}

{{- define "tailnet-discovery.metricsLabels" -}}
{{- merge (include "tailnet-discovery.metricsSelector" . | fromYaml) (include "tailnet-discovery.labels" . | fromYaml) | toYaml -}}
{{- end -}}
