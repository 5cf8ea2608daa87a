#!/usr/bin/env python3
"""Measures Pointgate beside HAProxy and nginx on this machine in one table. README.md explains it.

    make bench                  builds the release, lists what is missing, measures for two to three minutes
    bench/run.py --check        only checks that each installed proxy does the same job
"""

import argparse
import base64
import contextlib
import hmac
import json
import os
import pwd
import resource
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = {"haproxy": "haproxy", "nginx": "nginx", "wrk": "wrk", "cc": "gcc libc6-dev"}
VALUES, HISTORY, SHARED = "/api/iot/codes/values", "/api/iot/codes/history", "/api/iot/shared/values"
UPSTREAM = {VALUES: "getCodesVal", HISTORY: "getCodesHisVal", SHARED: "getCodesVal"}
CODES = json.dumps({"codes": [f"C_5001_AV_{number:04}" for number in range(10)]}, separators=(",", ":"))
SMALL_CONNECTIONS, LARGE_CONNECTIONS, IDLE_CONNECTIONS = 64, 16, 10_000
NEW_TOKENS = 100_000  # ten times as many as Pointgate caches by default
BURSTS, WIDTH, DELAY_MS = 10, 50, 20
SPLIT_CALLS = 41


def fail(text):
    raise SystemExit(f"bench: {text}")


# ---------------------------------------------------------------------------------------------------------- processes

