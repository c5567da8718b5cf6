# SPDX-License-Identifier: Apache-2.0
"""An OTLP profiles receiver over gRPC: otlp-sink.py DIRECTORY [SERVICES]

Prints its port, then for every request a line of JSON: the file it wrote the request to, and for each
function name the number of stacks it stands on, and for locations with inlined functions the chains
"name file:line < name file:line", innermost first. For services whose name begins with SERVICES also the
stacks, as names joined by ";", root first, with the number of their events.
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
    def __init__(self, directory, prefix):
        self.directory = directory
        self.prefix = prefix
        self.count = 0

    def stacks_of(self, request):
        d = request.dictionary
        texts = {}

        def text_of(index):
            if index not in texts:
                names = []
                for location in d.stack_table[index].location_indices:
                    lines = d.location_table[location].lines
                    names += [d.string_table[d.function_table[line.function_index].name_strindex] for line in lines] or ["?"]
                texts[index] = ";".join(reversed(names))
            return texts[index]

        stacks = {}
        for resource in request.resource_profiles:
            service = next((a.value.string_value for a in resource.resource.attributes if a.key == "service.name"), "")
            if not service.startswith(self.prefix):
                continue
            of = stacks.setdefault(service, collections.Counter())
            for scope in resource.scope_profiles:
                for profile in scope.profiles:
                    for sample in profile.samples:
                        of[text_of(sample.stack_index)] += len(sample.timestamps_unix_nano)
        return stacks

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
        stacks = self.stacks_of(request) if self.prefix else {}
        report = {"path": path, "samples": samples, "names": names, "services": services_named, "inlined": sorted(chains), "stacks": stacks}
        print(json.dumps(report), flush=True)
        return messages.ExportProfilesServiceResponse()


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=2))
    services.add_ProfilesServiceServicer_to_server(Sink(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    server.wait_for_termination()


main()
