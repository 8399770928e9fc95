// Package tools pins the parts of a Kubernetes node that the chart is tried on. The import keeps the sources in reach
// from which controller-gen makes the Prometheus operator's resource definitions.
package tools

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
