{{/* What the cluster can do. */}}

{{- define "seawall.kubeVersion" -}}
{{- .values.kubeVersion | default .root.Capabilities.KubeVersion.Version -}}
{{- end }}

{{/* `native` or `plain`. */}}
{{- define "seawall.kind" -}}
{{- $can := semverCompare ">=1.29-0" (include "seawall.kubeVersion" .) -}}
{{- if and (eq .values.sidecar "native") (not $can) -}}
{{- fail (printf "seawall.sidecar: Kubernetes %s has no native sidecars, 1.29 has; say auto or plain" (include "seawall.kubeVersion" .)) -}}
{{- end -}}
{{- if eq .values.sidecar "auto" -}}
{{- ternary "native" "plain" $can -}}
{{- else -}}
{{- .values.sidecar -}}
{{- end -}}
{{- end }}

{{/* How a stop is put off: `sleep`, `exec` or `none`. */}}
{{- define "seawall.stopHook" -}}
{{- $can := semverCompare ">=1.30-0" (include "seawall.kubeVersion" .) -}}
{{- if and (eq .values.stopHook "sleep") (not $can) -}}
{{- fail (printf "seawall.stopHook: the kubelet of Kubernetes %s cannot sleep, that of 1.30 can; say auto, exec or none" (include "seawall.kubeVersion" .)) -}}
{{- end -}}
{{- if eq .values.stopHook "auto" -}}
{{- ternary "sleep" "exec" $can -}}
{{- else -}}
{{- .values.stopHook -}}
{{- end -}}
{{- end }}

{{/*
The hook of the application. A native sidecar is told to stop when the application has ended, so holding back the
application holds back both. Plain containers are told at the same time: the application has to stay until Seawall has
drained.
*/}}
{{- define "seawall.holdBack" -}}
{{- $seconds := int .values.stopDelaySeconds -}}
{{- if not .native -}}{{- $seconds = add $seconds .values.drainSeconds -}}{{- end -}}
{{- $how := include "seawall.stopHook" . -}}
{{- if and $seconds (eq $how "sleep") -}}
sleep: {seconds: {{ $seconds }}}
{{- else if and $seconds (eq $how "exec") -}}
exec: {command: [sleep, {{ $seconds | toString | quote }}]}
{{- end -}}
{{- end }}
