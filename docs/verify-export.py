#!/usr/bin/env python3
"""Verifies exports of a Bauta log, offline. Shares no code with Bauta.

    verify-export.py [--key VKEY] [--previous FILE] EXPORT...

Needs Python 3.11 and the package `cryptography`. Exits 0 when every export holds, 1 when one does
not (it names the first line that does not, and the leaf that should be there).

--key       the public key of the log, from a source other than the export. Without it the key that
            the export names is used: then compare that key with one you trust.
--previous  what you kept last time: a signed checkpoint, or an earlier export. Proves that the log
            only grew since.

What an export is: lines of JSON. Line 1, the header, says what was asked, of which log, and how
many records follow. Then comes one record for EVERY leaf from `first` to `last`: with its event,
or only with its hash when it is `withheld` or was `erased`. The last line, the trailer, holds the
signed checkpoint. What is proven:

* header and trailer were sealed by the key of the log;
* each record leads, by its inclusion proof (RFC 9162), to the root of the signed tree;
* no leaf between the first and the last is missing, and the lines are those that were sealed;
* the events shown are in the window and match the filter, and the counts are right.

What is not proven: that a withheld record is one that was not asked for, and that the leaves before
the first and after the last are of another time. Any of them can be demanded by its index.
"""

import argparse
import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_LINE = 1024 * 1024  # bytes, without the newline
MAX_DEPTH = 17  # of arrays and objects
MAX_NOTE = 1_000_000 + 64 * 1024  # bytes
MAX_SIGNATURES = 64
INSTANT = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)
HEADER = {
    "bauta_export": int, "durability": str, "erased": int, "filter": dict, "first": object,
    "from": str, "in_window": int, "key": str, "last": object, "matched": int, "plane": str,
    "profile": str, "records": int, "root": str, "seal": str, "size": int, "to": str,
    "tool": str, "withheld": int,
}  # fmt: skip
TRAILER = {"checkpoint": str, "records": int, "seal": str, "sha256": str, "trailer": bool}
GROWTH = {"consistency": list, "previous": dict}
WORDS = {
    "plane": ("identity", "gateway"),
    "profile": ("auditor", "siem", "dsar", "export-control", "stats"),
    "durability": ("fsync", "os"),
}
DURABILITY = {
    "fsync": "every record was on disk before its effect",
    "os": "a power cut may have lost records whose effect was already seen",
}


class Refused(Exception):
    """Why an export does not hold."""


def require(holds, why):
    if not holds:
        raise Refused(why)


# --- JSON: one spelling, so that no byte of a line is without meaning ---------------------------


def spell(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(line):
    """The object on a line, if it is spelled as `spell` would: sorted, no spaces, no key twice."""

    def no_fraction(text):
        raise ValueError(f"{text} is no integer")

    try:
        value = json.loads(line.decode(), parse_float=no_fraction, parse_constant=no_fraction)
        same = spell(value) == line
    except (ValueError, RecursionError):
        raise Refused("it is not JSON of integers, texts and containers") from None
    require(same, "it is JSON, but not in its canonical spelling")
    require(fits(value, MAX_DEPTH), "it is nested too deeply, or has a number beyond 64 bits")
    require(type(value) is dict, "it is not a JSON object")
    return value


def fits(value, depth):
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) in (list, dict):
        inner = value.values() if type(value) is dict else value
        return depth > 0 and all(fits(item, depth - 1) for item in inner)
    return True


def shape(value, members):
    """Refuses an object that lacks one of `members`, or has another, or one of another type."""
    for name, kind in members.items():
        right = name in value and (kind is object or type(value[name]) is kind)
        require(right, f"its member {name!r} is missing or malformed")
        negative = type(value[name]) is int and value[name] < 0
        require(not negative, f"its member {name!r} is negative")
    require(value.keys() == members.keys(), "it has a member that does not belong there")


def unbase64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Refused("it holds something that is not base64") from None
    require(base64.b64encode(data).decode() == text, "it holds base64 in an odd spelling")
    return data


def unhash(text):
    data = unbase64(text) if type(text) is str else b""
    require(len(data) == 32, "it holds a hash that is not 32 bytes")
    return data


