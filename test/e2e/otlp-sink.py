# SPDX-License-Identifier: Apache-2.0
"""An OTLP profiles receiver over gRPC: otlp-sink.py DIRECTORY

Prints its port, then for every request a line of JSON: the file it wrote the request to, and for each
function name the number of stacks it stands on, and for locations with inlined functions the chains
"name file:line < name file:line", innermost first.
"""

import collections
import concurrent.futures
import json
import os
import sys

import grpc
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as messages
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2_grpc as services


class Sink(services.ProfilesServiceServicer):
    def __init__(self, directory):
        self.directory = directory
        self.count = 0

    def Export(self, request, context):
        self.count += 1
        path = os.path.join(self.directory, f"{self.count}.otlp")
        with open(path, "wb") as file:
            file.write(request.SerializeToString())
        d = request.dictionary
        names = collections.Counter()
        samples = 0
        for resource in request.resource_profiles:
            for scope in resource.scope_profiles:
                for profile in scope.profiles:
                    samples += len(profile.samples)
        for stack in d.stack_table:
            on_stack = set()
            for index in stack.location_indices:
                for line in d.location_table[index].lines:
                    on_stack.add(d.string_table[d.function_table[line.function_index].name_strindex])
            names.update(on_stack)
        chains = set()
        for location in d.location_table:
            if len(location.lines) < 2:
                continue
            functions = [(d.function_table[line.function_index], line.line) for line in location.lines]
            chains.add(" < ".join(
                f"{d.string_table[f.name_strindex]} {os.path.basename(d.string_table[f.filename_strindex])}:{line}"
                for f, line in functions))
        services_named = sorted(
            {a.value.string_value for r in request.resource_profiles for a in r.resource.attributes if a.key == "service.name"}
        )
        report = {"path": path, "samples": samples, "names": names, "services": services_named, "inlined": sorted(chains)}
        print(json.dumps(report), flush=True)
        return messages.ExportProfilesServiceResponse()


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=2))
    services.add_ProfilesServiceServicer_to_server(Sink(sys.argv[1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()


main()
