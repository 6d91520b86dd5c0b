{{/*
Settings: their values as the gateway reads them, and what the chart has to know of some. files/settings.json, which is
generated from the gateway's own table, says of what kind each is.
*/}}

{{/* (list kind value): as one writes it in an environment. Helm hands in every number as a float. */}}
{{- define "tidegauge.written" -}}
{{- $kind := index . 0 }}
{{- $value := index . 1 }}
{{- if kindIs "slice" $value }}
{{- join "," $value }}
{{- else if and (kindIs "float64" $value) (eq $kind "number") }}
{{- regexReplaceAll "\\.?0+$" (printf "%.6f" $value) "" }}
{{- else if kindIs "float64" $value }}
{{- int64 $value }}
{{- else }}
{{- $value }}
{{- end }}
{{- end }}

{{/* (list $ NAME): the value in force as far as the values tell; empty if unset. */}}
{{- define "tidegauge.setting" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- $declaration := get ($root.Files.Get "files/settings.json" | fromJson) $name }}
{{- $value := get ($root.Values.settings | default dict) $name }}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") }}
{{- get $declaration "default" }}
{{- else }}
{{- include "tidegauge.written" (list $declaration.kind $value) }}
{{- end }}
{{- end }}

{{/* A duration as the gateway reads it, in whole seconds, rounded up. */}}
{{- define "tidegauge.seconds" -}}
{{- $number := regexFind "^[0-9.]+" . | float64 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $factor := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "" 1.0) $unit }}
{{- mulf $number $factor | ceil | int64 }}
{{- end }}

{{/* Whether a secret setting is given in any way: not empty if so. */}}
{{- define "tidegauge.hasSecret" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- if or (get ($root.Values.secrets | default dict) $name) (get ($root.Values.existingSecretKeys | default dict) $name) }}true{{ end }}
{{- end }}

{{/* The name of the Secret and the key in it that hold a setting, as a secretKeyRef. */}}
{{- define "tidegauge.secretKeyRef" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- with get ($root.Values.existingSecretKeys | default dict) $name }}
name: {{ $root.Values.existingSecret }}
key: {{ . }}
{{- else }}
name: {{ include "tidegauge.fullname" $root }}
key: {{ $name }}
{{- end }}
{{- end }}

{{/* The addresses of NATS that the values tell: those of the settings, or the subchart's. */}}
{{- define "tidegauge.natsUrl" -}}
{{- if .Values.nats.enabled }}
{{- printf "nats://%s:%v" (include "nats.fullname" .Subcharts.nats) .Values.nats.config.nats.port }}
{{- else }}
{{- include "tidegauge.setting" (list . "NATS_URL") }}
{{- end }}
{{- end }}

{{/* Not empty if there is a NATS, also one whose address only a Secret knows. */}}
{{- define "tidegauge.hasNats" -}}
{{- if or (include "tidegauge.natsUrl" .) (get (.Values.existingSecretKeys | default dict) "NATS_URL") }}true{{ end }}
{{- end }}

{{/* The data of the ConfigMap. */}}
{{- define "tidegauge.settings" -}}
{{- $root := . }}
{{- $declarations := .Files.Get "files/settings.json" | fromJson }}
{{- range $name, $value := .Values.settings }}
{{- $declaration := get $declarations $name }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{ $name }}: {{ include "tidegauge.written" (list $declaration.kind $value) | quote }}
{{- end }}
{{- end }}
{{- if .Values.nats.enabled }}
NATS_URL: {{ include "tidegauge.natsUrl" . | quote }}
{{- end }}
{{- end }}

{{/* Variables for the settings that are not in the ConfigMap: secrets, and paths of files. */}}
{{- define "tidegauge.settingEnv" -}}
{{- $root := . }}
{{- range $name, $value := .Values.secrets }}
{{- if $value }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      {{- include "tidegauge.secretKeyRef" (list $root $name) | trim | nindent 6 }}
{{- end }}
{{- end }}
{{- range $name, $key := .Values.existingSecretKeys }}
{{- if $key }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      {{- include "tidegauge.secretKeyRef" (list $root $name) | trim | nindent 6 }}
{{- end }}
{{- end }}
{{- range $name, $file := .Values.files }}
{{- if $file }}
- name: {{ $name }}
  value: /etc/tidegauge/{{ $name }}/{{ $file.key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidegauge.fileVolumes" -}}
{{- range $name, $file := .Values.files }}
{{- if $file }}
- name: file-{{ $name | lower | replace "_" "-" | trunc 58 | trimSuffix "-" }}
  {{- if $file.secret }}
  secret:
    secretName: {{ $file.secret }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ $file.configMap }}
    defaultMode: 0444
  {{- end }}
    items:
      - key: {{ $file.key }}
        path: {{ $file.key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidegauge.fileMounts" -}}
{{- range $name, $file := .Values.files }}
{{- if $file }}
- name: file-{{ $name | lower | replace "_" "-" | trunc 58 | trimSuffix "-" }}
  mountPath: /etc/tidegauge/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{/* What Kubernetes knows of the pod, in the words of OpenTelemetry's conventions. */}}
{{- define "tidegauge.resourceAttributes" -}}
{{- $own := list
  "k8s.pod.name=$(K8S_POD_NAME)"
  "k8s.pod.uid=$(K8S_POD_UID)"
  "k8s.namespace.name=$(K8S_NAMESPACE_NAME)"
  "k8s.node.name=$(K8S_NODE_NAME)"
  (printf "k8s.deployment.name=%s" (include "tidegauge.fullname" .))
  "k8s.container.name=tidegauge"
  "service.instance.id=$(K8S_POD_UID)"
}}
{{- range $key, $value := .Values.resourceAttributes }}
{{- $own = append $own (printf "%s=%s" $key ($value | urlquery | replace "+" "%20")) }}
{{- end }}
{{- join "," $own }}
{{- end }}

{{/* The names of the variables that the chart writes itself. */}}
{{- define "tidegauge.ownEnvNames" -}}
K8S_POD_NAME K8S_POD_UID K8S_NAMESPACE_NAME K8S_NODE_NAME OTEL_RESOURCE_ATTRIBUTES NODE_OPTIONS
{{- end }}

{{- define "tidegauge.env" -}}
- name: K8S_POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: K8S_POD_UID
  valueFrom: { fieldRef: { fieldPath: metadata.uid } }
- name: K8S_NAMESPACE_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: K8S_NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "tidegauge.resourceAttributes" . | quote }}
{{- with include "tidegauge.nodeOptions" . }}
- name: NODE_OPTIONS
  value: {{ . | quote }}
{{- end }}
{{- include "tidegauge.settingEnv" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The heap's share of the memory limit. Node takes the limit from the control group, so it follows a limit that is changed
by hand or by a vertical autoscaler; without a limit it would be a share of the whole node, and Node's own choice is better.
*/}}
{{- define "tidegauge.nodeOptions" -}}
{{- $limits := get (.Values.resources | default dict) "limits" | default dict }}
{{- $options := list }}
{{- if get $limits "memory" }}
{{- $options = append $options (printf "--max-old-space-size-percentage=%d" (int64 .Values.heapPercent)) }}
{{- end }}
{{- with .Values.nodeOptions }}{{ $options = append $options . }}{{ end }}
{{- join " " $options }}
{{- end }}