# --- Trees: RFC 6962 hashes, RFC 9162 proofs, from their recursive definitions ------------------


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def split(size):
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def root_of_inclusion(leaf, index, size, proof):
    """The root of the tree of `size` leaves in which `leaf` is at `index`, if `proof` is true."""
    if size == 1:
        require(not proof, "its proof is too long")
        return leaf
    require(proof, "its proof is too short")
    *inner, sibling = proof
    left = split(size)
    if index < left:
        return sha256(b"\x01", root_of_inclusion(leaf, index, left, inner), sibling)
    return sha256(b"\x01", sibling, root_of_inclusion(leaf, index - left, size - left, inner))


def roots_of_growth(old, new, proof, old_root):
    """The roots of the trees of `old` and `new` leaves, if `proof` is true. `old_root` is taken
    for granted where the old tree is a complete subtree of the new one, and None elsewhere."""
    if old == new:
        if old_root is not None:
            require(not proof, "its consistency proof is too long")
            return old_root, old_root
        require(len(proof) == 1, "its consistency proof has the wrong length")
        return proof[0], proof[0]
    require(proof, "its consistency proof is too short")
    *inner, sibling = proof
    left = split(new)
    if old <= left:
        was, now = roots_of_growth(old, left, inner, old_root)
        return was, sha256(b"\x01", now, sibling)
    was, now = roots_of_growth(old - left, new - left, inner, None)
    return sha256(b"\x01", sibling, was), sha256(b"\x01", sibling, now)


def continues(old, old_root, new, new_root, proof):
    """True when the tree of `old` leaves is a prefix of the tree of `new` leaves."""
    if old == 0 or old > new:
        nothing = old == 0 and old_root == sha256() and not proof
        return nothing and (new > 0 or new_root == sha256())
    return roots_of_growth(old, new, proof, old_root) == (old_root, new_root)


# --- Keys and notes: c2sp.org/signed-note with Ed25519 ------------------------------------------


class Key:
    def __init__(self, vkey):
        self.name, _, rest = vkey.partition("+")
        self.id, _, encoded = rest.partition("+")
        data = unbase64(encoded)
        named = re.fullmatch(r"[!-z|}~][!-~]{0,254}", self.name)  # printable ASCII, no brace first
        require(named and len(data) == 33 and data[0] == 1, "it is no Ed25519 key")
        expected = sha256(self.name.encode(), b"\n", data)[:4].hex()
        require(self.id == expected, "the id of the key is not its own")
        self.public = Ed25519PublicKey.from_public_bytes(data[1:])
        self.vkey = vkey

    def open(self, note):
        """The text of a note that this key signed. Signatures of other keys are ignored."""
        require(len(note.encode()) <= MAX_NOTE, "the note is too large")
        require(not re.search(r"[\x00-\x09\x0b-\x1f]", note), "the note has control characters")
        text, blank, signatures = note.rpartition("\n\n")
        require(blank and signatures.endswith("\n"), "it is not a signed note")
        text += "\n"
        lines = signatures[:-1].split("\n")
        require(len(lines) <= MAX_SIGNATURES, "the note has too many signatures")
        signed = False
        for line in lines:
            match = re.fullmatch(r"\u2014 ([^ ]+) ([^ ]+)", line)
            require(match, "a signature is malformed")
            data = unbase64(match[2])
            require(len(data) > 4, "a signature is too short")
            if match[1] == self.name and data[:4].hex() == self.id:
                try:
                    self.public.verify(data[4:], text.encode())
                except InvalidSignature:
                    raise Refused("the signature does not belong to the text") from None
                signed = True
        require(signed, "the key did not sign it")
        return text

    def checkpoint(self, note):
        """Size and root of the log of this key, as a note says."""
        lines = self.open(note).split("\n")
        require(len(lines) >= 4 and all(lines[:-1]), "it is not a checkpoint")
        require(lines[0] == self.name, "it is the checkpoint of another log")
        require(re.fullmatch(r"0|[1-9][0-9]{0,19}", lines[1]), "its size is malformed")
        return int(lines[1]), unhash(lines[2])

    def unseal(self, value, part):
        """Checks the seal of a header or trailer: a note over the SHA-256 of its other members."""
        rest = {name: item for name, item in value.items() if name != "seal"}
        text = f"bauta export 1 {part}\nsha256 {sha256(spell(rest)).hex()}\n"
        require(self.open(value["seal"]) == text, "its seal belongs to another line")
        require(value["seal"].count("\n") == 4, "its seal holds more than one signature")


# --- The export ---------------------------------------------------------------------------------


