"""Signs Claude Code in at a gateway the way a person does: in its terminal, with `/login`.

usage: login.py CREDENTIALS PROGRAM...

Prints `CODE XXXX-XXXX` when the terminal shows a code, and `SIGNED IN` when Claude Code has written
what it got into the file CREDENTIALS. What the terminal showed goes to standard error.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

credentials, *program = sys.argv[1:]
DEADLINE = time.monotonic() + 120

child, terminal = pty.fork()
if child == 0:
    os.execvp(program[0], program)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
shown = ""


def read(patience):
    """Adds to `shown` what the terminal shows until it pauses for `patience` seconds."""
    global shown
    while select.select([terminal], [], [], patience)[0]:
        if time.monotonic() > DEADLINE:
            fail("two minutes are over")
        try:
            text = os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:
            fail("it ended")
        # Spaces come as moves of the cursor.
        shown += re.sub(r"\x1b\][^\x07]*\x07|\x1b\[[0-9;?<>=]*[A-Za-z]|\s", "", text)
        if len(text) < 400 and re.search(r"[✢·✶✻✽*]", text):
            return  # a spinner never pauses


def until(words):
    while not (found := re.search(words, shown)):
        if time.monotonic() > DEADLINE:
            fail(f"it never shows {words}")
        read(0.2)
    return found


def press(keys):
    global shown
    sys.stderr.write(shown[-400:] + "\n")
    shown = ""
    os.write(terminal, keys.encode())


def fail(why):
    sys.stderr.write(shown[-2000:] + "\n")
    os.kill(child, signal.SIGKILL)
    sys.exit(f"{why}; what it shows is above")


def signed_in():
    try:
        with open(credentials, encoding="utf-8") as file:
            return "bauta_" in json.dumps(json.load(file))
    except (OSError, ValueError):
        return False


until("❯")
read(1.0)
press("/login")
until("/login")
read(0.5)
press("\r")
until("Entertoconnect")
press("\r")
until("Yes,trustthisgateway")
press("\x1b[A")
read(0.5)
press("\r")
code = until(r"Code:([B-Z]{4}-[B-Z]{4})").group(1)
print("CODE", code, flush=True)
while not signed_in():
    if time.monotonic() > DEADLINE:
        fail("nobody signed in")
    read(0.2)
print("SIGNED IN", flush=True)
os.kill(child, signal.SIGKILL)
