{{/* What values.schema.json cannot say, so that no pod is started with flags that the server refuses. */}}
{{- define "device-api-server.check" -}}
{{- include "device-api-server.checkListeners" . -}}
{{- include "device-api-server.checkTimes" . -}}
{{- range $id := list "nvml-provider" "simulated" "operator" -}}
{{- if hasKey ($.Values.server.providers | default dict) $id -}}
{{- fail (printf "server.providers: %s is the server's own and takes no uid" $id) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.nvml.hostDriverRoot (eq (clean .Values.nvml.driverRoot) "/") -}}
{{- fail "nvml.driverRoot: / is the container's own root, and nvml.hostDriverRoot cannot be mounted there; leave it at its default" -}}
{{- end -}}
{{- end -}}

{{- define "device-api-server.checkListeners" -}}
{{- $address := include "device-api-server.grpcAddress" . -}}
{{- if not (or $address (include "device-api-server.sockets" . | fromJsonArray)) -}}
{{- fail "server.unixSocket, socket.legacyPath, server.grpcAddress: one of them is needed, or nobody can reach the server" -}}
{{- end -}}
{{- $taken := dict -}}
{{- $ports := list (list "server.healthPort" .Values.server.healthPort) (list "server.metricsPort" .Values.server.metricsPort) -}}
{{- if $address -}}
{{- $ports = append $ports (list "server.grpcAddress" (regexFind "[0-9]+$" $address)) -}}
{{- end -}}
{{- with .Values.server.uiAddress -}}
{{- $ports = append $ports (list "server.uiAddress" (regexFind "[0-9]+$" .)) -}}
{{- end -}}
{{- range $ports -}}
{{- $name := first . -}}
{{- $port := last . | int64 | toString -}}
{{- with get $taken $port -}}
{{- fail (printf "%s: %s is the port of %s already; give each a port of its own" $name $port .) -}}
{{- end -}}
{{- $_ := set $taken $port $name -}}
{{- end -}}
{{- end -}}

{{/* Within the limits of the flags; --nvml-period is also bound by half of --nvml-link-error-window. */}}
{{- define "device-api-server.checkTimes" -}}
{{- $times := list
  (list "server.shutdownDelay" .Values.server.shutdownDelay 0 3600)
  (list "server.shutdownTimeout" .Values.server.shutdownTimeout 0 3600)
  (list "server.providerLease" .Values.server.providerLease 1 86400)
  (list "nvml.period" .Values.nvml.period 0.1 30)
-}}
{{- range $times -}}
{{- $seconds := include "device-api-server.seconds" (index . 1) | float64 -}}
{{- if or (lt $seconds (index . 2 | float64)) (gt $seconds (index . 3 | float64)) -}}
{{- fail (printf "%s: %v is not between %v and %v seconds" (index . 0) (index . 1) (index . 2) (index . 3)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