class Lines:
    """The lines of a file, one at a time, and the running sum over them."""

    def __init__(self, file):
        self.file, self.number, self.sum = file, 0, hashlib.sha256()

    def next(self):
        self.number += 1
        line = self.file.readline(MAX_LINE + 1)
        require(line, "the file ends before it")
        complete = line.endswith(b"\n")
        require(complete or len(line) <= MAX_LINE, "it is longer than a line may be")
        require(complete, "the file ends within it")
        self.sum.update(line)
        return line[:-1]


def open_header(line, given):
    """The header, its key and the root, if it is sealed and adds up."""
    header = parse(line)
    shape(header, HEADER)
    require(header["bauta_export"] == 1, "it is of a version unknown here")
    key = Key(header["key"])
    require(given is None or given.vkey == key.vkey, "it names another key than the one given")
    key.unseal(header, "header")
    for name, words in WORDS.items():
        require(header[name] in words, f"its {name} is unknown")
    window = INSTANT.fullmatch(header["from"]) and INSTANT.fullmatch(header["to"])
    require(window and header["from"] < header["to"], "its window is malformed")
    for texts in header["filter"].values():
        right = type(texts) is list and all(type(text) is str for text in texts)
        require(right and texts == sorted(set(texts)), "its filter is malformed")
    first, last = header["first"], header["last"]
    if first is not None or last is not None:
        require(type(first) is int and type(last) is int, "its range is malformed")
        require(0 <= first and first <= last + 1 <= header["size"], "its range is malformed")
    kinds = header["matched"] + header["withheld"] + header["erased"]
    unshown = header["in_window"] - header["matched"]
    adds_up = kinds == header["records"] == len(indices(header))
    # Erasure is a member's right, and no member is in the gateway log: there it is a gap.
    adds_up = adds_up and not (header["plane"] == "gateway" and header["erased"])
    adds_up = adds_up and 0 <= unshown <= (header["withheld"] if header["filter"] else 0)
    require(adds_up, "its counts do not add up")
    return header, key, unhash(header["root"])


def indices(header):
    return range(0) if header["first"] is None else range(header["first"], header["last"] + 1)


def matches(event, wanted):
    """The filter: for each member named, one of the texts. Of an array, one element will do."""
    for member, texts in wanted.items():
        value = event.get(member)
        values = value if type(value) is list else [value]
        found = {str(item) for item in values if type(item) in (str, int)}
        if not found.intersection(texts):
            return False
    return True


def check_record(line, index, header, root):
    """Checks the record that should be that of leaf `index`. Gives its kind."""
    record = parse(line)
    require("trailer" not in record, "the trailer is here instead: records are missing")
    found = record.get("index")
    require(type(found) is int, "its member 'index' is missing or malformed")
    instead = f"leaf {found} is here instead: one is missing, doubled or out of order"
    require(found == index, instead)
    if "event" in record:
        kind = "matched"
        salted = {"salt": str} if "salt" in record else {}
        shape(record, {"event": dict, "index": int, "proof": list} | salted)
        event = record["event"]
        salt = unhash(record["salt"]) if salted else b""
        at = event.get("at")
        dated = type(event.get("type")) is str and type(at) is str and INSTANT.fullmatch(at)
        require(dated, "its event does not say what it is or when it happened")
        require(header["from"] <= at < header["to"], "its event is outside the window")
        require(matches(event, header["filter"]), "its event is not one that the filter shows")
        leaf = sha256(b"\x00", salt, spell(event))
    else:
        kind = "withheld" if "withheld" in record else "erased"
        shape(record, {kind: bool, "hash": str, "index": int, "proof": list})
        require(record[kind], f"it is not {kind}, but has no event")
        leaf = unhash(record["hash"])
    proof = [unhash(item) for item in record["proof"]]
    proven = root_of_inclusion(leaf, index, header["size"], proof) == root
    require(proven, "it is not the record that was logged: its proof does not lead to the root")
    return kind


