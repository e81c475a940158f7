{{/* What the controller does wherever it works. */}}
{{- define "tailnet-discovery.rules" -}}
- apiGroups: [gateway.tailscale.com]
  resources: [tailscaleendpoints]
  verbs: [list, watch]
- apiGroups: [gateway.tailscale.com]
  resources: [tailscaleendpoints/status]
  verbs: [patch]
# blockOwnerDeletion in the children's ownerReferences asks for this where
# OwnerReferencesPermissionEnforcement is on (OpenShift).
- apiGroups: [gateway.tailscale.com]
  resources: [tailscaleendpoints/finalizers]
  verbs: [update]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What it does in its own namespace. A name can not limit create. */}}
{{- define "tailnet-discovery.ownNamespaceRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "tailnet-discovery.leaseName" . }}]
  verbs: [get, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
{{- end -}}

{{/* A binding to the controller's account: call it with (dict "root" . "kind" K "namespace" N "name" NAME). */}}
{{- define "tailnet-discovery.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "tailnet-discovery.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "tailnet-discovery.serviceAccountName" .root }}
  namespace: {{ include "tailnet-discovery.namespace" .root }}
{{- end -}}
