{{/* Ports and paths: what there is, and who may be led there. */}}

{{- define "tidegauge.port" -}}{{ include "tidegauge.setting" (list . "PORT") }}{{- end }}
{{- define "tidegauge.adminPort" -}}{{ include "tidegauge.setting" (list . "ADMIN_PORT") }}{{- end }}

{{/* The port that figures are on, by name. */}}
{{- define "tidegauge.figuresPortName" -}}
{{- if include "tidegauge.adminPort" . }}admin{{ else }}clients{{ end }}
{{- end }}

{{/* Not empty for an address that nobody outside of the pod can reach. */}}
{{- define "tidegauge.isLoopback" -}}
{{- if or (hasPrefix "127." .) (has . (list "localhost" "::1")) }}true{{ end }}
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

{{/* The ports that metrics are pushed to, one a line; empty if they are not. Where only a Secret knows the endpoint, the usual ones. */}}
{{- define "tidegauge.otlpPorts" -}}
{{- $endpoint := include "tidegauge.setting" (list . "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") | default (include "tidegauge.setting" (list . "OTEL_EXPORTER_OTLP_ENDPOINT")) }}
{{- $protocol := include "tidegauge.setting" (list . "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") | default (include "tidegauge.setting" (list . "OTEL_EXPORTER_OTLP_PROTOCOL")) }}
{{- $keys := .Values.existingSecretKeys | default dict }}
{{- if or (get $keys "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") (and (not $endpoint) (get $keys "OTEL_EXPORTER_OTLP_ENDPOINT")) }}
{{- "4317\n4318" }}
{{- else if $endpoint }}
{{- /* gRPC takes 443 whatever the scheme. */}}
{{- $isPlain := and (hasPrefix "http:" $endpoint) (ne $protocol "grpc") }}
{{- include "tidegauge.portsOf" (list $endpoint (ternary "80" "443" $isPlain)) }}
{{- end }}
{{- end }}