class Process:
    """A running server on cores of its own, with its children."""

    def __init__(self, name, command, cores, folder, environment=None):
        self.name, self.log = name, folder / f"{name}.log"
        with open(self.log, "w") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if name == "stub" else log, stderr=log,
                text=True, cwd=folder, env={**os.environ, **(environment or {})}, start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores))

    def wait_for(self, port):
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), connect(port):
                self.port = port
                return self
            if self.child.poll() is not None or time.monotonic() > end:
                fail(f"{self.name} did not start; its output:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def family(self):
        """Returns the fields of /proc/PID/stat from the state on (proc(5)), for the process and its descendants."""
        table = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                table[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        family = [self.child.pid]
        for pid in family:
            family += [child for child, fields in table.items() if int(fields[1]) == pid]
        return [table[pid] for pid in family if pid in table]

    def cpu(self):
        """Returns the user and system time so far, in seconds."""
        return sum(int(fields[11]) + int(fields[12]) for fields in self.family()) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Returns the resident memory in bytes."""
        return sum(int(fields[21]) for fields in self.family()) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(3)
                return


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# --------------------------------------------------------------------------------------------------------------- HTTP

def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(secret, caller=0, life=86_400, algorithm="HS256"):
    claims = f'{{"sub":"bench-{caller:06}","exp":{int(time.time()) + life}}}'
    text = base64url(f'{{"alg":"{algorithm}","typ":"JWT"}}'.encode()) + "." + base64url(claims.encode())
    return text + "." + base64url(hmac.digest(secret.encode(), text.encode(), "sha256"))


def request(path, fields=(), body=CODES, method="POST"):
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "Content-Type: application/json",
             f"Content-Length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def bearer(token):
    return [f"Authorization: Bearer {token}"] if token else []


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 10)


def receive(connection):
    """Reads one response with a Content-Length and returns its status and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536) or fail("a connection ended before its response")
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(1 << 20) or fail("a connection ended within a response")
    return int(head[9:12]), body


def call(port, *what, **how):
    with connect(port) as connection:
        connection.sendall(request(*what, **how))
        return receive(connection)


# ---------------------------------------------------------------------------------------------------------------- rig

class Rig:
    """The stub upstream, the proxies and the load generator."""

    def __init__(self, options, folder, stack):
        cores = sorted(os.sched_getaffinity(0))
        self.options, self.folder, self.stack = options, folder, stack
        self.proxy_cores, self.load_cores = {cores[-1]}, set(cores[:-1]) or set(cores)
        self.secret, self.upstream_token = secrets.token_hex(32), base64url(secrets.token_bytes(48))
        self.jwt, self.used_tokens = jwt(self.secret), {}
        self.one_token, self.many_tokens = folder / "token", folder / "tokens"
        self.one_token.write_text(self.jwt + "\n")
        self.limit = self.raise_file_limit()
        subprocess.run(["cc", "-O2", "-o", folder / "stub", HERE / "stub.c"], check=True)
        self.stub = self.keep(Process("stub", [folder / "stub", self.upstream_token], self.load_cores, folder))
        self.stub.port = int(self.stub.child.stdout.readline() or fail("the stub upstream did not start"))

    @staticmethod
    def raise_file_limit():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for limit in (hard, max(hard, 65_536)):  # beyond the hard limit only for root
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def keep(self, process):
        self.stack.callback(process.stop)
        return process

    def start(self, name):
        port, folder = free_port(), self.folder / name
        folder.mkdir()
        user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
        file = next(HERE.glob(f"peers/{name}.*"))
        text = file.read_text()
        for key, value in {
                "port": port, "upstream": self.stub.port, "token": self.upstream_token, "secret": self.secret,
                "user": user, "connections": IDLE_CONNECTIONS + 1_000,
                "values": VALUES, "history": HISTORY, "shared": SHARED}.items():
            text = text.replace(f"<{key}>", str(value))
        file = folder / file.name
        file.write_text(text)
        command = {
            "haproxy": ["haproxy", "-q", "-db", "-f", file],
            "nginx": ["nginx", "-e", "stderr", "-p", folder, "-c", file],
            "pointgate": [os.path.abspath(self.options.gateway), "run", "-c", file]}[name.partition("-")[0]]
        process = self.keep(Process(
            name, command, self.proxy_cores, folder, {"JWT_SECRET": self.secret, "APP_ID": "bench"})).wait_for(port)
        time.sleep(0.5)  # the background work of a start
        process.at_start = process.memory()
        return process

    def check(self, proxy, paths):
        """Requires the upstream's bytes for a valid token, and 401 for each invalid one."""
        for path in paths:
            fields = [f"Token: {self.upstream_token}"]
            direct = call(self.stub.port, f"/_webtalk/_cur/api/{UPSTREAM[path]}", fields)
            if call(proxy.port, path, bearer(self.jwt)) != direct:
                fail(f"{proxy.name} returns for {path} a response that differs from the upstream's")
        bad = {"no token": None, "a foreign signature": jwt("x" * 64),
               "an expired token": jwt(self.secret, life=-3_600), "algorithm none": jwt(self.secret, algorithm="none")}
        for what, token in bad.items():
            if not proxy.name.startswith("nginx") and (status := call(proxy.port, VALUES, bearer(token))[0]) != 401:
                fail(f"{proxy.name} returns {status} for {what}")

    def load(self, proxy, path, connections, tokens, seconds):
        """Returns CPU microseconds per request, and requests per second."""
        first, before = self.used_tokens.get((proxy, tokens), 0), proxy.cpu()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", HERE / "load.lua",
                 f"http://127.0.0.1:{proxy.port}{path}", "--", CODES, tokens, str(first)]
        ended = subprocess.run(command, capture_output=True, text=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, self.load_cores))
        if ended.returncode or not ended.stdout.strip():
            fail(f"wrk failed with {proxy.name}: {ended.stdout}{ended.stderr}")
        counted = json.loads(ended.stdout.strip().splitlines()[-1])
        if counted["errors"] or not counted["requests"]:
            fail(f"{proxy.name}: {counted['errors']} errors in {counted['requests']} requests")
        if tokens == self.many_tokens:
            self.used_tokens[proxy, tokens] = (first + counted["requests"] + connections) % NEW_TOKENS
        return (proxy.cpu() - before) * 1e6 / counted["requests"], counted["requests"] / counted["seconds"]

    def loads(self, proxies, path, connections, tokens):
        """Returns one figure per proxy and repetition, in the order A, B, C, A, B, C: other load meets all alike."""
        figures = {proxy.name: [] for proxy in proxies}
        for proxy in proxies:
            self.load(proxy, path, connections, tokens, 1)
        for _ in range(self.options.repetitions):
            for proxy in proxies:
                figures[proxy.name].append(self.load(proxy, path, connections, tokens, self.options.seconds))
        return figures

    def idle(self, proxy, count):
        """Returns the bytes of memory per open connection that has received one response."""
        def hold(number):
            for _ in range(number):
                connection = held.enter_context(connect(proxy.port))
                connection.sendall(text)
                receive(connection)

        text = request(VALUES, bearer(self.jwt))
        with contextlib.ExitStack() as held:
            hold(100)  # memory that the first connections take once
            before = proxy.memory()
            hold(count)
            return (proxy.memory() - before) / count

    def split(self, proxy):
        """Returns the median time of a call in milliseconds, one after another on one connection, while the upstream sends head
        and body in two segments with Nagle's algorithm."""
        call(self.stub.port, "/split/1", method="GET", body="")
        text, times = request(VALUES, bearer(self.jwt)), []
        with connect(proxy.port) as caller:
            for _ in range(SPLIT_CALLS):
                start = time.monotonic()
                caller.sendall(text)
                if receive(caller)[0] != 200:
                    fail(f"{proxy.name} failed with an upstream that sends two segments")
                times.append((time.monotonic() - start) * 1e3)
        call(self.stub.port, "/split/0", method="GET", body="")
        return statistics.median(times)

    def bursts(self, proxy):
        """Returns the upstream calls per burst of identical requests, and the last client's wait in milliseconds."""
        call(self.stub.port, f"/delay/{DELAY_MS}", method="GET", body="")
        times = []
        with contextlib.ExitStack() as held:
            callers = [held.enter_context(connect(proxy.port)) for _ in range(WIDTH)]
            for number in range(BURSTS):
                text = request(SHARED, bearer(self.jwt), CODES.replace("5001", f"{6000 + number}"))
                start = time.monotonic()
                for caller in callers:
                    caller.sendall(text)
                if any(receive(caller)[0] != 200 for caller in callers):
                    fail(f"{proxy.name} failed in a burst")
                times.append((time.monotonic() - start) * 1e3)
        calls = int(call(self.stub.port, "/delay/0", method="GET", body="")[1])
        return calls / BURSTS, statistics.median(times)


