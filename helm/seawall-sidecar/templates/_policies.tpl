{{/* The name of the ConfigMap with the policies. A name has room for 63 characters. */}}
{{- define "seawall.policies" -}}
{{- $values := .values | default .root.Values.seawall -}}
{{- if and $values.policies.existingConfigMap $values.policies.files -}}
{{- fail "seawall.policies: say existingConfigMap or files; of both, one would be ignored" -}}
{{- end -}}
{{- $values.policies.existingConfigMap | default (printf "%s-policies" (include "seawall.release" .root | trunc 54 | trimSuffix "-")) -}}
{{- end }}

{{- define "seawall.release" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/*
The ConfigMap, for charts that keep the policies themselves: in a template of its own,

  {{- include "seawall.configMap" (dict "root" .) }}

In it: the files of the values, or else policies/*.yaml beside the chart's templates. None where there is another.
*/}}
{{- define "seawall.configMap" -}}
{{- $values := .values | default .root.Values.seawall -}}
{{- if and $values.enabled (not $values.policies.existingConfigMap) -}}
{{- $files := $values.policies.files -}}
{{- if not $files -}}
{{- $files = dict -}}
{{- range $path, $bytes := .root.Files.Glob "policies/*.yaml" -}}
{{- $_ := set $files (base $path) (toString $bytes) -}}
{{- end -}}
{{- end -}}
{{- if not $files -}}
{{- fail "seawall.policies: say the policies in `files`, name a ConfigMap that has them, or put policies/*.yaml beside the chart's templates" -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "seawall.policies" . }}
  labels:
    app.kubernetes.io/instance: {{ .root.Release.Name }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
data: {{- toYaml $files | nindent 2 }}{{ "\n" }}
{{- end -}}
{{- end }}
