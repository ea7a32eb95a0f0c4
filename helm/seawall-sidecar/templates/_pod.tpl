{{/*
The one include: a pod's spec as YAML, with Seawall in it.

  spec: {{- include "seawall.pod" (dict "root" . "pod" (include "shop.pod" .)) | nindent 6 }}

`values` where they are not under .Values.seawall. What it does: the sidecar, its volumes, a grace period that is long
enough, and a hook that holds the application back while the cluster stops sending to the pod. Where the application's
port has a name, Seawall's gets it, so that a Service which says the name leads to Seawall, and never past it; the
application's is called `behind-seawall` then, and its own probes and hooks say the number.
*/}}
{{- define "seawall.pod" -}}
{{- $root := .root -}}
{{- $values := .values | default $root.Values.seawall -}}
{{- $pod := fromYaml .pod -}}
{{- if or (not (kindIs "map" $pod)) (not $pod.containers) -}}
{{- fail (printf "seawall.pod: `pod` is no spec of a pod: %v" ($pod.Error | default "it has no containers")) -}}
{{- end -}}
{{- if $values.enabled -}}
{{- $app := include "seawall.appOf" (dict "pod" $pod "values" $values) | int | index $pod.containers -}}
{{- $port := include "seawall.appPort" (dict "app" $app "values" $values) | int -}}
{{- include "seawall.checkPorts" (dict "pod" $pod "values" $values "port" $port) -}}
{{- $name := "" -}}
{{- range $app.ports -}}
{{- if and (eq (int .containerPort) $port) .name -}}
{{- $name = .name -}}
{{- $_ := set . "name" "behind-seawall" -}}
{{- end -}}
{{- end -}}
{{- if $name -}}
{{- include "seawall.sayNumber" (dict "app" $app "name" $name "port" $port) -}}
{{- end -}}
{{- $native := eq "native" (include "seawall.kind" (dict "root" $root "values" $values)) -}}
{{- $hook := include "seawall.holdBack" (dict "root" $root "values" $values "native" $native) | fromYaml -}}
{{- if $hook -}}
{{- $lifecycle := $app.lifecycle | default dict -}}
{{- if not $lifecycle.preStop -}}
{{- $_ := set $lifecycle "preStop" $hook -}}
{{- $_ := set $app "lifecycle" $lifecycle -}}
{{- end -}}
{{- end -}}
{{- $seawall := include "seawall.container" (dict "root" $root "values" $values "native" $native "upstreamPort" $port "portName" ($name | default "http")) | fromYaml -}}
{{- if $native -}}
{{- $_ := set $pod "initContainers" (append ($pod.initContainers | default list) $seawall) -}}
{{- else -}}
{{- $_ := set $pod "containers" (append $pod.containers $seawall) -}}
{{- end -}}
{{- $_ := set $pod "volumes" (concat ($pod.volumes | default list) (include "seawall.volumes" (dict "root" $root "values" $values) | fromYamlArray)) -}}
{{- $grace := add $values.stopDelaySeconds $values.app.stopSeconds $values.drainSeconds 5 -}}
{{- $_ := set $pod "terminationGracePeriodSeconds" (max $grace ($pod.terminationGracePeriodSeconds | default 30 | int)) -}}
{{- end -}}
{{- toYaml $pod -}}
{{- end }}

{{/* The place of the application among the containers. */}}
{{- define "seawall.appOf" -}}
{{- $wanted := .values.app.container | default (first .pod.containers).name -}}
{{- $found := -1 -}}
{{- range $place, $container := .pod.containers -}}
{{- if eq $container.name $wanted -}}{{- $found = $place -}}{{- end -}}
{{- end -}}
{{- if lt $found 0 -}}
{{- fail (printf "seawall: app.container is %q, and the pod has no container of that name" $wanted) -}}
{{- end -}}
{{- $found -}}
{{- end }}

{{- define "seawall.appPort" -}}
{{- if .values.app.port -}}
{{- .values.app.port -}}
{{- else if .app.ports -}}
{{- (first .app.ports).containerPort -}}
{{- else -}}
{{- fail (printf "seawall: app.port: say where the container %q listens, since it declares no port" .app.name) -}}
{{- end -}}
{{- end }}

{{/* The containers of a pod share their ports. */}}
{{- define "seawall.checkPorts" -}}
{{- $ours := list (int .values.port) (int .values.statusPort) 9901 -}}
{{- $theirs := list .port -}}
{{- range concat .pod.containers (.pod.initContainers | default list) -}}
{{- range .ports -}}{{- $theirs = append $theirs (int .containerPort) -}}{{- end -}}
{{- end -}}
{{- range $ours -}}
{{- if has . $theirs -}}
{{- fail (printf "the containers of a pod share their ports: seawall.port, seawall.statusPort and 9901 (Seawall's admin) must differ from those of the application, and %d is one of these" .) -}}
{{- end -}}
{{- end -}}
{{- if lt (len (uniq $ours)) 3 -}}
{{- fail (printf "seawall.port, seawall.statusPort and 9901 (Seawall's admin) must differ, these are %v" $ours) -}}
{{- end -}}
{{- end }}

{{/* Probes and hooks look for a port's name in their own container. */}}
{{- define "seawall.sayNumber" -}}
{{- $lifecycle := .app.lifecycle | default dict -}}
{{- $askers := list .app.startupProbe .app.livenessProbe .app.readinessProbe $lifecycle.postStart $lifecycle.preStop -}}
{{- range $asker := $askers -}}
{{- range $how := list "httpGet" "tcpSocket" -}}
{{- with get ($asker | default dict) $how -}}
{{- if eq (toString .port) $.name -}}{{- $_ := set . "port" $.port -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