# -------------------------------------------------------------------------------------------------------------- table

class Table:
    """One row for each measure, one column for each proxy; ratios are relative to HAProxy."""

    def __init__(self, names):
        self.names = names
        print("\n" + f"{'':<42}" + "".join(f"{name:>20}" for name in names))

    def row(self, title, cells, remark=""):
        line = f"{title:<42}" + "".join(f"{cells.get(name, '-'):>20}" for name in self.names)
        print(f"{line}  {remark}".rstrip(), flush=True)

    def loads(self, title, figures):
        cells = {}
        for name, rows in figures.items():
            ratio = statistics.median(own[0] / other[0] for own, other in zip(rows, figures["haproxy"]))
            cells[name] = f"{statistics.median(row[0] for row in rows):.1f} ({ratio:.2f})"
        by_proxy = [[row[0] for row in rows] for rows in figures.values()]
        spread = max((max(values) - min(values)) / 2 / statistics.median(values) for values in by_proxy)
        self.row(title, cells, f"±{spread:.0%}")

    def plain(self, title, figures, digits=0):
        one = figures["haproxy"]
        self.row(title, {name: f"{value:,.{digits}f} ({value / one:.2f})" for name, value in figures.items()})


def measure(rig, proxies, sharing):
    rig.many_tokens.write_text("".join(jwt(rig.secret, caller) + "\n" for caller in range(NEW_TOKENS)))
    count = min(IDLE_CONNECTIONS, rig.limit // 2 - 500)
    table = Table([proxy.name for proxy in proxies])
    table.plain("memory at the start, MB", {proxy.name: proxy.at_start / 1e6 for proxy in proxies}, 1)
    table.plain(f"bytes per idle connection, of {count:,}", {proxy.name: rig.idle(proxy, count) for proxy in proxies})
    small = rig.loads(proxies, VALUES, SMALL_CONNECTIONS, rig.one_token)
    table.loads("CPU µs per request, 1 KB, JWT checked", small)
    table.plain("  requests per second and core",
                {name: statistics.median(row[1] for row in rows) for name, rows in small.items()})
    checking = [proxy for proxy in proxies if proxy.name != "nginx"]
    table.loads("CPU µs per request, every JWT new", rig.loads(checking, VALUES, SMALL_CONNECTIONS, rig.many_tokens))
    table.loads("CPU µs per request, 256 KB", rig.loads(proxies, HISTORY, LARGE_CONNECTIONS, rig.one_token))
    table.plain("ms per call, head and body in two segments", {proxy.name: rig.split(proxy) for proxy in proxies}, 2)
    bursts = {proxy.name: rig.bursts(sharing.get(proxy.name, proxy)) for proxy in proxies}
    table.row(f"{WIDTH} identical at once: upstream calls",
              {name: f"{calls:.0f}" for name, (calls, _) in bursts.items()})
    table.row("  until the last response, ms", {name: f"{ms:.0f}" for name, (_, ms) in bursts.items()})
    print("\nIn brackets: the ratio to HAProxy's figure, the median of the repetitions. ±: half of the widest spread in a row.\n"
          "nginx checks no JWT (its open-source edition cannot), and serves the bursts from its cache.")


# --------------------------------------------------------------------------------------------------------------- main

def missing():
    return " ".join(package for program, package in PACKAGES.items() if not shutil.which(program))


def prepare(options):
    """Checks the requirements of a measurement, and fails with the remedy."""
    if missing() and options.install:
        root = [] if os.geteuid() == 0 else ["sudo"]
        # With RUNLEVEL=1 the packages start no service now (invoke-rc.d(8)).
        command = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "install", "-y"]
        if subprocess.run([*command, "--no-install-recommends", *missing().split()]).returncode:
            fail("apt-get could not install the missing packages; see its message above")
    if missing():
        fail(f"these packages are missing: {missing()}. Install them (sudo apt-get install {missing()}), "
             "or run: make bench INSTALL=1")
    if len(os.sched_getaffinity(0)) < 2:
        fail("the bench needs two cores, one for the proxy and one for the load")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default=HERE.parent / ".build/release/pointgate", help="Pointgate's binary")
    parser.add_argument("--check", action="store_true", help="only compare the responses of the installed proxies")
    parser.add_argument("--install", action="store_true", help="install missing packages with apt-get")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="the length of one repetition")
    options = parser.parse_args()
    if not options.check:
        prepare(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stops the children on the way out
    with tempfile.TemporaryDirectory(prefix="pointgate-bench-") as folder, contextlib.ExitStack() as stack:
        rig = Rig(options, Path(folder), stack)
        names = [name for name in ("haproxy", "nginx") if shutil.which(name)] + ["pointgate"]
        proxies = [rig.start(name) for name in names]
        for proxy in proxies:
            rig.check(proxy, [VALUES, HISTORY] if proxy.name == "nginx" else UPSTREAM)
        sharing = {"nginx": rig.start("nginx-cache")} if "nginx" in names else {}
        for proxy in sharing.values():
            rig.check(proxy, [SHARED])
        print(f"the same responses as the upstream: {', '.join(names)}")
        if not options.check:
            measure(rig, proxies, sharing)


if __name__ == "__main__":
    main()
