{{/* The name of everything that this release makes. */}}
{{- define "seawall-app.name" -}}
{{- include "seawall.release" . -}}
{{- end }}

{{/* The same with something behind it, within 63 characters. */}}
{{- define "seawall-app.nameWith" -}}
{{- $room := sub 62 (len .suffix) | int -}}
{{- printf "%s-%s" (include "seawall-app.name" .root | trunc $room | trimSuffix "-") .suffix -}}
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

{{/* The pod: the application's, with Seawall put into it; or Seawall's alone. */}}
{{- define "seawall-app.pod" -}}
{{- if .Values.app.enabled -}}
{{- include "seawall.pod" (dict "root" . "pod" (include "seawall-app.ownPod" .)) -}}
{{- else -}}
{{- include "seawall-app.gatewayPod" . -}}
{{- end -}}
{{- end }}

{{- define "seawall-app.ownPod" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: app
    image: {{ required "app.image: name the image of your application" .Values.app.image | quote }}
    imagePullPolicy: {{ .Values.app.pullPolicy }}
    {{- with .Values.app.command }}
    command: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.app.args }}
    args: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.app.env }}
    env: {{- toYaml . | nindent 6 }}
    {{- end }}
    ports:
      - {name: http, containerPort: {{ .Values.app.port }}}
    {{- with .Values.app.livenessProbe }}
    livenessProbe: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.app.readinessProbe }}
    readinessProbe: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.app.resources }}
    resources: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.app.securityContext }}
    securityContext: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}

{{- define "seawall-app.gatewayPod" -}}
{{- $seawall := .Values.seawall -}}
{{- $policies := $seawall.policies -}}
{{- if not (or $policies.files $policies.existingConfigMap) -}}
{{- fail "seawall.policies: without an application (app.enabled: false), say the policies; they name the upstreams" -}}
{{- end -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ add $seawall.stopDelaySeconds $seawall.drainSeconds 5 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{ include "seawall.container" (dict "root" . "values" $seawall "native" false "upstreamPort" 0 "portName" "http") | nindent 4 | trim }}
volumes: {{- include "seawall.volumes" (dict "root" . "values" $seawall) | nindent 2 }}
{{- end }}
