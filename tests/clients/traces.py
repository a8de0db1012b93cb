"""Reads OTLP traces with OpenTelemetry's own definitions: the protocol's messages, and the names of its conventions.

usage: traces.py FILE, a JSON list of what was posted to /v1/traces. Prints what it saw as JSON; fails on the first field,
name or value that is not theirs.
"""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes, service_attributes

KNOWN = {
    value
    for module in (gen_ai_attributes, error_attributes, http_attributes, service_attributes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}
VALUES = {
    "gen_ai.provider.name": {it.value for it in gen_ai_attributes.GenAiProviderNameValues},
    # The convention has no word for a count of tokens, and lets others be used.
    "gen_ai.operation.name": {it.value for it in gen_ai_attributes.GenAiOperationNameValues} | {"count_tokens"},
}
DEPRECATED = {"gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"}


def ids_as_base64(value):
    """In OTLP's JSON ids are in hex, where the usual JSON form of the messages has base64."""
    if isinstance(value, list):
        return [ids_as_base64(it) for it in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(it)).decode() if key.endswith(("traceId", "panId")) and isinstance(it, str) else ids_as_base64(it)
        for key, it in value.items()
    }


def checked(attribute):
    key, value = attribute.key, attribute.value
    assert key in KNOWN or key.startswith("bauta."), f"{key} is in no convention"
    assert key not in DEPRECATED, key
    if key in VALUES:
        assert value.string_value in VALUES[key], f"{key} = {value.string_value}"
    return key


spans = keys = 0
seen = set()
for posted in json.load(open(sys.argv[1])):
    message = json_format.ParseDict(ids_as_base64(posted), ExportTraceServiceRequest())
    for resource in message.resource_spans:
        seen.update(checked(it) for it in resource.resource.attributes)
        for scope in resource.scope_spans:
            by_id = {span.span_id: span for span in scope.spans}
            for span in scope.spans:
                spans += 1
                assert len(span.trace_id) == 16 and len(span.span_id) == 8 and any(span.span_id), span
                assert span.start_time_unix_nano <= span.end_time_unix_nano, span
                if span.parent_span_id:
                    parent = by_id[span.parent_span_id]
                    assert parent.trace_id == span.trace_id and parent.start_time_unix_nano <= span.start_time_unix_nano
                seen.update(checked(it) for it in span.attributes)
print(json.dumps({"spans": spans, "attributes": sorted(seen)}))
