# SPDX-License-Identifier: Apache-2.0
"""Sends one OTLP profiles request over gRPC: otlp-client.py ENDPOINT COMPRESSION FILE

Parses FILE with Google's protobuf, sends what that makes of it, and prints the status as JSON.
"""

import json
import sys

import grpc
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as messages
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2_grpc as services


def main():
    endpoint, compression, path = sys.argv[1:]
    with open(path, "rb") as file:
        request = messages.ExportProfilesServiceRequest.FromString(file.read())
    modes = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
    with grpc.insecure_channel(endpoint, compression=modes[compression]) as channel:
        try:
            reply = services.ProfilesServiceStub(channel).Export(request, timeout=10)
            print(json.dumps({"code": 0, "partial_success": reply.HasField("partial_success")}))
        except grpc.RpcError as error:
            print(json.dumps({"code": error.code().value[0], "details": error.details()}))


main()
