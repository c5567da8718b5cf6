# SPDX-License-Identifier: Apache-2.0
"""An OTLP server for metrics, traces and logs over gRPC and HTTP: telemetry-sink.py [CERT KEY CA]

With files of a certificate, its key and the authority of clients, gRPC speaks TLS and wants a client's
certificate. Prints {"grpc": port, "http": port}, then one JSON line for each request, as Google's protobuf
reads it, with attributes as plain objects. The first HTTP request to a path with "busy" in it is answered with 503.
"""

import gzip
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SIGNALS = {
    "metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse, "metrics.v1.MetricsService"),
    "traces": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse, "trace.v1.TraceService"),
    "logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse, "logs.v1.LogsService"),
}
LOCK = threading.Lock()


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in any_value.array_value.values]
    if kind == "kvlist_value":
        return plain(any_value.kvlist_value.values)
    return None if kind is None else getattr(any_value, kind)


def plain(attributes):
    return {one.key: value(one.value) for one in attributes}


def point(one, kind):
    told = {"labels": plain(one.attributes), "start": one.start_time_unix_nano, "time": one.time_unix_nano}
    if kind == "histogram":
        return {**told, "bounds": list(one.explicit_bounds), "counts": list(one.bucket_counts), "count": one.count, "sum": one.sum}
    return {**told, "value": getattr(one, one.WhichOneof("value"))}


def metric(one):
    kind = one.WhichOneof("data")
    data = getattr(one, kind)
    told = {"name": one.name, "description": one.description, "unit": one.unit, "kind": kind}
    if kind != "gauge":
        told["temporality"] = data.aggregation_temporality
    if kind == "sum":
        told["monotonic"] = data.is_monotonic
    return {**told, "points": [point(p, kind) for p in data.data_points]}


def span(one):
    return {
        "name": one.name,
        "kind": one.kind,
        "trace": one.trace_id.hex(),
        "span": one.span_id.hex(),
        "parent": one.parent_span_id.hex(),
        "attributes": plain(one.attributes),
        "status": [one.status.code, one.status.message],
        "events": [{"name": e.name, "attributes": plain(e.attributes)} for e in one.events],
        "links": [{"trace": li.trace_id.hex(), "span": li.span_id.hex()} for li in one.links],
        "duration": one.end_time_unix_nano - one.start_time_unix_nano,
        "time": one.start_time_unix_nano,
    }


def record(one):
    return {
        "severity": [one.severity_number, one.severity_text],
        "body": value(one.body),
        "attributes": plain(one.attributes),
        "trace": one.trace_id.hex(),
        "time": one.time_unix_nano,
    }


def scopes(signal, request):
    if signal == "metrics":
        return [(r.resource, s.scope, [metric(m) for m in s.metrics]) for r in request.resource_metrics for s in r.scope_metrics]
    if signal == "traces":
        return [(r.resource, s.scope, [span(x) for x in s.spans]) for r in request.resource_spans for s in r.scope_spans]
    return [(r.resource, s.scope, [record(x) for x in s.log_records]) for r in request.resource_logs for s in r.scope_logs]


def tell(signal, transport, headers, request):
    lines = ""
    for resource, scope, items in scopes(signal, request):
        told = {"signal": signal, "transport": transport, "headers": headers, "items": items}
        told["resource"] = plain(resource.attributes)
        told["scope"] = [scope.name, scope.version]
        lines += json.dumps(told) + "\n"
    with LOCK:
        sys.stdout.write(lines)
        sys.stdout.flush()


def handler(signal):
    request_class, response_class, service = SIGNALS[signal]

    def export(request, context):
        tell(signal, "grpc", {k: str(v) for k, v in context.invocation_metadata()}, request)
        return response_class()

    method = grpc.unary_unary_rpc_method_handler(
        export, request_deserializer=request_class.FromString, response_serializer=response_class.SerializeToString
    )
    return grpc.method_handlers_generic_handler("opentelemetry.proto.collector." + service, {"Export": method})


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    refused = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if "busy" in self.path and self.path not in Http.refused:
            Http.refused.add(self.path)
            return self.answer(503, b"")
        signal = self.path.split("?")[0].rsplit("/", 1)[1]
        request_class, response_class, _ = SIGNALS[signal]
        headers = {k.lower(): v for k, v in self.headers.items()}
        headers["path"] = self.path
        tell(signal, "http", headers, request_class.FromString(body))
        answer = response_class()
        if signal == "logs" and "partly" in self.path:
            answer.partial_success.rejected_log_records = 1
            answer.partial_success.error_message = "one too old"
        self.answer(200, answer.SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        if status == 503:
            self.send_header("retry-after", "0")
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    for signal in SIGNALS:
        server.add_generic_rpc_handlers((handler(signal),))
    if len(sys.argv) > 1:
        cert, key, ca = (open(path, "rb").read() for path in sys.argv[1:4])
        own = grpc.ssl_server_credentials([(key, cert)], root_certificates=ca, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", own)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    print(json.dumps({"grpc": port, "http": http.server_address[1]}), flush=True)
    server.wait_for_termination()


main()
