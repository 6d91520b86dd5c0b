{{/* Parts of a pod that are more than a line. */}}

{{/* Nulls take a default away; an API server would store them, or refuse them. */}}
{{- define "tidegauge.withoutNulls" -}}
{{- $kept := dict }}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $key (kindIs "float64" $value | ternary (int64 (kindIs "float64" $value | ternary $value 0)) $value) }}{{ end }}
{{- end }}
{{- toYaml $kept }}
{{- end }}

{{/*
Over nodes and zones, where there are several. Of old and new pods each for itself, so that a rollout does not leave the new
ones all on the node that the old ones left free.
*/}}
{{- define "tidegauge.topologySpread" -}}
{{- $selector := dict "matchLabels" (include "tidegauge.selectorLabels" . | fromYaml) }}
{{- $constraints := .Values.topologySpreadConstraints }}
{{- if kindIs "invalid" $constraints }}
{{- $constraints = list }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway" "matchLabelKeys" (list "pod-template-hash")) }}
{{- end }}
{{- end }}
{{- range $constraints }}
{{- $constraint := hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $selector) .) }}
- {{ toYaml $constraint | nindent 2 | trim }}
{{- end }}
{{- end }}
