"""A server and a client of grpcio, with the gateway between them.

Prints the port of the server. The lines on the standard input are then the address of the gateway, and of one whose upstream
is not there. Prints what came of each
call as one line of JSON, by the name of the call.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

LARGE = "x" * 30_000
OPTIONS = [("grpc.max_metadata_size", 1 << 16), ("grpc.absolute_max_metadata_size", 1 << 17)]

calls = {}


def count(name):
    calls[name] = calls.get(name, 0) + 1
    return calls[name]


def echo(request, context):
    context.set_trailing_metadata([("x-large", LARGE)])
    return request


def fail_once(name, starts_response, pushback):
    """A unary method that fails the first time, in trailers alone or behind a head."""

    def method(request, context):
        if count(name) > 1:
            return f"{context.time_remaining():.3f}".encode()
        if starts_response:
            context.send_initial_metadata([("x-head", "1")])
        context.set_trailing_metadata([("grpc-retry-pushback-ms", pushback), ("x-large", LARGE)])
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    return method


def numbers(request, context):
    if count("numbers") == 1:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
    context.set_trailing_metadata([("x-large", LARGE)])
    for number in range(int(request)):
        yield str(number).encode()


def total(requests, context):
    return str(sum(int(request) for request in requests)).encode()


def chat(requests, context):
    for request in requests:
        yield request.upper()


def slow(request, context):
    count("slow")
    time.sleep(0.5)
    return request


def serve():
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Trailers": grpc.unary_unary_rpc_method_handler(fail_once("Trailers", False, "200")),
        "HeadAndTrailers": grpc.unary_unary_rpc_method_handler(fail_once("HeadAndTrailers", True, "200")),
        "Never": grpc.unary_unary_rpc_method_handler(fail_once("Never", False, "-1")),
        "Numbers": grpc.unary_stream_rpc_method_handler(numbers),
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Slow": grpc.unary_unary_rpc_method_handler(slow),
    }
    server = grpc.server(ThreadPoolExecutor(8), options=OPTIONS)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Orders", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def outcome(call):
    try:
        return call()
    except grpc.RpcError as error:
        trailers = {name: len(value) for name, value in error.trailing_metadata() or []}
        return {"code": error.code().name, "message": error.details(), "large": trailers.get("x-large")}


def large(call):
    return len(dict(call.trailing_metadata())["x-large"])


def unary(channel):
    response, call = channel.unary_unary("/shop.Orders/Echo").with_call(b"hello", timeout=20)
    return {"text": response.decode(), "large": large(call)}


def fails_once(channel, name):
    started = time.monotonic()
    left = channel.unary_unary(f"/shop.Orders/{name}")(b"", timeout=20)
    return {"left": float(left), "took": time.monotonic() - started, "calls": calls[name]}


def stream(channel):
    call = channel.unary_stream("/shop.Orders/Numbers")(b"300", timeout=20)
    texts = [response.decode() for response in call]
    return {"is_whole": texts == [str(number) for number in range(300)], "large": large(call), "calls": calls["numbers"]}


def client_stream(channel):
    requests = (str(number).encode() for number in range(300))
    return {"total": channel.stream_unary("/shop.Orders/Total")(requests, timeout=20).decode()}


def both(channel):
    """Each request waits for the response to the one before it."""
    responses = []

    def requests():
        for number in range(5):
            while len(responses) < number:
                time.sleep(0.001)
            yield f"word {number}".encode()

    for response in channel.stream_stream("/shop.Orders/Chat")(requests(), timeout=20):
        responses.append(response.decode())
    return {"responses": responses}


def deadline(channel):
    def call():
        return channel.unary_unary("/shop.Orders/Slow")(b"", timeout=0.2).decode()

    told = outcome(call)
    time.sleep(0.5)
    return {**told, "calls": calls.get("slow", 0)}


def gateways_own(address):
    """Calls of all kinds to a gateway whose upstream is not there."""

    def end(call):
        try:
            call()
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata() or [])
            return {
                "code": error.code().name,
                "message": error.details(),
                "pushback": trailers.get("grpc-retry-pushback-ms"),
            }

    texts = (text for text in [b"1", b"2"])
    more = (text for text in [b"1", b"2"])
    with grpc.insecure_channel(address) as channel:
        return [
            end(lambda: channel.unary_unary("/shop.Orders/Echo")(b"", timeout=20)),
            end(lambda: list(channel.unary_stream("/shop.Orders/Numbers")(b"3", timeout=20))),
            end(lambda: channel.stream_unary("/shop.Orders/Total")(texts, timeout=20)),
            end(lambda: list(channel.stream_stream("/shop.Orders/Chat")(more, timeout=20))),
        ]


def main():
    server, port = serve()
    print(port, flush=True)
    with grpc.insecure_channel(sys.stdin.readline().strip(), options=OPTIONS) as channel:
        told = {
            "unary": outcome(lambda: unary(channel)),
            "trailers": outcome(lambda: fails_once(channel, "Trailers")),
            "head and trailers": outcome(lambda: fails_once(channel, "HeadAndTrailers")),
            "never": outcome(lambda: fails_once(channel, "Never")),
            "stream": outcome(lambda: stream(channel)),
            "client stream": outcome(lambda: client_stream(channel)),
            "both": outcome(lambda: both(channel)),
            "deadline": deadline(channel),
        }
    told["gateway's own"] = gateways_own(sys.stdin.readline().strip())
    print(json.dumps(told), flush=True)
    server.stop(None)


main()
