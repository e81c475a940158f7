{{/* Fail where one of the names in a list is given twice: call it with (list "PLACE" LIST). */}}
{{- define "tailnet-discovery.namedOnce" -}}
{{- $seen := dict -}}
{{- $place := index . 0 -}}
{{- range index . 1 -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "%s: the name %s is taken. Choose another" $place .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{/* The arguments of a command that works on the cluster: call it with (list . "COMMAND"). */}}
{{- define "tailnet-discovery.arguments" -}}
{{- $root := index . 0 -}}
{{- $arguments := list "--config" (printf "%s/config.yaml" (include "tailnet-discovery.folder" $root)) (index . 1) -}}
{{- with $root.Values.watchNamespace -}}
{{- $arguments = concat $arguments (list "-n" .) -}}
{{- end -}}
{{- if ne (index . 1) "doctor" -}}
{{- $arguments = concat $arguments $root.Values.extraArgs -}}
{{- end -}}
{{- toYaml $arguments -}}
{{- end -}}

{{/*
The pod that runs a command of the program; only `run` has ports and probes. Call it with
(dict "root" . "command" "COMMAND" "restartPolicy" "POLICY").
*/}}
{{- define "tailnet-discovery.podSpec" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $serving := eq .command "run" -}}
{{- $credentials := include "tailnet-discovery.credentials" $root | fromYaml -}}
{{- $own := include "tailnet-discovery.podEnvironment" $root | fromYamlArray -}}
{{- $environment := concat $own $values.env -}}
{{- include "tailnet-discovery.namedOnce" (list "env" $environment) -}}
{{- $configuration := dict "name" "configuration" "configMap" (dict "name" (include "tailnet-discovery.fullname" $root)) -}}
{{- $at := printf "%s/config.yaml" (include "tailnet-discovery.folder" $root) -}}
{{- $mount := dict "name" "configuration" "mountPath" $at "subPath" "config.yaml" "readOnly" true -}}
{{- $mounts := concat (list $mount) $credentials.mounts -}}
{{- $volumes := concat (list $configuration) $credentials.volumes -}}
{{- if ne .command "doctor" -}}
{{- $mounts = append $mounts (dict "name" "recorder" "mountPath" $values.recorder.directory) -}}
{{- $volumes = append $volumes (merge (dict "name" "recorder") (default (dict "emptyDir" dict) $values.recorderVolume)) -}}
{{- end -}}
{{- $volumes = concat $volumes $values.extraVolumes -}}
{{- include "tailnet-discovery.namedOnce" (list "extraVolumes" $volumes) -}}
serviceAccountName: {{ include "tailnet-discovery.serviceAccountName" $root }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .restartPolicy }}
restartPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- with $values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with default (ternary "ClusterFirstWithHostNet" "" $values.hostNetwork) $values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and $serving $values.topologySpreadConstraints }}
topologySpreadConstraints: {{- include "tailnet-discovery.spread" $root | nindent 0 }}
{{- end }}
{{- with $values.initContainers }}
initContainers: {{- toYaml . | nindent 0 }}
{{- end }}
containers:
- name: tailnet-discovery
  image: {{ include "tailnet-discovery.image" $root | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  args: {{- include "tailnet-discovery.arguments" (list $root .command) | nindent 2 }}
  env: {{- toYaml $environment | nindent 2 }}
  {{- if $serving }}
  {{- include "tailnet-discovery.portsAndProbes" $root | nindent 2 }}
  {{- end }}
  {{- with $values.resources }}
  resources: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.securityContext }}
  securityContext: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts: {{- concat $mounts $values.extraVolumeMounts | toYaml | nindent 2 }}
{{- if and (ne .command "doctor") $values.extraContainers }}
{{ toYaml $values.extraContainers }}
{{- end }}
volumes: {{- toYaml $volumes | nindent 0 }}
{{- end -}}

{{/* The spread constraints, each with the labelSelector that it may leave out. */}}
{{- define "tailnet-discovery.spread" -}}
{{- $labels := include "tailnet-discovery.componentLabels" (list . "controller") | fromYaml -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $selector := default (dict "matchLabels" $labels) .labelSelector -}}
{{- $constraints = append $constraints (set (deepCopy .) "labelSelector" $selector) -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end -}}

{{- define "tailnet-discovery.podEnvironment" -}}
- name: TAILNET_DISCOVERY_CONFIG # for commands that somebody runs in the pod
  value: {{ include "tailnet-discovery.folder" . }}/config.yaml
- name: TAILNET_DISCOVERY_POD_NAME
  valueFrom:
    fieldRef: {apiVersion: v1, fieldPath: metadata.name}
- name: TAILNET_DISCOVERY_POD_UID
  valueFrom:
    fieldRef: {apiVersion: v1, fieldPath: metadata.uid}
- name: TAILNET_DISCOVERY_POD_NAMESPACE
  valueFrom:
    fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}
{{- end -}}

{{/* The port of a listening address. */}}
{{- define "tailnet-discovery.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end -}}

{{- define "tailnet-discovery.portsAndProbes" -}}
ports:
- {name: health, containerPort: {{ include "tailnet-discovery.port" .Values.listen.health }}, protocol: TCP}
- {name: metrics, containerPort: {{ include "tailnet-discovery.port" .Values.listen.metrics }}, protocol: TCP}
{{- with .Values.startupProbe }}
startupProbe: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.livenessProbe }}
livenessProbe: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.readinessProbe }}
readinessProbe: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Metadata of the pods of one component: call it with (list . "COMPONENT"). */}}
{{- define "tailnet-discovery.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $labels := include "tailnet-discovery.componentLabels" . | fromYaml -}}
labels: {{- toYaml (merge $labels $root.Values.podLabels $root.Values.commonLabels) | nindent 2 }}
{{- $annotations := dict "checksum/config" (include "tailnet-discovery.configMapData" $root | sha256sum) }}
annotations: {{- toYaml (merge $annotations $root.Values.podAnnotations) | nindent 2 }}
{{- end -}}
