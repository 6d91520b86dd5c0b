{{/* What both autoscalers go by. */}}

{{/* Connections that a pod should carry. */}}
{{- define "tidegauge.connectionsTarget" -}}
{{- $limit := include "tidegauge.setting" (list . "TIDEGAUGE_MAX_CONNECTIONS") | int64 }}
{{- div (mul $limit (int64 .Values.autoscaling.connectionsPercent)) 100 | max 1 }}
{{- end }}

{{/* Matches the pods of the Deployment in PromQL, whoever scrapes them. */}}
{{- define "tidegauge.podsInPrometheus" -}}
namespace="{{ .Release.Namespace }}",pod=~"{{ include "tidegauge.fullname" . }}-[0-9a-z]+-[0-9a-z]+"
{{- range $label, $value := .Values.keda.matchers }},{{ $label }}={{ $value | toString | quote }}{{ end }}
{{- end }}

{{/* (list number all): a number of pods, or a percentage of all, rounded up as a budget does. */}}
{{- define "tidegauge.podsOf" -}}
{{- $number := index . 0 | toString }}
{{- if hasSuffix "%" $number }}
{{- div (add (mul (trimSuffix "%" $number | int64) (index . 1)) 99) 100 }}
{{- else }}
{{- int64 $number }}
{{- end }}
{{- end }}
