"""Talks through Bauta with an unmodified SDK and prints what it saw as JSON.

usage: stream.py anthropic|openai|gemini BASE_URL TOKEN MODEL PROMPT

The calls come in a fixed order, so that a test can prepare the answer to each: `stream`, `whole`,
`async`, the dialect's own (`beta`, `count`; `responses`, `response`; `count`, `embed`), streams that stop after an
event and in the middle of one (`broken`, `torn`, and with `openai` the same of `responses`), and a
refusal of the provider's (`limited`). Only those may fail, and with `gemini` a model that the token
does not open (`other`).
"""

import asyncio
import getpass
import json
import platform
import socket
import sys
import time

kind, base, token, model, prompt = sys.argv[1:6]

# From an address of its own on the loopback network: every other one is written in some `host`.
ADDRESS = "127.0.0.177"
# What applications put where a provider looks for a user, and what they know of their machine.
WHO = {
    "address": ADDRESS,
    "host": f"{socket.gethostname()}-canary",
    "system": platform.platform(),
    "release": platform.release(),
    "python": platform.python_version(),
    "user": f"{getpass.getuser()}-canary-user",
    "mail": "ada.canary@corp.example",
    "device": "5f3759df-canary-device",
    "session": "canary-session-0b8e",
}
NAMED = f"Ada Canary <{WHO['mail']}> {WHO['device']} {WHO['host']} {WHO['user']}"
HEADERS = {
    "x-canary-host": WHO["host"],
    "x-canary-mail": WHO["mail"],
    "x-forwarded-for": ADDRESS,
    "x-session-id": WHO["session"],
    "idempotency-key": WHO["device"],
    "cookie": f"session={WHO['session']}",
}
MESSAGES = [{"role": "user", "content": prompt}]


def arrivals():
    """A clock for the parts of a text: adds one, and gives all with the time between first and last."""
    parts, times = [], []

    def add(text):
        if text:
            parts.append(text)
            times.append(time.monotonic())

    def told(**more):
        spread = (times[-1] - times[0]) * 1000 if times else 0
        return {"parts": len(parts), "text": "".join(parts), "spread_ms": round(spread), **more}

    return add, told


def failed(error):
    return {
        "raised": [cls.__name__ for cls in type(error).__mro__],
        "status": getattr(error, "status_code", getattr(error, "code", None)),
        "message": str(error),
    }


def anthropic_calls():
    import anthropic

    local = anthropic.DefaultHttpxClient(transport=transport("sync"))
    client = anthropic.Anthropic(
        base_url=base, api_key=token, max_retries=0, default_headers=HEADERS, http_client=local
    )
    asked = {
        "model": model,
        "max_tokens": 256,
        "metadata": {"user_id": NAMED},
        "messages": MESSAGES,
    }

    def usage(used):
        return {
            "input": used.input_tokens,
            "output": used.output_tokens,
            "cache_read": used.cache_read_input_tokens,
            "cache_write": used.cache_creation_input_tokens,
        }

    def stream():
        add, told = arrivals()
        with client.messages.stream(**asked) as answer:
            for text in answer.text_stream:
                add(text)
            final = answer.get_final_message()
        return told(end=final.stop_reason, **usage(final.usage))

    def whole(messages=client.messages, **more):
        answer = messages.create(**asked, **more)
        text = "".join(block.text for block in answer.content)
        return {"text": text, "end": answer.stop_reason, **usage(answer.usage)}

    async def streamed():
        remote = anthropic.DefaultAsyncHttpxClient(transport=transport("async"))
        one = anthropic.AsyncAnthropic(
            base_url=base, auth_token=token, max_retries=0, default_headers=HEADERS, http_client=remote
        )
        add, told = arrivals()
        async with one.messages.stream(**asked) as answer:
            async for text in answer.text_stream:
                add(text)
            final = await answer.get_final_message()
        return told(end=final.stop_reason, **usage(final.usage))

    def count():
        answer = client.messages.count_tokens(model=model, messages=MESSAGES)
        return {"input": answer.input_tokens}

    yield "stream", stream
    yield "whole", whole
    yield "async", lambda: asyncio.run(streamed())
    yield "beta", lambda: whole(client.beta.messages, betas=["context-1m-2025-08-07"])
    yield "count", count
    yield "broken", stream
    yield "torn", stream
    yield "limited", whole
    yield "models", lambda: {"ids": [one.id for one in client.models.list()]}


