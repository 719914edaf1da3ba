{{- define "fairvisor.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "fairvisor.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fairvisor.labels" -}}
{{ include "fairvisor.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "fairvisor.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "fairvisor.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: { drop: [ALL] }
{{- end }}

{{- define "fairvisor.mounts" -}}
- { name: config, mountPath: /etc/fairvisor, readOnly: true }
- { name: run, mountPath: /run/fairvisor }
- { name: state, mountPath: /var/lib/fairvisor }
- { name: shm, mountPath: /dev/shm }
{{- end }}

{{- /* The environment overrules the file, and the image has an environment: both must say the same. The folders are below the
volumes, which Kubernetes lets everybody write to: fairvisord refuses such a folder and makes its own in it. */ -}}
{{- define "fairvisor.environment" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}
{{- if eq $name "CONFIG_FILE" }}/etc/fairvisor/policy.json
{{- else if eq $name "LISTEN" }}{{ if eq $root.Values.mode "sidecar" }}127.0.0.1{{ else }}0.0.0.0{{ end }}:{{ $root.Values.port }}
{{- else if eq $name "RUNTIME_DIR" }}/run/fairvisor/edge
{{- else if eq $name "STATE_DIR" }}/var/lib/fairvisor/edge
{{- else }}{{ $root.Values.settings.shared_dict_size | default "64m" }}
{{- end }}
{{- end }}
