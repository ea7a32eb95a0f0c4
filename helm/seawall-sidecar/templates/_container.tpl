{{/*
Seawall's container: `root`, `values`, `native`, `portName`, and `upstreamPort` of the application in the same pod; 0
where the policies name the upstreams.
*/}}
{{- define "seawall.container" -}}
{{- $values := .values -}}
name: seawall
image: {{ include "seawall.image" $values.image | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- if .native }}
restartPolicy: Always
{{- end }}
args:
  - run
  - --policies=/etc/seawall/policies
  {{- if .upstreamPort }}
  - --upstream=http://127.0.0.1:{{ .upstreamPort }}
  {{- end }}
  - --listen=0.0.0.0:{{ $values.port }}
  - --status=0.0.0.0:{{ $values.statusPort }}
  - --drain={{ $values.drainSeconds }}s
  - --max-buffered={{ $values.maxBuffered }}
  - --log-level={{ $values.logLevel }}
  {{- with $values.args }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.env }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - {name: {{ .portName }}, containerPort: {{ $values.port }}}
  - {name: seawall-status, containerPort: {{ $values.statusPort }}}
# A native sidecar's application starts once this has passed, so it asks whether Seawall lives, never whether the
# application does.
startupProbe:
  httpGet: {path: /livez, port: seawall-status}
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: seawall-status}
readinessProbe:
  httpGet: {path: /readyz, port: seawall-status}
  periodSeconds: 5
{{- if and (not .native) $values.stopDelaySeconds }}
lifecycle:
  preStop:
    {{- if eq "sleep" (include "seawall.stopHook" .) }}
    sleep: {seconds: {{ $values.stopDelaySeconds }}}
    {{- else }}
    exec: {command: [sleep, {{ $values.stopDelaySeconds | toString | quote }}]}
    {{- end }}
{{- end }}
resources: {{- toYaml $values.resources | nindent 2 }}
securityContext: {{- toYaml $values.securityContext | nindent 2 }}
volumeMounts:
  # The directory, never a single file by subPath: the kubelet does not update those.
  - {name: seawall-policies, mountPath: /etc/seawall/policies, readOnly: true}
  {{- range $values.secrets }}
  - {name: {{ include "seawall.secretVolume" . }}, mountPath: /run/secrets/{{ . }}, readOnly: true}
  {{- end }}
  {{- with $values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "seawall.image" -}}
{{- .repository -}}
{{- if .tag -}}:{{- .tag -}}{{- end -}}
{{- if .digest -}}@{{- .digest -}}{{- end -}}
{{- if not (or .tag .digest) -}}{{- fail "seawall.image.tag: say which version of Seawall" -}}{{- end -}}
{{- end }}

{{/* What it mounts, for the pod. */}}
{{- define "seawall.volumes" -}}
- name: seawall-policies
  configMap: {name: {{ include "seawall.policies" . }}}
{{- range .values.secrets }}
- name: {{ include "seawall.secretVolume" . }}
  secret: {secretName: {{ . }}}
{{- end }}
{{- end }}

{{/* A volume's name has room for 63 characters and no dots. */}}
{{- define "seawall.secretVolume" -}}
{{- printf "seawall-%s-%s" (. | replace "." "-" | trunc 40 | trimSuffix "-") (. | sha256sum | trunc 8) -}}
{{- end }}