def openai_calls():
    import openai

    local = openai.DefaultHttpxClient(transport=transport("sync"))
    client = openai.OpenAI(
        base_url=f"{base}/v1", api_key=token, max_retries=0, default_headers=HEADERS,
        http_client=local, organization="org-canary-client", project="proj-canary-client",
    )
    chat = {
        "model": model,
        "max_completion_tokens": 256,
        "user": NAMED,
        "safety_identifier": WHO["mail"],
        "prompt_cache_key": WHO["device"],
        "metadata": {"who": NAMED},
        "messages": MESSAGES,
    }
    streaming = {**chat, "stream": True, "stream_options": {"include_usage": True}}
    response = {
        "model": model,
        "max_output_tokens": 256,
        "user": NAMED,
        "safety_identifier": WHO["mail"],
        "prompt_cache_key": WHO["device"],
        "metadata": {"who": NAMED},
        "input": prompt,
    }

    class Chunks:
        def __init__(self):
            self.add, self.told = arrivals()
            self.end = self.used = None

        def take(self, chunk):
            if chunk.choices:
                self.add(chunk.choices[0].delta.content)
                self.end = chunk.choices[0].finish_reason or self.end
            self.used = chunk.usage or self.used

        def all(self):
            return self.told(end=self.end, **usage(self.used))

    def usage(used):
        return {
            "input": used.prompt_tokens,
            "output": used.completion_tokens,
            "cache_read": used.prompt_tokens_details.cached_tokens,
        }

    def stream():
        chunks = Chunks()
        for chunk in client.chat.completions.create(**streaming):
            chunks.take(chunk)
        return chunks.all()

    async def streamed():
        remote = openai.DefaultAsyncHttpxClient(transport=transport("async"))
        one = openai.AsyncOpenAI(
            base_url=f"{base}/v1", api_key=token, max_retries=0, default_headers=HEADERS, http_client=remote
        )
        chunks = Chunks()
        async for chunk in await one.chat.completions.create(**streaming):
            chunks.take(chunk)
        return chunks.all()

    def whole():
        answer = client.chat.completions.create(**chat)
        choice = answer.choices[0]
        return {"text": choice.message.content, "end": choice.finish_reason, **usage(answer.usage)}

    def of_response(answer):
        return {
            "end": answer.status,
            "input": answer.usage.input_tokens,
            "output": answer.usage.output_tokens,
            "cache_read": answer.usage.input_tokens_details.cached_tokens,
        }

    def responses():
        add, told = arrivals()
        with client.responses.stream(**response) as answer:
            for event in answer:
                if event.type == "response.output_text.delta":
                    add(event.delta)
            final = answer.get_final_response()
        return told(**of_response(final))

    def one_response():
        answer = client.responses.create(**response)
        return {"text": answer.output_text, **of_response(answer)}

    yield "stream", stream
    yield "whole", whole
    yield "async", lambda: asyncio.run(streamed())
    yield "responses", responses
    yield "response", one_response
    yield "broken", stream
    yield "torn", stream
    yield "broken_responses", responses
    yield "torn_responses", responses
    yield "limited", whole
    yield "models", lambda: {"ids": [one.id for one in client.models.list()]}


def gemini_calls():
    from google import genai
    from google.genai import types

    # Named nowhere else: what these headers say is Google's clients' own.
    headers = {
        **HEADERS,
        "x-goog-user-project": WHO["user"],
        "x-gemini-api-privileged-user-id": WHO["device"],
    }
    client = genai.Client(
        api_key=token,
        http_options=types.HttpOptions(
            base_url=base,
            headers=headers,
            client_args={"transport": transport("sync")},
            async_client_args={"transport": transport("async")},
        ),
    )
    asked = {
        "model": model,
        "contents": prompt,
        "config": types.GenerateContentConfig(
            max_output_tokens=256,
            system_instruction="Answer briefly.",
            labels={"who": NAMED, "device": WHO["device"]},
        ),
    }

    class Chunks:
        def __init__(self):
            self.add, self.told = arrivals()
            self.end = self.used = None

        def take(self, chunk):
            self.add(chunk.text)
            self.end = chunk.candidates[0].finish_reason or self.end
            self.used = chunk.usage_metadata or self.used

        def all(self):
            return self.told(end=self.end.value, **usage(self.used))

    def usage(used):
        return {
            "input": used.prompt_token_count,
            "output": used.candidates_token_count + (used.thoughts_token_count or 0),
            "cache_read": used.cached_content_token_count,
        }

    def stream():
        chunks = Chunks()
        for chunk in client.models.generate_content_stream(**asked):
            chunks.take(chunk)
        return chunks.all()

    async def streamed():
        chunks = Chunks()
        async for chunk in await client.aio.models.generate_content_stream(**asked):
            chunks.take(chunk)
        return chunks.all()

    def whole():
        answer = client.models.generate_content(**asked)
        end = answer.candidates[0].finish_reason.value
        return {"text": answer.text, "end": end, **usage(answer.usage_metadata)}

    def count():
        answer = client.models.count_tokens(model=model, contents=prompt)
        return {"input": answer.total_tokens}

    def embed():
        two = [prompt, "Another."]
        answer = client.models.embed_content(model="gemini-embedding-001", contents=two)
        return {"vectors": len(answer.embeddings), "width": len(answer.embeddings[0].values)}

    def other():
        client.models.generate_content(model="gemini-unheard-of", contents=prompt)

    yield "stream", stream
    yield "whole", whole
    yield "async", lambda: asyncio.run(streamed())
    yield "count", count
    yield "embed", embed
    yield "broken", stream
    yield "torn", stream
    yield "limited", whole
    yield "other", other
    yield "models", lambda: {"ids": [one.name for one in client.models.list()]}
    yield "model", lambda: {"name": client.models.get(model="gemini-flash").name}


def transport(mode):
    import httpx2

    make = httpx2.HTTPTransport if mode == "sync" else httpx2.AsyncHTTPTransport
    return make(local_address=ADDRESS)


seen = {}
for name, call in {"anthropic": anthropic_calls, "openai": openai_calls, "gemini": gemini_calls}[kind]():
    try:
        seen[name] = call()
    except Exception as error:  # the test decides whether it may
        seen[name] = failed(error)
json.dump({"who": WHO, "seen": seen}, sys.stdout)
