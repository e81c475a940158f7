{{- define "tailnet-discovery.folder" -}}/etc/tailnet-discovery{{- end -}}

{{/*
Where each tailnet's credentials come from, as YAML: `tailnets` as the configuration file has them,
`mounts` (name and folder) and `volumes` for them.
*/}}
{{- define "tailnet-discovery.credentials" -}}
{{- $root := . -}}
{{- $folder := include "tailnet-discovery.folder" . -}}
{{- $tailnets := list -}}
{{- $mounts := list -}}
{{- $volumes := list -}}
{{- $withoutOwn := list -}}
{{- if not .Values.tailnets -}}
{{- fail "no tailnet is named. Name one: --set 'tailnets[0].name=company.ts.net'" -}}
{{- end -}}
{{- range $index, $tailnet := .Values.tailnets -}}
{{- $given := default dict $tailnet.credentials -}}
{{- $asked := has (default "Tailscale" $tailnet.controlPlane) (list "Tailscale" "Headscale") -}}
{{- if and $given.secretName $given.directory -}}
{{- fail (printf "tailnets[%d].credentials has a secretName and a directory. Keep one: the chart mounts the Secret itself" $index) -}}
{{- else if $given.secretName -}}
{{- $name := printf "credentials-%d" $index -}}
{{- $at := printf "%s/credentials/%s" $folder $tailnet.name -}}
{{- $mounts = append $mounts (dict "name" $name "mountPath" $at "readOnly" true) -}}
{{- $volumes = append $volumes (dict "name" $name "secret" (dict "secretName" $given.secretName "defaultMode" 288)) -}}
{{- $tailnet = merge (dict "credentials" (dict "directory" $at)) (omit $tailnet "credentials") -}}
{{- else if and $asked (not $given.directory) -}}
{{- $at := printf "%s/oauth" $folder -}}
{{- $withoutOwn = append $withoutOwn $index -}}
{{- $mounts = append $mounts (dict "name" "oauth" "mountPath" $at "readOnly" true) -}}
{{- $volumes = append $volumes (include "tailnet-discovery.oauthVolume" $root | fromYaml) -}}
{{- $tailnet = merge (dict "credentials" (dict "directory" $at)) (omit $tailnet "credentials") -}}
{{- end -}}
{{- $tailnets = append $tailnets $tailnet -}}
{{- end -}}
{{- if gt (len $withoutOwn) 1 -}}
{{- fail (printf "tailnets[%d] and tailnets[%d] have no credentials of their own, and those of oauth are for one tailnet. Name a Secret: credentials: {secretName: NAME}" (first $withoutOwn) (index $withoutOwn 1)) -}}
{{- end -}}
{{- toYaml (dict "tailnets" $tailnets "mounts" $mounts "volumes" $volumes) -}}
{{- end -}}

{{/* The volume behind the oauth values. */}}
{{- define "tailnet-discovery.oauthVolume" -}}
name: oauth
{{- if .Values.oauthSecretVolume }}
{{ toYaml .Values.oauthSecretVolume }}
{{- else if .Values.oauth.audience }}
{{- if not .Values.oauth.clientId }}
{{- fail "oauth.audience is set without oauth.clientId. Set the ID of the federated identity" }}
{{- end }}
{{- if .Values.oauth.clientSecret }}
{{- fail "oauth.audience and oauth.clientSecret are set together. Keep one: workload identity has no secret" }}
{{- end }}
projected:
  defaultMode: 288
  sources:
  - configMap:
      name: {{ include "tailnet-discovery.fullname" . }}
      items:
      - {key: client_id, path: client_id}
  - serviceAccountToken:
      audience: {{ .Values.oauth.audience | quote }}
      expirationSeconds: 3600
      path: jwt
{{- else }}
secret:
  secretName: {{ include "tailnet-discovery.named" (list . "oauth") }}
  defaultMode: 288
{{- end }}
{{- end -}}

{{/* The configuration file. */}}
{{- define "tailnet-discovery.configuration" -}}
{{- $file := pick .Values "instance" "mode" "logging" "listen" "recorder" "deniedCIDRs" -}}
{{- $_ := set $file "tailnets" (include "tailnet-discovery.credentials" . | fromYaml).tailnets -}}
{{- toYaml $file -}}
{{- end -}}

{{/* What the ConfigMap holds. */}}
{{- define "tailnet-discovery.configMapData" -}}
{{- $content := dict "config.yaml" (printf "%s\n" (include "tailnet-discovery.configuration" .)) -}}
{{- if .Values.oauth.audience -}}
{{- $_ := set $content "client_id" .Values.oauth.clientId -}}
{{- end -}}
{{- toYaml $content -}}
{{- end -}}
