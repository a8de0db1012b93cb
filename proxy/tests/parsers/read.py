"""What Python's own parser reads in each line, a body in hex."""
import json
import sys

for line in sys.stdin:
    try:
        body = json.loads(bytes.fromhex(line.strip()))
        fields = [body.get(key) for key in ("model", "stream", "max_tokens")]
        # What JSON cannot say is shown as text.
        fields = [str(f) if isinstance(f, float) else f for f in fields]
        print(json.dumps(fields))
    except (ValueError, AttributeError, RecursionError):
        print("null")
