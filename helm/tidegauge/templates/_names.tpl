{{/* Names and labels. */}}

{{- define "tidegauge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
Not the 63 characters that the name of a Service may have: some names are longer by what the object is for, and pods have
NAME-HASH-RANDOM as their names, of which Kubernetes cuts NAME-HASH- at 58.
*/}}
{{- define "tidegauge.fullname" -}}
{{- $name := include "tidegauge.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tidegauge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tidegauge.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tidegauge.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tidegauge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{/* What the pod of `helm test` is found by; no Service may take it for a gateway. */}}
{{- define "tidegauge.testLabels" -}}
app.kubernetes.io/name: {{ include "tidegauge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{/*
The metadata of an object of the gateway: (list $ suffix labels annotations); the last two may be absent. What selects pods
cannot be overridden, everything else can.
*/}}
{{- define "tidegauge.metadata" -}}
{{- $root := index . 0 }}
{{- $given := concat . (list dict dict) }}
{{- $labels := index $given 2 }}
{{- $annotations := index $given 3 }}
{{- $selector := include "tidegauge.selectorLabels" $root | fromYaml }}
{{- $chart := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/part-of" "tidegauge"
}}
{{- $metadata := dict
  "name" (printf "%s%s" (include "tidegauge.fullname" $root) (index . 1))
  "namespace" $root.Release.Namespace
  "labels" (merge dict $selector $labels $root.Values.commonLabels $chart)
}}
{{- with $annotations }}{{ $_ := set $metadata "annotations" . }}{{ end }}
{{- toYaml $metadata }}
{{- end }}

{{/*
Labels of the pods. The versions of chart and application are not among them: they would replace every pod, and send every
client away, for a release that changes nothing in the pods.
*/}}
{{- define "tidegauge.podLabels" -}}
{{- $selector := include "tidegauge.selectorLabels" . | fromYaml }}
{{- merge dict $selector .Values.podLabels .Values.commonLabels (dict "app.kubernetes.io/part-of" "tidegauge") | toYaml }}
{{- end }}

{{- define "tidegauge.image" -}}
{{- $global := .Values.global | default dict }}
{{- $registry := get $global "imageRegistry" | default .Values.image.registry }}
{{- with $registry }}{{ . | trimSuffix "/" }}/{{ end }}
{{- .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "tidegauge.imagePullSecrets" -}}
{{- $global := .Values.global | default dict }}
{{- $names := list }}
{{- range concat (get $global "imagePullSecrets" | default list) .Values.imagePullSecrets }}
{{- $names = append $names (kindIs "string" . | ternary . (get (kindIs "string" . | ternary dict .) "name")) }}
{{- end }}
{{- range uniq $names }}
- name: {{ . }}
{{- end }}
{{- end }}
