{{/*
Times. A pod that is told to leave sleeps (by the kubelet) or waits (in the gateway) until nobody sends it clients any
more, then spreads its closes over a window, exports once more, and goes.
*/}}

{{/* What src/leaving.ts gives the last export. */}}
{{- define "tidegauge.lastExportSeconds" -}}5{{- end }}

{{- define "tidegauge.neededGraceSeconds" -}}
{{- $delay := include "tidegauge.seconds" (include "tidegauge.setting" (list . "TIDEGAUGE_DRAIN_DELAY")) | int64 }}
{{- $window := include "tidegauge.seconds" (include "tidegauge.setting" (list . "TIDEGAUGE_DRAIN_WINDOW")) | int64 }}
{{- $export := include "tidegauge.lastExportSeconds" . | int64 }}
{{- add (int64 .Values.termination.preStopSleepSeconds) $delay $window $export (int64 .Values.termination.marginSeconds) }}
{{- end }}

{{- define "tidegauge.graceSeconds" -}}
{{- with .Values.termination.gracePeriodSeconds }}{{ int64 . }}{{ else }}{{ include "tidegauge.neededGraceSeconds" . }}{{ end }}
{{- end }}

{{/* How long a new pod may take until it counts as available. */}}
{{- define "tidegauge.startSeconds" -}}
{{- $startup := .Values.probes.startup }}
{{- add (mul (int64 $startup.periodSeconds) (int64 $startup.failureThreshold)) (int64 (.Values.probes.readiness.periodSeconds)) (int64 .Values.rollout.minReadySeconds) }}
{{- end }}

{{- define "tidegauge.neededProgressSeconds" -}}
{{- add (include "tidegauge.graceSeconds" . | int64) (include "tidegauge.startSeconds" . | int64) 60 | max 600 }}
{{- end }}

{{- define "tidegauge.progressDeadlineSeconds" -}}
{{- with .Values.rollout.progressDeadlineSeconds }}{{ int64 . }}{{ else }}{{ include "tidegauge.neededProgressSeconds" . }}{{ end }}
{{- end }}

{{/* The number of pods without an autoscaler. The in-memory bus is in one process and cannot be shared. */}}
{{- define "tidegauge.replicas" -}}
{{- if kindIs "invalid" .Values.replicaCount }}{{ empty (include "tidegauge.hasNats" .) | ternary 1 2 }}
{{- else }}{{ int64 .Values.replicaCount }}{{ end }}
{{- end }}

{{- define "tidegauge.isAutoscaled" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled }}true{{ end }}
{{- end }}

{{- define "tidegauge.replicasMax" -}}
{{- if include "tidegauge.isAutoscaled" . }}{{ int64 .Values.autoscaling.maxReplicas }}{{ else }}{{ include "tidegauge.replicas" . }}{{ end }}
{{- end }}

{{/*
The `--timeout` that an upgrade needs: pods are replaced one after the other, each new one has to be available first, and
the last old one has its whole grace; Helm 4 waits for it too. In whole minutes.
*/}}
{{- define "tidegauge.upgradeTimeout" -}}
{{- $seconds := add (mul (include "tidegauge.replicasMax" . | int64) (add 30 (int64 .Values.rollout.minReadySeconds))) (include "tidegauge.graceSeconds" . | int64) 60 }}
{{- div (add $seconds 59) 60 }}m
{{- end }}
