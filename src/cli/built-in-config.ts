// SPDX-License-Identifier: Apache-2.0

/** What runs where no --config is given: profile this host, take OTLP, show both on a local page. */
export const BUILT_IN_CONFIG = `receivers:
  profiling:
    samples_per_second: 97
    # the page is live
    reporter_interval: 1s
    include_env_vars: OTEL_SERVICE_NAME
    # a host that refuses eBPF still runs the rest
    error_mode: ignore
  otlp:
    protocols:
      grpc:
      http:

processors:
  resource_detection:
    detectors: [env, system]
  relabel:
    rules:
      - source_labels: [service.name, process.environment_variable.OTEL_SERVICE_NAME, process.executable.name]
        separator: ;
        regex: ;*([^;]+).*
        target_label: service.name
        replacement: $$1

exporters:
  viewer:

extensions:
  health_check:

service:
  extensions: [health_check]
  pipelines:
    profiles:
      receivers: [profiling, otlp]
      processors: [resource_detection, relabel]
      exporters: [viewer]
`;
