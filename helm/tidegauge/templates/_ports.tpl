{{/* Ports and paths: what there is, and who may be led there. */}}

{{- define "tidegauge.port" -}}{{ include "tidegauge.setting" (list . "PORT") }}{{- end }}
{{- define "tidegauge.adminPort" -}}{{ include "tidegauge.setting" (list . "ADMIN_PORT") }}{{- end }}

{{/* The port that figures are on, by name. */}}
{{- define "tidegauge.figuresPortName" -}}
{{- if include "tidegauge.adminPort" . }}admin{{ else }}clients{{ end }}
{{- end }}

{{- define "tidegauge.arePublicReports" -}}
{{- if eq (include "tidegauge.setting" (list . "TIDEGAUGE_PUBLIC_REPORTS")) "true" }}true{{ end }}
{{- end }}

{{/* The only paths that an Ingress or a route leads to, one a line. */}}
{{- define "tidegauge.publicPaths" -}}
/ws
{{- if include "tidegauge.arePublicReports" . }}
/stats
/metrics/enhanced
/metrics/system
{{- end }}
{{- end }}

{{/* The ports of a comma-separated list of addresses: (list addresses default), one a line. */}}
{{- define "tidegauge.portsOf" -}}
{{- $default := index . 1 }}
{{- $ports := list }}
{{- range splitList "," (index . 0) }}
{{- $authority := regexReplaceAll "[/?#].*$" (regexReplaceAll "^[a-z]+://" (trim .) "") "" }}
{{- $ports = append $ports (regexFind ":[0-9]+$" $authority | trimPrefix ":" | default $default) }}
{{- end }}
{{- uniq $ports | join "\n" }}
{{- end }}

{{/* The endpoint that metrics are pushed to; empty if none is. */}}
{{- define "tidegauge.otlpEndpoint" -}}
{{- $metrics := include "tidegauge.setting" (list . "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") }}
{{- $metrics | default (include "tidegauge.setting" (list . "OTEL_EXPORTER_OTLP_ENDPOINT")) }}
{{- end }}
