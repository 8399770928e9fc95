{{- define "device-api-server.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "device-api-server.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of the metrics Service; a name has 63 characters at most. */}}
{{- define "device-api-server.metricsName" -}}
{{- printf "%s-metrics" (include "device-api-server.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- define "device-api-server.selectorLabels" -}}
app.kubernetes.io/name: {{ include "device-api-server.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "device-api-server.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "device-api-server.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "device-api-server.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "device-api-server.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "device-api-server.image" -}}
{{- with .Values.image -}}
{{- $tag := .tag | default $.Chart.AppVersion -}}
{{- if .digest -}}{{- printf "%s@%s" .repository .digest -}}{{- else -}}{{- printf "%s:%s" .repository $tag -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The name of the chart's own class: with the namespace, because classes belong to the whole cluster, and with the value,
because that of a class cannot be changed; an upgrade makes another one.
*/}}
{{- define "device-api-server.ownPriorityClass" -}}
{{- printf "%s.%s-%d" (include "device-api-server.fullname" .) .Release.Namespace (int64 .Values.priorityClass.value) -}}
{{- end -}}

{{- define "device-api-server.priorityClassName" -}}
{{- if .Values.priorityClassName -}}
{{- .Values.priorityClassName -}}
{{- else if .Values.priorityClass.create -}}
{{- include "device-api-server.ownPriorityClass" . -}}
{{- end -}}
{{- end -}}

{{- define "device-api-server.runtimeClassName" -}}
{{- with .Values -}}
{{- if .runtimeClassName -}}
{{- if ne .runtimeClassName "none" -}}{{- .runtimeClassName -}}{{- end -}}
{{- else if and .nvml.enabled (not .nvml.hostDriverRoot) -}}
nvidia
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The uid that the server runs as: it gets the sockets' folders. */}}
{{- define "device-api-server.uid" -}}
{{- $pod := .Values.podSecurityContext | default dict -}}
{{- $container := .Values.securityContext | default dict -}}
{{- if hasKey $container "runAsUser" -}}{{- int64 $container.runAsUser -}}
{{- else if hasKey $pod "runAsUser" -}}{{- int64 $pod.runAsUser -}}
{{- else -}}65532{{- end -}}
{{- end -}}

{{/* The sockets, the server's own first: a list in JSON. */}}
{{- define "device-api-server.sockets" -}}
{{- list .Values.server.unixSocket .Values.socket.legacyPath | compact | uniq | toJson -}}
{{- end -}}

{{/* The folders of the sockets, each once: a list in JSON. */}}
{{- define "device-api-server.socketFolders" -}}
{{- $folders := list -}}
{{- range include "device-api-server.sockets" . | fromJsonArray -}}
{{- $folder := dir . -}}
{{- if regexMatch "^(/[^/]+|/(var|usr)/(run|lib|tmp|log|cache|spool|local|share))?/?$" $folder -}}
{{- fail (printf "server.unixSocket, socket.legacyPath: %s is not in a folder of its own; its folder is given to the server" .) -}}
{{- end -}}
{{- $folders = append $folders $folder -}}
{{- end -}}
{{- $folders | uniq | toJson -}}
{{- end -}}

{{/* The TCP address: loopback, unless insecureBind says that everybody may read. */}}
{{- define "device-api-server.grpcAddress" -}}
{{- $address := .Values.server.grpcAddress -}}
{{- if or (not $address) .Values.server.insecureBind (include "device-api-server.isLoopback" $address) -}}
{{- $address -}}
{{- else if hasPrefix ":" $address -}}
127.0.0.1{{ $address }}
{{- else -}}
{{- fail (printf "server.grpcAddress: %s is not a loopback address: anyone who reaches it could read; set server.insecureBind if that is meant" $address) -}}
{{- end -}}
{{- end -}}

{{- define "device-api-server.isLoopback" -}}
{{- if regexMatch "^(127\\.[0-9.]+|localhost|\\[::1\\]):[0-9]+$" . -}}yes{{- end -}}
{{- end -}}

{{/* The port of gRPC where it can be reached from outside the pod; empty where it cannot. */}}
{{- define "device-api-server.grpcPort" -}}
{{- $address := include "device-api-server.grpcAddress" . -}}
{{- if and $address (not (include "device-api-server.isLoopback" $address)) -}}
{{- regexFind "[0-9]+$" $address -}}
{{- end -}}
{{- end -}}

{{/* Where commands in the container find the server. */}}
{{- define "device-api-server.target" -}}
{{- $sockets := include "device-api-server.sockets" . | fromJsonArray -}}
{{- if $sockets -}}unix://{{ first $sockets }}{{- else -}}{{ include "device-api-server.grpcAddress" . | regexFind "[0-9]+$" | printf "127.0.0.1:%s" }}{{- end -}}
{{- end -}}

{{/* Seconds of a number, or of a text such as 1m30s. */}}
{{- define "device-api-server.seconds" -}}
{{- $units := dict "" 1 "h" 3600 "m" 60 "s" 1 "ms" 0.001 -}}
{{- $sum := kindIs "string" . | ternary 0 . -}}
{{- range regexFindAll "[0-9.]+(ms|[hms])?" (kindIs "string" . | ternary . "") -1 -}}
{{- $sum = addf $sum (mulf (regexFind "[0-9.]+" . | float64) (get $units (regexFind "[a-z]*$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* Whole numbers, comma-separated: values files hold them as floats, which would print as 1e+06. */}}
{{- define "device-api-server.numbers" -}}
{{- if kindIs "slice" . -}}
{{- $texts := list -}}
{{- range . -}}{{- $texts = append $texts (int64 . | toString) -}}{{- end -}}
{{- join "," $texts -}}
{{- else if kindIs "string" . -}}
{{- . -}}
{{- else -}}
{{- int64 . -}}
{{- end -}}
{{- end -}}

{{- define "device-api-server.args" -}}
{{- $server := .Values.server -}}
- serve
- {{ printf "--grpc-address=%s" (include "device-api-server.grpcAddress" .) | quote }}
{{- if $server.insecureBind }}
- --insecure-bind=true
{{- end }}
- {{ printf "--unix-socket=%s" (include "device-api-server.sockets" . | fromJsonArray | join ",") | quote }}
- --health-port={{ int64 $server.healthPort }}
- --metrics-port={{ int64 $server.metricsPort }}
- {{ printf "--ui-address=%s" $server.uiAddress | quote }}
- --shutdown-delay={{ include "device-api-server.seconds" $server.shutdownDelay }}s
- --shutdown-timeout={{ include "device-api-server.seconds" $server.shutdownTimeout }}s
- --provider-uids={{ include "device-api-server.numbers" $server.providerUids }}
- --provider-gids={{ include "device-api-server.numbers" $server.providerGids }}
{{- range $id, $uid := $server.providers }}
- {{ printf "--provider=%s=%d" $id (int64 $uid) | quote }}
{{- end }}
- --provider-lease={{ include "device-api-server.seconds" $server.providerLease }}s
{{- if kindIs "slice" $server.invertedConditions }}
- {{ printf "--inverted-conditions=%s" (join "," $server.invertedConditions) | quote }}
{{- end }}
{{- if kindIs "slice" $server.advisoryConditions }}
- {{ printf "--advisory-conditions=%s" (join "," $server.advisoryConditions) | quote }}
{{- end }}
{{- if $server.simulate }}
- --simulate={{ int64 $server.simulate }}
{{- end }}
- --log-format={{ .Values.logging.format }}
- --v={{ int64 .Values.logging.verbosity }}
{{- with .Values.nvml }}
- --enable-nvml-provider={{ .enabled }}
{{- if .enabled }}
- {{ printf "--nvml-driver-root=%s" .driverRoot | quote }}
- --nvml-health-check={{ .healthCheckEnabled }}
- --nvml-ignored-xids={{ include "device-api-server.numbers" .additionalIgnoredXids }}
- {{ printf "--nvml-period=%v" .period | quote }}
- --nvml-mig={{ .mig }}
{{- end }}
{{- end }}
{{- range $server.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* BUN_OPTIONS and BUN_BE_BUN would make the binary run other code; set to nothing, and never the user's. */}}
{{- define "device-api-server.runtimeEnv" -}}
- name: BUN_OPTIONS
  value: ""
- name: BUN_BE_BUN
  value: ""
{{- end -}}

{{/* One entry a name: Helm 4 applies on the server, which refuses a list with two. */}}
{{- define "device-api-server.env" -}}
{{- $given := list -}}
{{- range .Values.env -}}
{{- if hasPrefix "BUN_" .name -}}
{{- fail (printf "env: %s is refused: variables that begin with BUN_ change what the binary runs" .name) -}}
{{- end -}}
{{- if has .name $given -}}
{{- fail (printf "env: %s is there twice" .name) -}}
{{- end -}}
{{- $given = append $given .name -}}
{{- end -}}
{{- $own := list (dict "name" "NODE_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "spec.nodeName"))) -}}
{{- $own = append $own (dict "name" "NVIDIA_DEVICE_API_TARGET" "value" (include "device-api-server.target" .)) -}}
{{- if and .Values.nvml.enabled (not .Values.nvml.hostDriverRoot) -}}
{{- $own = append $own (dict "name" "NVIDIA_VISIBLE_DEVICES" "value" "all") -}}
{{- $own = append $own (dict "name" "NVIDIA_DRIVER_CAPABILITIES" "value" "utility") -}}
{{- end -}}
{{- include "device-api-server.runtimeEnv" . }}
{{- range $own -}}
{{- if not (has .name $given) }}
{{ list . | toYaml }}
{{- end -}}
{{- end -}}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Three quarters of the container's limit of memory, in bytes; empty where it has none, or one in another notation. */}}
{{- define "device-api-server.memoryThreshold" -}}
{{- $limit := ((.Values.resources | default dict).limits | default dict).memory -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $text := kindIs "string" $limit | ternary $limit (int64 $limit | toString) -}}
{{- if and $limit (regexMatch "^[0-9]+([.][0-9]+)?([kMGT]|[KMGT]i)?$" $text) -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- mulf (trimSuffix $unit $text | float64) (get $units $unit) 0.75 | int64 -}}
{{- end -}}
{{- end -}}

{{/* Metadata of an object that may be put into another namespace: context, its values. */}}
{{- define "device-api-server.monitorMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
name: {{ include "device-api-server.fullname" $root }}
namespace: {{ default $root.Release.Namespace $values.namespace | quote }}
labels:
  {{- include "device-api-server.labels" $root | nindent 2 }}
  {{- with $values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* One endpoint of a ServiceMonitor or PodMonitor. */}}
{{- define "device-api-server.scrape" -}}
- port: metrics
  path: /metrics
  interval: {{ .interval }}
  scrapeTimeout: {{ .scrapeTimeout }}
  honorLabels: true
  relabelings:
    # The alerts go by the job, whatever release and objects are called.
    - targetLabel: job
      replacement: device-api-server
    - sourceLabels: [__meta_kubernetes_pod_node_name]
      targetLabel: node
    {{- with .relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
