"""Calls an API with one of the official SDKs, and prints what came of it.

Takes the name of the SDK. Each line on the standard input is JSON with a URL and a way; each call is answered with
a line of JSON, and with one for each piece of a stream before that.
"""

import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

CALLERS = 8


class OpenAi:
    def __init__(self):
        self.sdk = importlib.import_module("openai")

    def client(self, url, **options):
        return self.sdk.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20, **options).chat.completions

    def create(self, client, words, **options):
        return client.create(model="scripted", messages=[{"role": "user", "content": words}], **options)

    def text(self, answer):
        return answer.choices[0].message.content

    def piece(self, event):
        return event.choices[0].delta.content

    def is_last(self, event):
        return event.choices[0].finish_reason == "stop"


class Anthropic:
    def __init__(self):
        self.sdk = importlib.import_module("anthropic")

    def client(self, url, **options):
        return self.sdk.Anthropic(base_url=url, api_key="none", timeout=20, **options).messages

    def create(self, client, words, **options):
        messages = [{"role": "user", "content": words}]
        return client.create(model="scripted", max_tokens=16, messages=messages, **options)

    def text(self, answer):
        return answer.content[0].text

    def piece(self, event):
        return event.delta.text if event.type == "content_block_delta" else None

    def is_last(self, event):
        return event.type == "message_stop"


def say(**what):
    print(json.dumps(what), flush=True)


def outcome(speaker, call):
    """What a call returns, or raises."""
    try:
        return {"text": call()}
    except speaker.sdk.APIStatusError as error:
        if error.response.is_success:  # It was said in a stream, whose text is gone.
            return {"raised": type(error).__name__, "message": str(error)}
        told = {"status": error.status_code, "message": error.message, "body": error.response.text}
        return {"raised": type(error).__name__, "request_id": error.request_id, **told}
    except Exception as error:
        return {"raised": type(error).__name__, "message": str(error)}


def stream(speaker, client):
    text, last = "", False
    for event in speaker.create(client, "hello", stream=True):
        last = speaker.is_last(event)
        if piece := speaker.piece(event):
            text += piece
            say(piece=piece)
    return text if last else f"{text} without an end"


def come(create, number):
    # Half of them know nothing of a limit that the others have met by then.
    time.sleep(0.5 * (number % 2))
    return create(f"caller {number}")


def drive(speaker, url, way):
    client = speaker.client(url, **({} if way.endswith("with-retries") else {"max_retries": 0}))
    create = lambda words, **options: outcome(
        speaker, lambda: speaker.text(speaker.create(client, words, **options))
    )
    match way:
        case "plain" | "with-retries":
            say(**create("hello"))
        case "with-key":
            say(**create("hello", extra_headers={"Idempotency-Key": "8e03978e"}))
        case "streaming" | "streaming-with-retries":
            say(**outcome(speaker, lambda: stream(speaker, client)))
        case "crowd":
            with ThreadPoolExecutor(CALLERS) as pool:
                for found in pool.map(lambda number: come(create, number), range(CALLERS)):
                    say(**found)


def guard(event, arguments):
    """Ends the program when it calls anybody but this machine, whoever would catch an exception."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in ("127.0.0.1", b"127.0.0.1"):
        print(f"{event} {host!r}: only 127.0.0.1 is to be called", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    sys.addaudithook(guard)
    speaker = {"openai": OpenAi, "anthropic": Anthropic}[sys.argv[1]]()
    for line in sys.stdin:
        drive(speaker, **json.loads(line))
