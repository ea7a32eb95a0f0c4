{{/* The name of everything that this release makes; a name has room for 63 characters. */}}
{{- define "seawall-app.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What finds the pods again; must never change for a release. */}}
{{- define "seawall-app.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "seawall-app.labels" -}}
{{ include "seawall-app.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The ConfigMap with the policies. */}}
{{- define "seawall-app.policies" -}}
{{- .Values.policies.existingConfigMap | default (printf "%s-policies" (include "seawall-app.name" . | trunc 54 | trimSuffix "-")) -}}
{{- end }}

{{/* What is in it: the values' files instead of the chart's own, not beside them. */}}
{{- define "seawall-app.policyFiles" -}}
{{- if .Values.policies.files -}}
{{ toYaml .Values.policies.files }}
{{- else -}}
{{ (.Files.Glob "policies/*.yaml").AsConfig }}
{{- end -}}
{{- end }}

{{/* The sidecar: an init container that stays, so it is there before the application and ends after it. */}}
{{- define "seawall-app.sidecar" -}}
{{- $ports := list (int .Values.app.port) (int .Values.seawall.port) (int .Values.seawall.statusPort) 9901 -}}
{{- if lt (len (uniq $ports)) 4 -}}
{{- fail (printf "the containers of a pod share their ports: app.port, seawall.port, seawall.statusPort and 9901 (Seawall's admin) must differ, these are %v" $ports) -}}
{{- end -}}
name: seawall
image: {{ printf "%s:%s" .Values.seawall.image.repository (.Values.seawall.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.seawall.image.pullPolicy }}
restartPolicy: Always
args:
  - run
  - --policies=/etc/seawall/policies
  - --upstream=http://127.0.0.1:{{ .Values.app.port }}
  - --listen=0.0.0.0:{{ .Values.seawall.port }}
  - --status=0.0.0.0:{{ .Values.seawall.statusPort }}
  - --drain={{ .Values.seawall.drainSeconds }}s
  - --max-buffered={{ .Values.seawall.maxBuffered }}
  - --log-level={{ .Values.seawall.logLevel }}
{{- with .Values.seawall.env }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - {name: http, containerPort: {{ .Values.seawall.port }}}
  - {name: status, containerPort: {{ .Values.seawall.statusPort }}}
# The application starts once this has passed, so it asks whether Seawall lives, never whether the application does.
startupProbe:
  httpGet: {path: /livez, port: status}
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: status}
readinessProbe:
  httpGet: {path: /readyz, port: status}
  periodSeconds: 5
resources: {{- toYaml .Values.seawall.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  # The directory, never a single file by subPath: the kubelet does not update those.
  - {name: policies, mountPath: /etc/seawall/policies, readOnly: true}
{{- end }}
