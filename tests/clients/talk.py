"""Talks through Bauta with an unmodified SDK for Python and prints what it saw as JSON.

usage: talk.py anthropic|openai|gemini BASE_URL TOKEN MODEL NAME MAIL

Each call offers a tool, uses it when the model asks for that, and tells what it gave: two requests.
They come in a fixed order, so that a test can prepare the answers: `stream`, `whole`, and with
`openai` also `responses`.
"""

import json
import platform
import socket
import sys

kind, base, token, model, name, mail = sys.argv[1:7]

# What applications put where a provider looks for a user, and what they know of their machine.
WHO = f"{name} <{mail}> {socket.gethostname()} {platform.platform()}"
HEADERS = {"x-canary-name": name, "x-canary-mail": mail, "cookie": f"session={mail}"}
QUESTION = {"role": "user", "content": "What is a bauta?"}
PARAMETERS = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
FOUND = "white"


def anthropic_calls():
    from anthropic import Anthropic

    client = Anthropic(base_url=base, api_key=token, max_retries=0, default_headers=HEADERS)
    tools = [{"name": "look", "description": "Looks.", "input_schema": PARAMETERS}]

    def asked(messages):
        return {
            "model": model,
            "max_tokens": 256,
            # An address would be refused by the provider itself.
            "metadata": {"user_id": f"{name} {socket.gethostname()}"},
            "tools": tools,
            "messages": messages,
        }

    def streamed(messages):
        with client.messages.stream(**asked(messages)) as stream:
            return stream.get_final_message()

    def talk(say):
        first = say([QUESTION])
        call = next(block for block in first.content if block.type == "tool_use")
        said = [block.model_dump(include={"type", "text", "id", "name", "input"}) for block in first.content]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": FOUND}
        last = say([QUESTION, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}])
        text = "".join(block.text for block in last.content if block.type == "text")
        return {"text": text, "input": call.input}

    yield "stream", talk(streamed)
    yield "whole", talk(lambda messages: client.messages.create(**asked(messages)))


def openai_calls():
    from openai import OpenAI

    client = OpenAI(base_url=f"{base}/v1", api_key=token, max_retries=0, default_headers=HEADERS)
    named = {
        "user": WHO,
        "safety_identifier": mail,
        "prompt_cache_key": mail,
        "metadata": {"name": name, "mail": mail},
    }
    look = {"name": "look", "description": "Looks.", "parameters": PARAMETERS}

    def chat(say):
        def asked(messages):
            return {"model": model, **named, "tools": [{"type": "function", "function": look}], "messages": messages}

        first = say(asked([QUESTION]))
        call = first.tool_calls[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": FOUND}
        calls = [{"type": "function", "id": call.id, "function": {
            "name": call.function.name, "arguments": call.function.arguments}}]
        said = {"role": "assistant", "content": first.content, "tool_calls": calls}
        last = say(asked([QUESTION, said, result]))
        return {"text": last.content, "input": json.loads(call.function.arguments)}

    def streamed(body):
        with client.chat.completions.stream(**body) as stream:
            return stream.get_final_completion().choices[0].message

    def whole(body):
        return client.chat.completions.create(**body).choices[0].message

    def responses():
        tools = [{"type": "function", **look, "strict": False}]

        def say(given):
            with client.responses.stream(model=model, **named, tools=tools, input=given) as stream:
                return stream.get_final_response()

        first = say([QUESTION])
        call = next(item for item in first.output if item.type == "function_call")
        said = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
        last = say([QUESTION, said, {"type": "function_call_output", "call_id": call.call_id, "output": FOUND}])
        return {"text": last.output_text, "input": json.loads(call.arguments)}

    yield "stream", chat(streamed)
    yield "whole", chat(whole)
    yield "responses", responses()


def gemini_calls():
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=token, http_options=types.HttpOptions(base_url=base, headers=HEADERS))
    look = types.FunctionDeclaration(name="look", description="Looks.", parameters_json_schema=PARAMETERS)
    config = types.GenerateContentConfig(
        max_output_tokens=256,
        tools=[types.Tool(function_declarations=[look])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        labels={"who": name.lower().replace(" ", "-"), "mail": mail},
    )

    def talk(say):
        asked = types.Content(role="user", parts=[types.Part(text="What is a bauta?")])
        first = say([asked])
        call = next(part.function_call for part in first if part.function_call)
        said = types.Content(role="model", parts=first)
        given = types.Part.from_function_response(name=call.name, response={"result": FOUND})
        last = say([asked, said, types.Content(role="user", parts=[given])])
        return {"text": "".join(part.text or "" for part in last), "input": call.args}

    def streamed(contents):
        chunks = client.models.generate_content_stream(model=model, contents=contents, config=config)
        return [
            part
            for chunk in chunks
            for part in (chunk.candidates[0].content.parts if chunk.candidates[0].content else None) or []
        ]

    def whole(contents):
        answer = client.models.generate_content(model=model, contents=contents, config=config)
        return answer.candidates[0].content.parts

    yield "stream", talk(streamed)
    yield "whole", talk(whole)


calls = {"anthropic": anthropic_calls, "openai": openai_calls, "gemini": gemini_calls}[kind]
json.dump(dict(calls()), sys.stdout)
