#!/usr/bin/env python3
"""Checks the directions between rooms (docs/ARCHITECTURE.md): each folder of Sources is a room, and a room may use only the
rooms that are listed before it. Prints each wrong arrow as `file:line: Room → Room: name`; exit status 1 when there is one.

A room uses another one when it names one of its types, or one of its global functions or constants. The compiler holds the
arrows between modules; this check holds them between the folders of one module as well."""
import collections
import pathlib
import re
import sys

# From left to right. Rooms of one line do not use each other, except where EXTRA says so.
ORDER = """
AdapterAPI
Adapters
Runtime
EventLoop
HTTP Config Store Observability
Auth Limits Responses
Tokens Sharing Catalogue
Routing Admin Streams Console Recording Ledger
Assembly
Commands
main
"""
EXTRA = {}

DECLARATION = re.compile(
    r"^(?:@\w+(?:\([^)]*\))? +)*(?P<access>private |fileprivate |public |package |internal )?"
    r"(?:final |indirect |nonisolated |nonisolated\(unsafe\) )*"
    r"(?:struct|class|enum|protocol|actor|typealias|func|let|var) (?P<name>`?\w+`?)"
)
WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


def room_of(path):
    parts = path.parts
    if parts[1] == "AdapterAPI":
        return "AdapterAPI"
    if parts[1] == "Adapters":
        return "Adapters"
    return parts[2] if len(parts) > 3 else "main"


def code_lines(text):
    """The lines without comments and without the text of string literals; interpolations stay."""
    out, i, depth, n = [], 0, 0, len(text)
    stack = []  # of open literals: (quote, number of #, depth of parentheses in an interpolation)
    while i < n:
        c = text[i]
        if stack and stack[-1][2] is None:  # inside a literal's text
            quote, hashes, _ = stack[-1]
            escape = "\\" + "#" * hashes
            if text.startswith(escape + "(", i):
                stack[-1][2] = 0
                i += len(escape) + 1
            elif text.startswith(escape, i):
                i += len(escape) + 1
            elif text.startswith(quote + "#" * hashes, i):
                i += len(quote) + hashes
                stack.pop()
                out.append('"')
            else:
                if c == "\n":
                    out.append(c)
                i += 1
            continue
        if text.startswith("//", i):
            i = text.find("\n", i)
            i = n if i < 0 else i
            continue
        if text.startswith("/*", i):
            end = text.find("*/", i) + 2
            out.append("\n" * text.count("\n", i, end))
            i = end
            continue
        literal = re.compile(r'(#*)("""|")').match(text, i)
        if literal:
            stack.append([literal[2], len(literal[1]), None])
            out.append('"')
            i = literal.end()
            continue
        if stack and c in "()":
            stack[-1][2] += 1 if c == "(" else -1
            if stack[-1][2] < 0:
                stack[-1][2] = None
                i += 1
                continue
        out.append(c)
        i += 1
    return "".join(out).split("\n")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    rank = {room: number for number, line in enumerate(ORDER.split("\n")) for room in line.split()}
    files = {
        path.relative_to(root): code_lines(path.read_text())
        for path in sorted((root / "Sources").rglob("*.swift"))
    }
    owners = collections.defaultdict(set)  # of global names
    nested = collections.defaultdict(set)  # names that a room declares inside of its types
    for path, lines in files.items():
        for line in lines:
            if (found := DECLARATION.match(line)) and path.name != "main.swift":
                if found["access"] not in ("private ", "fileprivate "):
                    owners[found["name"].strip("`")].add(room_of(path))
            elif inner := DECLARATION.match(line.strip()):
                nested[room_of(path)].add(inner["name"].strip("`"))
    wrong = []
    for path, lines in files.items():
        room = room_of(path)
        if room not in rank:
            wrong.append(f"{path}:1: {room} is no room; see the list in {sys.argv[0]}")
            continue
        own = nested[room] | {m["name"] for line in lines if (m := DECLARATION.match(line.strip()))}
        for number, line in enumerate(lines, 1):
            for name in dict.fromkeys(WORD.findall(line)):
                rooms = owners.get(name)
                if not rooms or room in rooms or name in own:
                    continue
                other = next(iter(rooms))
                if rank[other] >= rank[room] and other not in EXTRA.get(room, ()):
                    wrong.append(f"{path}:{number}: {room} → {other}: {name}")
    print("\n".join(wrong) if wrong else f"rooms: {len(files)} files, every arrow points to the left")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
