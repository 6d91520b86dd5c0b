{{/*
What no schema can say: values that are each in order and contradict one another. Every fault is told at once, each with
what to do about it.
*/}}
{{- define "tidegauge.validate" -}}
{{- $root := . }}
{{- $faults := list }}
{{- $declarations := .Files.Get "files/settings.json" | fromJson }}
{{- $adminPort := include "tidegauge.adminPort" . }}
{{- $hasToken := include "tidegauge.hasSecret" (list . "TIDEGAUGE_ADMIN_TOKEN") }}
{{- $hasNats := include "tidegauge.hasNats" . }}

{{- /* One setting, one place. */}}
{{- $places := dict }}
{{- range $place := list "settings" "secrets" "existingSecretKeys" "files" }}
{{- range $name, $value := get $root.Values $place | default dict }}
{{- if and (not (kindIs "invalid" $value)) (ne (toString $value) "") }}
{{- $_ := set $places $name (append (get $places $name | default list) $place) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $found := $places }}
{{- if gt (len $found) 1 }}
{{- $faults = append $faults (printf "%s is in %s: leave it in one of them" $name (join " and in " $found)) }}
{{- end }}
{{- end }}
{{- range $name := list "NATS_URL" "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" }}
{{- if regexMatch "://[^/,]*@" (include "tidegauge.setting" (list $root $name)) }}
{{- $faults = append $faults (printf "settings.%s has credentials in it, and settings are in a ConfigMap: use the secrets that there are for them, or existingSecretKeys" $name) }}
{{- end }}
{{- end }}
{{- $own := splitList " " (include "tidegauge.ownEnvNames" .) }}
{{- $seen := dict }}
{{- range .Values.extraEnv }}
{{- if hasKey $declarations .name }}
{{- $declaration := get $declarations .name }}
{{- $place := hasKey $declaration "isFile" | ternary "files" (hasKey $declaration "isSecret" | ternary "secrets" "settings") }}
{{- $faults = append $faults (printf "extraEnv has %s, which is a setting: use %s.%s, or existingSecretKeys" .name $place .name) }}
{{- else if has .name $own }}
{{- $faults = append $faults (printf "extraEnv has %s, which the chart sets itself: use resourceAttributes, nodeOptions or heapPercent" .name) }}
{{- else if hasPrefix "TIDEGAUGE_" .name }}
{{- $faults = append $faults (printf "extraEnv has %s, which is no setting: the gateway would not start" .name) }}
{{- else if hasKey $seen .name }}
{{- $faults = append $faults (printf "extraEnv has %s twice" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- if and .Values.existingSecret (not .Values.existingSecretKeys) }}
{{- $faults = append $faults "existingSecret is set, but existingSecretKeys names no setting in it, such as TIDEGAUGE_ADMIN_TOKEN: admin-token" }}
{{- else if and .Values.existingSecretKeys (not .Values.existingSecret) }}
{{- $faults = append $faults "existingSecretKeys is set, but existingSecret does not say in which Secret they are" }}
{{- end }}

{{- /* Ports, and who comes in. */}}
{{- if include "tidegauge.isLoopback" (include "tidegauge.setting" (list . "HOST")) }}
{{- $faults = append $faults "settings.HOST is a loopback address, which nobody outside of the pod can reach: use 0.0.0.0 or ::" }}
{{- end }}
{{- if eq $adminPort (include "tidegauge.port" .) }}
{{- $faults = append $faults "settings.ADMIN_PORT is settings.PORT too: choose another, or null for one port only" }}
{{- end }}
{{- if and (not $adminPort) (not $hasToken) (or .Values.ingress.enabled .Values.httpRoute.enabled (ne .Values.service.type "ClusterIP")) }}
{{- $faults = append $faults "without settings.ADMIN_PORT the reports are on the port that is open to the outside: set ADMIN_PORT, or a TIDEGAUGE_ADMIN_TOKEN" }}
{{- end }}
{{- if and (include "tidegauge.arePublicReports" .) (not (get (.Values.settings | default dict) "TIDEGAUGE_CORS_ORIGINS")) }}
{{- $faults = append $faults "settings.TIDEGAUGE_PUBLIC_REPORTS is true: name the origins that may read them in settings.TIDEGAUGE_CORS_ORIGINS" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- $faults = append $faults "httpRoute.enabled is true, but httpRoute.parentRefs names no Gateway" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- $faults = append $faults "ingress.enabled is true, but ingress.hosts is empty: it would answer to every name" }}
{{- end }}

{{- /* NATS. */}}
{{- if and .Values.nats.enabled (or (include "tidegauge.setting" (list . "NATS_URL")) (get (.Values.existingSecretKeys | default dict) "NATS_URL")) }}
{{- $faults = append $faults "nats.enabled is true and NATS_URL is set: the gateway has one bus; leave one of them" }}
{{- end }}
{{- if .Values.nats.enabled }}
{{- if eq (include "nats.fullname" .Subcharts.nats) (include "tidegauge.fullname" .) }}
{{- $faults = append $faults (printf "gateway and NATS would both be called %s: choose another name of the release, or set nats.fullnameOverride" (include "tidegauge.fullname" .)) }}
{{- end }}
{{- end }}
{{- if not $hasNats }}
{{- if include "tidegauge.isAutoscaled" . }}
{{- $faults = append $faults "an autoscaler needs a NATS: on the in-memory bus each pod would have messages of its own; set settings.NATS_URL, or nats.enabled" }}
{{- else if gt (include "tidegauge.replicas" . | int64) 1 }}
{{- $faults = append $faults "replicaCount is above 1 on the in-memory bus, where each pod would have messages of its own: set settings.NATS_URL, or nats.enabled" }}
{{- end }}
{{- end }}

{{- /* Coming and going. */}}
{{- $delay := include "tidegauge.seconds" (include "tidegauge.setting" (list . "TIDEGAUGE_DRAIN_DELAY")) | int64 }}
{{- if and (gt (int64 .Values.termination.preStopSleepSeconds) 0) (gt $delay 0) }}
{{- $faults = append $faults "termination.preStopSleepSeconds and settings.TIDEGAUGE_DRAIN_DELAY wait for the same thing, one after the other: leave one of them (TIDEGAUGE_DRAIN_DELAY: 0s)" }}
{{- end }}
{{- $needed := include "tidegauge.neededGraceSeconds" . | int64 }}
{{- with .Values.termination.gracePeriodSeconds }}
{{- if lt (int64 .) $needed }}
{{- $faults = append $faults (printf "termination.gracePeriodSeconds is %d, but leaving takes up to %d (sleep or delay, window, last export, margin): clients would be cut; leave it null" (int64 .) $needed) }}
{{- end }}
{{- end }}
{{- $progress := include "tidegauge.neededProgressSeconds" . | int64 }}
{{- with .Values.rollout.progressDeadlineSeconds }}
{{- if lt (int64 .) $progress }}
{{- $faults = append $faults (printf "rollout.progressDeadlineSeconds is %d, but a step of a rollout may take %d: leave it null" (int64 .) $progress) }}
{{- end }}
{{- end }}
{{- if and (has (toString .Values.rollout.maxSurge) (list "0" "0%")) (has (toString .Values.rollout.maxUnavailable) (list "0" "0%")) }}
{{- $faults = append $faults "rollout.maxSurge and rollout.maxUnavailable are both 0: no pod could ever be replaced" }}
{{- end }}

{{- $budget := .Values.podDisruptionBudget }}
{{- $fewest := int64 (include "tidegauge.isAutoscaled" . | empty | ternary (include "tidegauge.replicas" .) (toString .Values.autoscaling.minReplicas)) }}
{{- if and $budget.enabled (gt $fewest 0) }}
{{- $mayGo := 0 }}
{{- if kindIs "invalid" $budget.minAvailable }}
{{- $mayGo = include "tidegauge.podsOf" (list $budget.maxUnavailable $fewest) | int64 }}
{{- else }}
{{- $mayGo = sub $fewest (include "tidegauge.podsOf" (list $budget.minAvailable $fewest) | int64) }}
{{- end }}
{{- if lt (int64 $mayGo) 1 }}
{{- $faults = append $faults (printf "podDisruptionBudget lets none of %d pod(s) go: a node could never be drained; raise the number of pods, or maxUnavailable" $fewest) }}
{{- end }}
{{- end }}

{{- /* Scaling and scraping. */}}
{{- if or .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- if eq (include "tidegauge.setting" (list . "OTEL_SDK_DISABLED")) "true" }}
{{- $faults = append $faults "a monitor is enabled and settings.OTEL_SDK_DISABLED is true: there would be nothing to scrape" }}
{{- end }}
{{- if and $adminPort (include "tidegauge.isLoopback" (include "tidegauge.setting" (list . "ADMIN_HOST"))) }}
{{- $faults = append $faults "a monitor is enabled and settings.ADMIN_HOST is a loopback address, where no Prometheus can scrape: leave it null" }}
{{- end }}
{{- end }}
{{- if and (include "tidegauge.isAutoscaled" .) (eq (include "tidegauge.setting" (list . "OTEL_SDK_DISABLED")) "true") }}
{{- $faults = append $faults "an autoscaler is enabled and settings.OTEL_SDK_DISABLED is true: it would have nothing to go by" }}
{{- end }}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled }}
{{- $faults = append $faults "autoscaling.enabled and keda.enabled are both true: two autoscalers would fight; KEDA makes a HorizontalPodAutoscaler of its own" }}
{{- end }}
{{- if and .Values.keda.enabled (not .Values.keda.serverAddress) }}
{{- $faults = append $faults "keda.enabled is true, but keda.serverAddress does not say which Prometheus to ask" }}
{{- end }}
{{- if gt (int64 .Values.autoscaling.minReplicas) (int64 .Values.autoscaling.maxReplicas) }}
{{- $faults = append $faults "autoscaling.minReplicas is above autoscaling.maxReplicas" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- $faults = append $faults "serviceMonitor.enabled and podMonitor.enabled are both true: every pod would be scraped twice" }}
{{- end }}

{{- if $faults }}
{{- fail (printf "\n\nThese values cannot be used:\n  - %s\n" (join "\n  - " $faults)) }}
{{- end }}
{{- end }}
