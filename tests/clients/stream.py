"""Streams one answer through Bauta with an unmodified SDK and prints what it saw as JSON.

usage: stream.py anthropic|openai BASE_URL TOKEN MODEL PROMPT
"""

import json
import sys

kind, base, token, model, prompt = sys.argv[1:6]
who = "Ada Canary <ada.canary@corp.example>"  # what an application might put there

if kind == "anthropic":
    from anthropic import Anthropic

    client = Anthropic(base_url=base, api_key=token, max_retries=0)
    with client.messages.stream(
        model=model,
        max_tokens=256,
        metadata={"user_id": "5f3759df-canary-device"},
        messages=[{"role": "user", "content": prompt}],
    ) as stream:
        parts = list(stream.text_stream)
        final = stream.get_final_message()
    seen = {"parts": len(parts), "text": "".join(parts), "output": final.usage.output_tokens, "end": final.stop_reason}
else:
    from openai import OpenAI

    client = OpenAI(base_url=base + "/v1", api_key=token, max_retries=0)
    stream = client.chat.completions.create(
        model=model,
        max_completion_tokens=256,
        user=who,
        safety_identifier=who,
        stream=True,
        stream_options={"include_usage": True},
        messages=[{"role": "user", "content": prompt}],
    )
    parts, output, end = [], None, None
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            parts.append(chunk.choices[0].delta.content)
        if chunk.choices and chunk.choices[0].finish_reason:
            end = chunk.choices[0].finish_reason
        if chunk.usage:
            output = chunk.usage.completion_tokens
    seen = {"parts": len(parts), "text": "".join(parts), "output": output, "end": end}

print(json.dumps(seen))
