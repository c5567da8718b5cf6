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


LOCK = threading.Lock()


def folded(dictionary, profile):
    lines = []
    for sample in profile.samples:
        names = []
        for location in dictionary.stack_table[sample.stack_index].location_indices:
            for line in dictionary.location_table[location].lines:
                function = dictionary.function_table[line.function_index]
                names.append(dictionary.string_table[function.name_strindex])
        value = sum(sample.values) if sample.values else len(sample.timestamps_unix_nano)
        lines.append(";".join(reversed(names)) + " " + str(value))
    return lines


def inline_text(attribute):
    return attribute.key + "=" + attribute.value.string_value


class Sink(services.ProfilesServiceServicer):
    def Export(self, request, context):
        record = {"metadata": dict(context.invocation_metadata()), "attributes": [], "folded": []}
        for resource in request.resource_profiles:
            record["attributes"] += [inline_text(a) for a in resource.resource.attributes]
            for scope in resource.scope_profiles:
                for profile in scope.profiles:
                    record["folded"] += folded(request.dictionary, profile)
        record["metadata"] = {k: str(v) for k, v in record["metadata"].items()}
        # One write for a line and its end: requests are answered by several threads.
        with LOCK:
            sys.stdout.write(json.dumps(record) + "\n")
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
