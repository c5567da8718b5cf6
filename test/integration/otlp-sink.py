# SPDX-License-Identifier: Apache-2.0
"""An OTLP profiles server over gRPC: otlp-sink.py PORT

Prints {"port": n}, then one JSON line for each request: its metadata, resource attributes and stacks
with their values, as Google's protobuf reads them.
"""

import json
import sys
import threading
from concurrent import futures

import grpc
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as messages
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2_grpc as services

from otlp_text import record


LOCK = threading.Lock()


class Sink(services.ProfilesServiceServicer):
    def Export(self, request, context):
        metadata = {k: str(v) for k, v in context.invocation_metadata()}
        line = json.dumps(record(request, metadata))
        # One write for a line and its end: requests are answered by several threads.
        with LOCK:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        return messages.ExportProfilesServiceResponse()


def main():
    # Without this option a second server could share the port of one that is still alive.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    services.add_ProfilesServiceServicer_to_server(Sink(), server)
    port = server.add_insecure_port("127.0.0.1:" + sys.argv[1])
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()


main()
