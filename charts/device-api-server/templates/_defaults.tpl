{{/*
A value that a values file sets to null is not there at all. Most such values would then turn into 0 or nothing, which
may mean the opposite of the default: an empty list of gids would become gid 0. So each template first puts the defaults
back into .Values. A value whose schema takes null has none: there null says "none of this".
*/}}
{{- define "device-api-server.setDefaults" -}}
{{- range $path, $default := .Files.Get "files/defaults.yaml" | fromYaml -}}
{{- $map := $.Values -}}
{{- $keys := splitList "." $path -}}
{{- range initial $keys -}}
{{- if kindIs "invalid" (index $map .) -}}
{{- $_ := set $map . (dict) -}}
{{- end -}}
{{- $map = index $map . -}}
{{- end -}}
{{- if kindIs "invalid" (index $map (last $keys)) -}}
{{- $_ := set $map (last $keys) $default -}}
{{- end -}}
{{- end -}}
{{- end -}}