def check_trailer(line, header, key, root, total):
    """Checks the trailer. Gives the earlier tree that it starts from, or None."""
    trailer = parse(line)
    grown = "previous" in trailer
    shape(trailer, TRAILER | GROWTH if grown else TRAILER)
    key.unseal(trailer, "trailer")
    require(trailer["trailer"] and trailer["records"] == header["records"], "it counts differently")
    require(unhash(trailer["sha256"]) == total, "the lines before it are not those sealed")
    tree = key.checkpoint(trailer["checkpoint"])
    require(tree == (header["size"], root), "its checkpoint is of another tree than the header")
    if not grown:
        return None
    shape(trailer["previous"], {"root": str, "size": int})
    old, old_root = trailer["previous"]["size"], unhash(trailer["previous"]["root"])
    proof = [unhash(item) for item in trailer["consistency"]]
    prefix = continues(old, old_root, header["size"], root, proof)
    require(prefix, "the log is not a continuation of the earlier tree: history was rewritten")
    return old, old_root


def check_history(kept, claimed, size, root):
    """Checks that the log continues the tree that was kept."""
    require(kept[0] <= size, "it is of a larger log: the export is older, or the log was cut")
    if kept[0] in (0, size):
        claimed = (kept[0], sha256() if kept[0] == 0 else root)
    same_size = claimed is not None and claimed[0] == kept[0]
    require(same_size, "the export holds no proof that starts from it: ask for one made against it")
    require(claimed[1] == kept[1], "the log is not a continuation of it: history was rewritten")


def open_kept(path, key):
    """Size and root that an earlier export or a signed checkpoint says."""
    with open(path, "rb") as file:
        if file.read(1) == b"{":
            file.seek(0)
            header, _, root = open_header(Lines(file).next(), key)
            return header["size"], root
        file.seek(0)
        return key.checkpoint(file.read(MAX_NOTE + 1).decode())


def verify(path, given, previous):
    """Checks the export at `path`. Gives what it proves, in a few lines; raises Refused."""
    with open(path, "rb") as file:
        lines, where = Lines(file), "line 1 (header)"
        try:
            header, key, root = open_header(lines.next(), given)
            seen = {"matched": 0, "withheld": 0, "erased": 0}
            for index in indices(header):
                where = f"line {lines.number + 1} (leaf {index})"
                seen[check_record(lines.next(), index, header, root)] += 1
            where = f"line {lines.number + 1} (trailer)"
            total = lines.sum.digest()
            claimed = check_trailer(lines.next(), header, key, root, total)
            counted = all(header[kind] == count for kind, count in seen.items())
            require(counted, "there are not as many records of each kind as the header says")
            require(not file.read(1), "there is something after it")
            where = "the checkpoint that was kept"
            kept = open_kept(previous, key) if previous else None
            if kept:
                check_history(kept, claimed, header["size"], root)
        except (Refused, UnicodeError, OSError) as why:
            raise Refused(f"{where}: {why}") from None
    return summary(header, key, given, kept, claimed)


def summary(header, key, given, kept, claimed):
    yield f"genuine: sealed by {key.vkey} (key {key.id})"
    if given is None:
        yield "         the file itself names this key; compare it with one you trust"
    if header["records"]:
        yield "complete: leaves {first} to {last} of {size}, none missing".format(**header)
    else:
        yield "complete: no leaf in the window, of {size}".format(**header)
    counts = "records: {matched} shown, {withheld} withheld, {erased} erased; "
    yield (counts + "{in_window} in the window").format(**header)
    yield "log: {plane}, from {from} up to {to}".format(**header)
    yield f"filter: {json.dumps(header['filter'])}; profile: {header['profile']}"
    yield f"durability: {DURABILITY[header['durability']]}"
    yield f"written by: {json.dumps(header['tool'])}"
    if kept:
        yield f"history: continues the checkpoint you kept, of {kept[0]} leaves"
    elif claimed:
        yield f"history: continues a tree of {claimed[0]} leaves that the file names; not compared"
    else:
        yield "history: not compared with an earlier checkpoint"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--key", metavar="VKEY", help="the public key of the log")
    parser.add_argument("--previous", metavar="FILE", help="what you kept last time")
    parser.add_argument("exports", metavar="EXPORT", nargs="+")
    arguments = parser.parse_args()
    try:
        given = Key(arguments.key) if arguments.key else None
    except Refused as why:
        parser.error(f"--key: {why}")
    refused = 0
    for path in arguments.exports:
        try:
            lines = list(verify(path, given, arguments.previous))
            print(f"{path}: holds", *lines, sep="\n  ")
        except (Refused, OSError) as why:
            print(f"{path}: REFUSED: {why}")
            refused = 1
    return refused


if __name__ == "__main__":
    sys.exit(main())
