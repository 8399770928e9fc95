"""Plays the checks of the conformance tests as a client of grpcio: one line of JSON for each, with what was seen."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

MIB = 2**20
SERVICE = "/test.Clients/"
SIZES = [("grpc.max_receive_message_length", 8 * MIB), ("grpc.max_send_message_length", 8 * MIB)]

channel = grpc.insecure_channel(sys.argv[1], options=SIZES)


def unary(method, request, **options):
    return channel.unary_unary(SERVICE + method)(request, **options)


def stream(method, request, **options):
    return channel.unary_stream(SERVICE + method)(request, **options)


def told(error):
    return f"{error.code().name} {error.details()}"


def code_of(call):
    """The code of a call that fails, and whatever else it gave."""
    try:
        return f"OK {call()}"
    except grpc.RpcError as error:
        return error.code().name


def count(method, request, **options):
    """Messages and bytes of a stream, and how it ended."""
    messages, size, end = 0, 0, "OK"
    try:
        for message in stream(method, request, **options):
            messages += 1
            size += len(message)
    except grpc.RpcError as error:
        end = told(error)
    return end, messages, size


def parallel(times, run):
    """What all have seen, where they have seen the same."""
    with ThreadPoolExecutor(times) as pool:
        seen = list(pool.map(run, range(times)))
    others = [f"{seen[0]}, another saw {one}" for one in seen if one != seen[0]]
    return others[0] if others else seen[0]


def large():
    request = b"\7" * (4 * MIB)
    reply = unary("Echo", request)
    return f"OK {len(reply)} {str(reply == request).lower()}"


def failed(method):
    try:
        unary(method, b"")
    except grpc.RpcError as error:
        return told(error)
    return "OK"


def fail_late():
    end, messages, _ = count("FailLate", b"")
    return f"{end} {messages}"


def held(tag, **options):
    end, messages, _ = count("Hold", tag, **options)
    return f"{end.split(' ')[0]} {messages}"


def counted(request):
    end, messages, size = count("Count", request)
    return f"{end} {messages} {size}"


def cancelled_unary():
    call = channel.unary_unary(SERVICE + "Wait").future(b"python cancel")
    threading.Timer(0.2, call.cancel).start()
    try:
        call.result()
    except grpc.FutureCancelledError:
        return "CANCELLED"
    except grpc.RpcError as error:
        return told(error)
    return "OK"


def cancelled_stream():
    call = stream("Hold", b"python cancel of a stream")
    threading.Timer(0.2, call.cancel).start()
    messages = 0
    try:
        for _ in call:
            messages += 1
    except grpc.RpcError as error:
        return f"{error.code().name} {messages}"
    return f"OK {messages}"


def with_metadata():
    metadata = (("x-text", "v" * 6_000), ("x-bin", b"\x00\xff\x80"))
    return f"OK {unary('Echo', b'hi', metadata=metadata).decode()}"


def side_by_side():
    """All have their first message while all are open, and end when they are cancelled."""
    calls = [stream("Hold", b"python many") for _ in range(1_000)]
    for call in calls:
        next(call)
    ends = set()
    for call in calls:
        call.cancel()
        ends.add(code_of(lambda call=call: next(call)))
    return " ".join(sorted(ends))


CHECKS = {
    "unary": lambda: f"OK {unary('Echo', b'hi').decode()}",
    "unary of 4 MiB both ways": large,
    "10 times 4 MiB at once": lambda: parallel(
        10, lambda i: f"OK {len(unary('Echo', bytes([i]) * (4 * MIB)))}"
    ),
    "a message over the limit": lambda: code_of(lambda: unary("Echo", bytes(5 * MIB))),
    "compressed": lambda: f"OK {len(unary('Echo', b'a' * 100_000, compression=grpc.Compression.Gzip))}",
    "a stream of 10,000 messages": lambda: counted(b"10000 10"),
    "a stream of 50 MiB": lambda: counted(f"50 {MIB}".encode()),
    "a status with a text": lambda: failed("Fail"),
    "a status behind messages": fail_late,
    "an unknown method": lambda: failed("Nope").split(" ")[0],
    "an unknown service": lambda: code_of(lambda: channel.unary_unary("/test.Nope/Nope")(b"")),
    "a deadline of a unary call": lambda: code_of(lambda: unary("Wait", b"python deadline", timeout=0.2)),
    "a deadline of a stream": lambda: held(b"python deadline of a stream", timeout=0.2),
    "a deadline of a year": lambda: f"OK {unary('Echo', b'hi', timeout=366 * 24 * 3600).decode()}",
    "a cancelled unary call": cancelled_unary,
    "a cancelled stream": cancelled_stream,
    "metadata": with_metadata,
    "1,000 calls at once": lambda: parallel(
        1_000, lambda i: f"OK {str(unary('Echo', str(i).encode()) == str(i).encode()).lower()}"
    ),
    "1,000 streams at once": lambda: parallel(1_000, lambda i: counted(b"20 100")),
    "1,000 streams that are open side by side": side_by_side,
}

for name, check in CHECKS.items():
    try:
        seen = check()
    except Exception as error:  # What the check did not look for is what it has seen.
        seen = repr(error)
    print(json.dumps({"name": name, "seen": seen}), flush=True)
