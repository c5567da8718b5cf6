# SPDX-License-Identifier: Apache-2.0
"""A gRPC peer made of grpcio: `server` serves test.Service on a free port and prints {"port": n};
`client ADDRESS` makes calls and prints one JSON line for each. Messages are bytes.
"""

import json
import sys
import threading
from concurrent import futures

import grpc

TYPE = b"type.googleapis.com/google.rpc.RetryInfo"


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def retry_status():
    duration = bytes([0x08, 2, 0x10]) + bytes([0x80, 0xCA, 0xB5, 0xEE, 0x01])
    return bytes([0x08, 8]) + field(3, field(1, TYPE) + field(2, field(1, duration)))


def report(name, code=0, message="", **more):
    sys.stdout.write(json.dumps({"name": name, "code": code, "message": message, **more}) + "\n")
    sys.stdout.flush()


def attempt(name, call, **more):
    try:
        reply = call()
        report(name, **{key: value(reply) for key, value in more.items()})
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        report(name, error.code().value[0], error.details(), hasDetails=details is not None)


def client(address):
    channel = grpc.insecure_channel(address)

    def method(name):
        return channel.unary_unary("/test.Service/" + name)

    echo = method("Echo")
    modes = {"": None, "gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
    for mode, compression in modes.items():
        for size in (0, 1000, 1000000):
            body = b"work;" * (size // 5)
            attempt(
                "echo %s %d" % (mode, size),
                lambda: echo(body, compression=compression),
                same=lambda reply: reply == body,
            )
    attempt("too large", lambda: echo(bytes(4 * 1024 * 1024 + 1)))
    attempt("unknown", lambda: method("Unknown")(b"a"))
    attempt("fail", lambda: method("Fail")(b"a"))
    headers = (("x-team", "north"), ("x-key-bin", b"\x01\xff"))
    attempt("headers", lambda: method("Headers")(b"a", metadata=headers), reply=lambda reply: reply.decode())
    attempt("deadline", lambda: method("Hang")(b"a", timeout=0.2))
    bodies = [bytes([i]) * i * 100 for i in range(200)]
    running = [echo.future(body) for body in bodies]
    report("parallel", good=sum(call.result() == body for call, body in zip(running, bodies)))
    # A call that lasts, over a connection that pings as often as it may.
    options = [("grpc.keepalive_time_ms", 50), ("grpc.http2.max_pings_without_data", 0)]
    with grpc.insecure_channel(address, options=options) as pinging:
        attempt("pings", lambda: pinging.unary_unary("/test.Service/Hang")(b"a", timeout=20))


def echo(request, context):
    return request


def headers_of(request, context):
    found = dict(context.invocation_metadata())
    has_deadline = context.time_remaining() is not None and context.time_remaining() < 1e6
    return ("%s %s %s" % (found.get("x-team"), found.get("x-key-bin", b"").hex(), has_deadline)).encode()


def fail(request, context):
    context.set_trailing_metadata((("grpc-status-details-bin", retry_status()),))
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "später: 100 %")


def hang(request, context):
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait()
    print('{"cancelled": true}', flush=True)
    return b""


def server():
    handlers = {"Echo": echo, "Headers": headers_of, "Fail": fail, "Hang": hang}
    serving = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    serving.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "test.Service",
                {name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in handlers.items()},
            ),
        )
    )
    port = serving.add_insecure_port("127.0.0.1:0")
    serving.start()
    print(json.dumps({"port": port}), flush=True)
    serving.wait_for_termination()


if sys.argv[1] == "client":
    client(sys.argv[2])
else:
    server()
