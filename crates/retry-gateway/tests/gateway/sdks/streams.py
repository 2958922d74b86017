"""Reads a stream of an API with the SDK for it, and prints what came of it.

Each line on the standard input is JSON with a URL and the API as the way. Each piece of the text is answered with a line of
JSON, and so is the error that ends the stream, or its end without one.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from drive import guard, say

SETTINGS = {"timeout": 20}


def responses(url):
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, **SETTINGS)
    for event in client.responses.create(model="scripted", input="hello", stream=True):
        if event.type == "response.output_text.delta":
            yield event.delta
        elif event.type == "error":
            yield f"error {event.code} {event.sequence_number}"


def gemini(url):
    from google import genai

    client = genai.Client(api_key="none", http_options={"base_url": url, "timeout": 20_000})
    for answer in client.models.generate_content_stream(model="scripted", contents="hello"):
        yield answer.text


def gemini_list(url):
    from google.ai import generativelanguage
    from google.ai.generativelanguage_v1beta.services.generative_service import transports
    from google.auth.credentials import AnonymousCredentials

    transport = transports.GenerativeServiceRestTransport(
        host=url.removeprefix("http://"), url_scheme="http", credentials=AnonymousCredentials()
    )
    client = generativelanguage.GenerativeServiceClient(transport=transport)
    part = generativelanguage.Part(text="hello")
    request = generativelanguage.GenerateContentRequest(
        model="models/scripted", contents=[generativelanguage.Content(parts=[part])]
    )
    for answer in client.stream_generate_content(request, retry=None, **SETTINGS):
        for candidate in answer.candidates:
            yield candidate.content.parts[0].text


def bedrock(url):
    import boto3
    from botocore.config import Config

    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "none"}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=20)
    region = "us-east-1"
    return boto3.client("bedrock-runtime", endpoint_url=url, region_name=region, config=config, **keys)


def converse(url):
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    for event in bedrock(url).converse_stream(modelId="scripted", messages=messages)["stream"]:
        if "contentBlockDelta" in event:
            yield event["contentBlockDelta"]["delta"]["text"]


def invoke(url):
    answer = bedrock(url).invoke_model_with_response_stream(modelId="scripted", body=b"{}")
    for event in answer["body"]:
        yield event["chunk"]["bytes"].decode()


APIS = {
    "responses": responses,
    "gemini": gemini,
    "gemini-list": gemini_list,
    "converse": converse,
    "invoke": invoke,
}


if __name__ == "__main__":
    sys.addaudithook(guard)
    for line in sys.stdin:
        call = json.loads(line)
        try:
            for piece in APIS[call["way"]](call["url"]):
                say(piece=piece)
            say(ended=True)
        except Exception as error:
            say(raised=f"{type(error).__module__}.{type(error).__name__}", message=str(error))
