# SPDX-License-Identifier: Apache-2.0
"""Calls Export with call credentials, over TLS: auth-client.py ENDPOINT CA_FILE

Reads one Authorization value a line from stdin and prints the status code of a call with each.
"""

import sys

import grpc
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as messages
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2_grpc as services


class Given(grpc.AuthMetadataPlugin):
    def __init__(self, value):
        self.value = value

    def __call__(self, context, callback):
        callback((("authorization", self.value),) if self.value else (), None)


def main():
    endpoint, ca_file = sys.argv[1:]
    with open(ca_file, "rb") as file:
        channel_credentials = grpc.ssl_channel_credentials(file.read())
    for line in sys.stdin:
        call_credentials = grpc.metadata_call_credentials(Given(line.rstrip("\n")))
        both = grpc.composite_channel_credentials(channel_credentials, call_credentials)
        with grpc.secure_channel(endpoint, both) as channel:
            try:
                services.ProfilesServiceStub(channel).Export(
                    messages.ExportProfilesServiceRequest(), timeout=20
                )
                print(0, flush=True)
            except grpc.RpcError as error:
                print(error.code().value[0], error.details(), flush=True)


main()
