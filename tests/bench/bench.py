#!/usr/bin/env python3
"""Overworld's benchmarks. `./dev bench [NAME...] [--json] [--rounds N] [--write FILE]`.

Every row says what it was compared with in the same run. CPU is user + system time summed over every
process of ours, taken from /proc before and after. The default configuration is measured, except that
what one address may have (connections, logins) is raised, because the load comes from one address.
"""

import argparse
import hashlib
import hmac
import base64
import json
import os
import re
import resource
import secrets
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import sqlite3
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))  # of the runfiles tree: binaries stand below it
TICK = os.sysconf("SC_CLK_TCK")
IDLE = 10000  # connections that do nothing
PLAYERS = 16000  # each stays below its limit of 10 calls/s


def at(path):
    return os.path.join(ROOT, path)


# ---- Processes ------------------------------------------------------------------------------------


def stat_fields(pid):
    """The fields of /proc/PID/stat behind the name, or None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()
    except OSError:
        return None


def processes_of(sessions):
    """Every process of these sessions. A zygote leaves its parent but not its session."""
    found = []
    for name in os.listdir("/proc"):
        fields = stat_fields(name) if name.isdigit() else None
        if fields and int(fields[3]) in sessions:
            found.append(int(name))
    return found


def cpu_seconds(sessions):
    total = 0
    for pid in processes_of(sessions):
        fields = stat_fields(pid)
        total += sum(int(x) for x in fields[11:13]) if fields else 0
    return total / TICK


def memory_kb(pid, key):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.M).group(1))


def ended(process, seconds):
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


class Server:
    """A running Overworld with a data folder of its own."""

    def __init__(self, split=False, folder=None, flags=()):
        self.folder = folder or tempfile.mkdtemp(prefix="overworld-bench-")
        self.processes = []
        targets = ["identity,registry,data,events", "telemetry", "runner", "gateway"] if split else ["all"]
        started = time.monotonic()
        try:
            os.unlink(os.path.join(self.folder, "run/gateway.json"))
        except FileNotFoundError:
            pass
        log = open(os.path.join(self.folder, "server.log"), "a")
        for target in targets:
            self.processes.append(
                subprocess.Popen(
                    [at("services/overworld/overworld"), "up", f"--data={self.folder}",
                     f"--target={target}", "--gateway.public_port=0", "--gateway.console_port=0",
                     "--gateway.max_connections_per_address=4000", "--gateway.address_requests=0",
                     *flags],
                    stdout=log, stderr=log, start_new_session=True))
        self.ready_ms = None
        while time.monotonic() - started < 30:
            if self._is_ready():
                self.ready_ms = (time.monotonic() - started) * 1000
                break
            time.sleep(0.001)
        if self.ready_ms is None:
            self.stop()
            raise SystemExit("the server was not ready within 30 s; its log: " + log.name)

    def _is_ready(self):
        try:
            with open(os.path.join(self.folder, "run/gateway.json")) as f:
                addresses = json.load(f)
            self.public, self.console = addresses["public"], addresses["console"]
            with urllib.request.urlopen(self.console + "/readyz", timeout=2) as reply:
                return reply.status == 200
        except (OSError, ValueError, KeyError):
            return False

    def sessions(self):
        return [p.pid for p in self.processes]

    def ow(self, *args):
        done = subprocess.run([at("cli/ow"), *args, "--data", self.folder], text=True,
                              capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"ow {' '.join(args)}: {done.stderr}")
        return done.stdout

    def post(self, path, body, token=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.public + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def stop(self, keep=False):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            if not ended(process, 15):
                process.kill()
                process.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Floor:
    """The bare libmicrohttpd + cJSON echo (floor.c)."""

    def __init__(self):
        self.process = subprocess.Popen([at("tests/bench/floor")], stdout=subprocess.PIPE,
                                        text=True, start_new_session=True)
        self.url = "http://127.0.0.1:" + self.process.stdout.readline().strip()

    def sessions(self):
        return [self.process.pid]

    def stop(self):
        self.process.kill()
        self.process.wait()


# ---- Load -----------------------------------------------------------------------------------------


def wrk(url, connections, seconds, script, argument, sessions):
    """One run of wrk. Returns calls/s, CPU µs a call, p50 and p99 in ms, errors."""
    before = cpu_seconds(sessions)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
         os.path.join(HERE, script), url, "--", argument],
        text=True, capture_output=True)
    cpu = cpu_seconds(sessions) - before
    found = re.search(r"RESULT requests=(\d+) duration_us=(\d+) errors=(\d+) p50_us=(\d+) p99_us=(\d+)",
                      done.stdout)
    if not found:
        raise SystemExit("wrk failed: " + done.stdout + done.stderr)
    requests, duration, errors, p50, p99 = map(int, found.groups())
    return {"rate": requests / duration * 1e6, "cpu": cpu / max(requests, 1) * 1e6,
            "p50": p50 / 1000, "p99": p99 / 1000, "errors": errors, "requests": requests}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def lines_file(lines):
    handle, path = tempfile.mkstemp(prefix="overworld-bench-lines-")
    with os.fdopen(handle, "w") as f:
        f.write("\n".join(lines) + "\n")
    return path


def log_in_players(server, count):
    """Access tokens of `count` players, through the real login."""
    import http.client
    from urllib.parse import urlparse
    connection = http.client.HTTPConnection(urlparse(server.public).netloc)
    tokens = []
    for i in range(count):
        connection.request("POST", "/overworld.identity.v1.Identity/DeviceLogin",
                           json.dumps({"deviceId": f"bench-device-{i:08d}"}),
                           {"Content-Type": "application/json"})
        tokens.append(json.load(connection.getresponse())["accessToken"])
    return lines_file(tokens)


def bundle(functions):
    """The echo bundle with `functions` entries named f0, f1 ... and echo."""
    folder = tempfile.mkdtemp(prefix="overworld-bench-bundle-")
    shutil.copy(os.path.join(HERE, "bundle/bench.c"), folder)
    entries = {"echo": {"exposure": "client"}}
    for i in range(functions):
        entries[f"f{i}"] = {"exposure": "client", "entry": "echo"}
    with open(os.path.join(folder, "virtualserver.json"), "w") as f:
        json.dump({"name": "bench", "runtime": "c", "functions": entries}, f)
    return folder


# ---- The benchmarks -------------------------------------------------------------------------------


class Report:
    def __init__(self, as_json):
        self.rows = []
        self.as_json = as_json

    def row(self, name, value, unit, bar=None, holds=None, against=""):
        row = {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "holds": holds,
               "against": against}
        self.rows.append(row)
        if self.as_json:
            print(json.dumps(row), flush=True)
        else:
            mark = "" if holds is None else ("  holds" if holds else "  MISSED")
            print(f"{name:34} {value:12.2f} {unit:10} {'bar ' + str(bar) if bar else '':14}{mark}"
                  f"  {against}", flush=True)


def bench_call(report, options, server=None, prefix="call"):
    own = server is None
    held = own  # the bars are one process's; split mode is measured to state the difference
    server = server or Server(flags=options.flags)
    floor = Floor()
    server.ow("vs", "deploy", bundle(0), "--publish")
    tokens = log_in_players(server, PLAYERS)
    url = server.public + "/v1/call/bench/echo"
    try:
        wrk(url, 32, 2, "call.lua", tokens, server.sessions())  # warm up
        for connections in (32, 256, 1000):
            ours, theirs = [], []
            for _ in range(options.rounds):
                theirs.append(wrk(floor.url, connections, options.seconds, "call.lua", tokens,
                                  floor.sessions()))
                ours.append(wrk(url, connections, options.seconds, "call.lua", tokens,
                                server.sessions()))
            ratios = [a["rate"] / b["rate"] for a, b in zip(ours, theirs)]
            ratio = statistics.median(ratios)
            name = f"{prefix}/c-{connections}"
            cpu = median(ours, "cpu")
            against = (f"floor {median(theirs, 'rate'):.0f}/s, {median(theirs, 'cpu'):.1f} µs; "
                       f"ours {median(ours, 'rate'):.0f}/s")
            report.row(name + "/ratio", ratio, "x floor", 0.65 if held else None,
                       ratio >= 0.65 if held else None, against)
            report.row(name + "/cpu", cpu, "µs", 18 if held else None, cpu <= 18 if held else None,
                       "all processes, a call")
            p99 = median(ours, "p99")
            bar = 2 if connections == 32 and held else None
            report.row(name + "/p99", p99, "ms", bar, p99 <= bar if bar else None,
                       f"p50 {median(ours, 'p50'):.2f} ms")
            errors = sum(run["errors"] for run in ours)
            report.row(name + "/errors", errors, "calls", 0, errors == 0,
                       f"of {sum(run['requests'] for run in ours)}")
            if connections == 32 and own:
                status = json.loads(server.ow("status", "--json"))
                dropped = int(status.get("recordsDropped", 0))
                sent = 2 * sum(run["requests"] for run in ours)
                share = 100 * dropped / sent
                report.row(name + "/records-dropped", share, "%", 1, share <= 1,
                           f"{dropped} of {sent}")
    finally:
        floor.stop()
        if own:
            server.stop()


def steady(server, tokens, rate, seconds):
    """Calls at a steady pace over one connection. Returns how many were made."""
    import http.client
    from urllib.parse import urlparse
    connection = http.client.HTTPConnection(urlparse(server.public).netloc)
    with open(tokens) as f:
        headers = [{"Content-Type": "application/json", "Authorization": "Bearer " + line.strip()}
                   for line in f]
    started = time.monotonic()
    made = 0
    while time.monotonic() - started < seconds:
        if made > (time.monotonic() - started) * rate:
            time.sleep(0.0005)
            continue
        connection.request("POST", "/v1/call/bench/echo", '{"a":1}', headers[made % len(headers)])
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            raise SystemExit(f"steady calls: status {reply.status}")
        made += 1
    return made


def bench_records(report, options):
    """Below 1,000 calls a second no record is lost."""
    server = Server(flags=options.flags)
    try:
        server.ow("vs", "deploy", bundle(0), "--publish")
        tokens = log_in_players(server, 1000)
        made = steady(server, tokens, 950, 2 * options.rounds)
        time.sleep(1)  # the last blocks arrive
        dropped = int(json.loads(server.ow("status", "--json")).get("recordsDropped", 0))
        report.row("records/steady/dropped", dropped, "records", 0, dropped == 0,
                   f"of {2 * made}, at {made / (2 * options.rounds):.0f} calls/s")
    finally:
        server.stop()


def bench_telemetry(report, options):
    """What of a call's CPU is records: made, sent, summarized, stored. The same load on two servers in turn,
    one of which records nothing."""
    servers = [Server(flags=options.flags),
               Server(flags=["--gateway.records=false", "--runner.records=false", *options.flags])]
    runs = [[], []]
    try:
        tokens = []
        for server in servers:
            server.ow("vs", "deploy", bundle(0), "--publish")
            tokens.append(log_in_players(server, PLAYERS))
            wrk(server.public + "/v1/call/bench/echo", 32, 2, "call.lua", tokens[-1], server.sessions())
        for _ in range(options.rounds):
            for at, server in enumerate(servers):
                runs[at].append(wrk(server.public + "/v1/call/bench/echo", 32, options.seconds,
                                    "call.lua", tokens[at], server.sessions()))
        shares = [100 * (a["cpu"] - b["cpu"]) / a["cpu"] for a, b in zip(*runs)]
        share = statistics.median(shares)
        report.row("telemetry/share", share, "%", 10, share <= 10,
                   f"of a call's CPU: {median(runs[0], 'cpu'):.2f} µs with records, "
                   f"{median(runs[1], 'cpu'):.2f} µs without; rounds {min(shares):.0f} to {max(shares):.0f} %")
        errors = sum(run["errors"] for both in runs for run in both)
        report.row("telemetry/errors", errors, "calls", 0, errors == 0, "")
    finally:
        for server in servers:
            server.stop()


def bench_split(report, options):
    server = Server(split=True, flags=options.flags)
    try:
        bench_call(report, options, server, prefix="split/call")
    finally:
        server.stop()


def bench_cold(report, options):
    # One player makes all calls.
    server = Server(flags=["--gateway.player_calls=0", "--gateway.player_function_calls=0",
                           *options.flags])
    try:
        server.ow("vs", "deploy", bundle(48), "--publish")
        tokens = log_in_players(server, 1)
        token = open(tokens).readline().strip()
        import http.client
        from urllib.parse import urlparse
        connection = http.client.HTTPConnection(urlparse(server.public).netloc)
        times = []
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token}

        def call(function):
            started = time.perf_counter()
            connection.request("POST", f"/v1/call/bench/{function}", '{"a":1}', headers)
            reply = connection.getresponse()
            reply.read()
            if reply.status != 200:
                raise SystemExit(f"cold start: status {reply.status}")
            return (time.perf_counter() - started) * 1000

        call("echo")
        for i in range(48):
            times.append(call(f"f{i}"))
        warm = statistics.median(call("echo") for _ in range(200))
        p50 = statistics.median(times)
        report.row("cold-start/c/p50", p50, "ms", 2, p50 <= 2,
                   f"client's view; a warm call takes {warm:.2f} ms")
        runtimes = []
        for pid in processes_of(server.sessions()):
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == "ow-rt-c":
                    runtimes.append(memory_kb(pid, "Pss"))
        # The zygote is among them; with fifty instances it does not move the median.
        instances = sorted(runtimes)
        pss = statistics.median(instances) / 1024
        report.row("instance/c/pss", pss, "MB", 0.3, pss <= 0.3,
                   f"median of {len(instances)} idle instances")
    finally:
        server.stop()


def bench_start(report, options):
    server = Server(flags=options.flags)
    server.ow("vs", "deploy", bundle(0), "--publish")
    folder = server.folder
    server.stop(keep=True)
    times, sizes = [], []
    for _ in range(options.rounds):
        server = Server(folder=folder, flags=options.flags)
        times.append(server.ready_ms)
        time.sleep(0.5)
        sizes.append(memory_kb(server.processes[0].pid, "Rss") / 1024)
        server.stop(keep=True)
    shutil.rmtree(folder, ignore_errors=True)
    report.row("start/ready", statistics.median(times), "ms", 50, statistics.median(times) <= 50,
               "exec to /readyz, existing data folder, polled each ms")
    report.row("start/memory", statistics.median(sizes), "MB", 25, statistics.median(sizes) <= 25,
               "resident, the server process, idle")


def server_login_body(key_id, secret):
    key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    nonce = secrets.token_hex(16)
    timestamp = int(time.time())
    text = (f"overworld-server-login\n{key_id}\n{timestamp}\n{nonce}\nPOST\n"
            f"/overworld.identity.v1.Identity/ServerLogin\n{hashlib.sha256(b'').hexdigest()}\n")
    signature = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return json.dumps({"keyId": key_id, "timestamp": str(timestamp), "nonce": nonce,
                       "signature": base64.b64encode(signature).decode()})


def write_rows(report, server, name, path, bodies, bar_us, options):
    """Durable writes at 128 connections against one connection, where each has a commit of its own."""
    url = server.public + path
    one, many = [], []
    files = []
    for i in range(options.rounds):
        half = len(bodies) // options.rounds
        mine = bodies[i * half:(i + 1) * half]
        split = len(mine) // 20
        files.append((lines_file(mine[:split]), lines_file(mine[split:])))
    for first, second in files:
        one.append(wrk(url, 1, 1, "lines.lua", first, server.sessions()))
        many.append(wrk(url, 128, 1, "lines.lua", second, server.sessions()))
        os.unlink(first)
        os.unlink(second)
    ratio = median(many, "rate") / median(one, "rate")
    cpu = median(many, "cpu")
    report.row(f"write/{name}/ratio", ratio, "x one", 10, ratio >= 10,
               f"{median(many, 'rate'):.0f}/s at 128 connections, {median(one, 'rate'):.0f}/s one by one")
    report.row(f"write/{name}/cpu", cpu, "µs", bar_us, cpu <= bar_us, "all processes, a write")
    errors = sum(run["errors"] for run in many)
    report.row(f"write/{name}/errors", errors, "calls", 0, errors == 0, "")


def bench_kv(report, options):
    """Keys and values from functions: 64 calls under way, each with 100 operations one after another."""
    server = Server(flags=["--runner.quota=64", *options.flags])
    folder = tempfile.mkdtemp(prefix="overworld-bench-bundle-")
    try:
        shutil.copy(os.path.join(HERE, "bundle/kv.c"), folder)
        functions = {name: {"exposure": "client", "timeout_ms": 20000} for name in ("kv_get", "kv_set")}
        with open(os.path.join(folder, "virtualserver.json"), "w") as f:
            json.dump({"name": "bench", "runtime": "c", "functions": functions}, f)
        server.ow("vs", "deploy", folder, "--publish")
        tokens = log_in_players(server, 1000)
        url = server.public + "/v1/call/bench/"
        for name, bar in (("kv_set", 10000), ("kv_get", 30000)):
            wrk(url + name, 64, 2, "call.lua", tokens, server.sessions())  # warm up
            runs = [wrk(url + name, 64, options.seconds, "call.lua", tokens, server.sessions())
                    for _ in range(options.rounds)]
            rate = 100 * median(runs, "rate")
            row = name.replace("_", "/")
            report.row(row, rate, "/s", bar, rate >= bar,
                       f"{median(runs, 'cpu') / 100:.1f} µs CPU each, all processes")
            errors = sum(run["errors"] for run in runs)
            report.row(row + "/errors", errors, "calls", 0, errors == 0,
                       f"of {sum(run['requests'] for run in runs)}, 100 operations each")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def metric(server, name):
    with urllib.request.urlopen(server.console + "/metrics", timeout=5) as reply:
        found = re.search(rf"^{re.escape(name)} (\d+)", reply.read().decode(), re.M)
    return int(found.group(1)) if found else 0


def bench_accepted(report, options, server, tokens):
    """Calls that are answered once they are durable; what runs is kept to one at a time meanwhile."""
    url = server.public + "/v1/call/bench/echo?mode=async"
    one, many = [], []
    wrk(url, 64, 1, "call.lua", tokens, server.sessions())  # warm up
    for _ in range(options.rounds):
        one.append(wrk(url, 1, 1, "call.lua", tokens, server.sessions()))
        many.append(wrk(url, 64, options.seconds, "call.lua", tokens, server.sessions()))
    rate, ratio = median(many, "rate"), median(many, "rate") / median(one, "rate")
    report.row("queue/accepted", rate, "/s", 20000, rate >= 20000,
               f"durable, 64 in flight; {median(many, 'cpu'):.1f} µs CPU each, all processes")
    report.row("queue/accepted/ratio", ratio, "x one", 10, ratio >= 10,
               f"{median(one, 'rate'):.0f}/s with a commit each")
    errors = sum(run["errors"] for run in many + one)
    report.row("queue/accepted/errors", errors, "calls", 0, errors == 0,
               f"of {sum(run['requests'] for run in many + one)}")


def bench_backlog(report, server):
    """What waits is run: from the queue through the function to its end, nothing else happening."""
    name = 'overworld_events_deliveries_total{outcome="done"}'
    while metric(server, name) == 0:
        time.sleep(0.01)
    first, began, cpu = metric(server, name), time.monotonic(), cpu_seconds(server.sessions())
    last, ended_at = first, began
    while time.monotonic() - ended_at < 1 and time.monotonic() - began < 60:
        now = metric(server, name)
        if now > last:
            last, ended_at = now, time.monotonic()
            spent = cpu_seconds(server.sessions()) - cpu
        time.sleep(0.05)
    rate = (last - first) / max(ended_at - began, 0.001)
    report.row("queue/finished", rate, "/s", 8000, rate >= 8000,
               f"{last - first} executions of a C function; {spent / (last - first) * 1e6:.0f} µs CPU each, "
               "all processes")


def bench_start_of_one(report, server, tokens):
    """One at a time into an idle queue."""
    with open(tokens) as f:
        token = f.readline().strip()
    marker = int(time.time() * 1000000)
    for _ in range(300):
        server.post("/v1/call/bench/echo?mode=async", {}, token)
        time.sleep(0.15)
    time.sleep(1)
    server.stop(keep=True)
    waits = sorted(wait / 1000 for wait, in sqlite3.connect(
        os.path.join(server.folder, "events/events.db")).execute(
            "SELECT started_us - created_us FROM executions WHERE created_us > ? AND state = 5", (marker,)))
    value = statistics.median(waits)
    report.row("queue/idle/enqueue-to-start", value, "ms", 5, value <= 5,
               f"p50 of {len(waits)}; p99 {waits[len(waits) * 99 // 100]:.1f} ms")


def bench_queue(report, options):
    server = Server(flags=["--events.max_running=1", *options.flags])
    try:
        server.ow("vs", "deploy", bundle(0), "--publish")
        tokens = log_in_players(server, PLAYERS)
        bench_accepted(report, options, server, tokens)
        server.stop(keep=True)
        server = Server(folder=server.folder, flags=options.flags)
        bench_backlog(report, server)
        bench_start_of_one(report, server, log_in_players(server, 1))
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def bench_spread(report, options):
    """From an event to executions: 100 subscriptions of three conditions each, 50 of them about it."""
    runs = []
    for _ in range(options.rounds):
        before = os.times()
        done = subprocess.run([at("services/events/spread_cost"), "5000"], text=True, capture_output=True,
                              check=True)
        after = os.times()
        found = re.search(r"spread (\d+) events/s, (\d+) executions/s", done.stdout)
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        runs.append({"events": int(found.group(1)), "executions": int(found.group(2)),
                     "cpu": cpu / 5000 * 1e6})
    events, executions = median(runs, "events"), median(runs, "executions")
    report.row("events/spread", events, "events/s", 2000, events >= 2000,
               f"durable, in requests of 100; {median(runs, 'cpu'):.0f} µs CPU each, all threads")
    report.row("events/spread/executions", executions, "/s", 100000, executions >= 100000,
               "evaluated and stored")


def bench_token(report, options):
    """A token that the gateway has not seen before; those that it remembers cost less."""
    runs = [json.loads(subprocess.run([at("tests/bench/token")], text=True, capture_output=True,
                                      check=True).stdout) for _ in range(options.rounds)]
    value = statistics.median(run["us"] for run in runs)
    report.row("token/check", value, "µs", 2, value <= 2,
               f"{runs[0]['players']} tokens in turn; CPU")


def bench_write(report, options):
    server = Server(flags=options.flags)
    try:
        count = 60000 * options.rounds
        devices = [json.dumps({"deviceId": f"new-device-{i:09d}"}) for i in range(count)]
        write_rows(report, server, "new-player", "/overworld.identity.v1.Identity/DeviceLogin",
                   devices, 80, options)
        key_id, secret = server.ow("key", "create", "bench").split()
        bodies = [server_login_body(key_id, secret) for _ in range(count)]
        write_rows(report, server, "server-login", "/overworld.identity.v1.Identity/ServerLogin",
                   bodies, 40, options)
        write_rows(report, server, "known-player", "/overworld.identity.v1.Identity/DeviceLogin",
                   devices, 150, options)
    finally:
        server.stop()


def dev_source(number, with_cjson):
    """A function of 200 lines whose reply says which edit of it this is."""
    lines = ["#include <overworld.h>", "#include <stdio.h>"]
    lines += ["#include <cjson/cJSON.h>"] if with_cjson else []
    steps = 0
    while len(lines) < 170:
        lines += [f"static int step{steps}(int sum, const char *text) {{",
                  "    for (const char *at = text; *at; at++) {",
                  f"        sum = sum * {31 + steps} + *at;",
                  "        if (sum & 1) {",
                  f"            sum ^= {77 * steps};",
                  "        }",
                  "    }",
                  "    return sum;",
                  "}",
                  ""]
        steps += 1
    lines += ["int hello(ow_ctx *ctx) {", "    int sum = 0;"]
    lines += [f'    sum = step{i}(sum, "abcdef");' for i in range(steps)]
    if with_cjson:
        lines += ["    cJSON *tree = cJSON_CreateObject();",
                  f'    cJSON_AddNumberToObject(tree, "edit", {number});',
                  '    cJSON_AddNumberToObject(tree, "sum", sum);',
                  "    return ow_reply_json(ctx, tree);"]
    else:
        lines += ["    char text[64];",
                  "    snprintf(text, sizeof text, "
                  f'"{{\\"edit\\":{number},\\"sum\\":%d}}", sum);',
                  "    return ow_reply_text(ctx, text);"]
    return "\n".join(lines + ["}", ""])


def dev_times(server, name, with_cjson, rounds):
    """ms from saving a file that `ow dev` watches to the first reply from the new code."""
    folder = tempfile.mkdtemp(prefix="overworld-bench-dev-")
    with open(os.path.join(folder, "virtualserver.json"), "w") as f:
        json.dump({"name": name, "runtime": "c", "functions": {"hello": {"exposure": "client"}}}, f)

    def save(number):
        with open(os.path.join(folder, "main.c"), "w") as f:
            f.write(dev_source(number, with_cjson))

    def wait_for(number):
        started = time.perf_counter()
        while time.perf_counter() - started < 30:
            done = subprocess.run(
                [at("cli/ow"), "fn", "invoke", name, "hello", "--qualifier", "$LATEST", "--data",
                 server.folder], text=True, capture_output=True)
            if done.returncode == 0 and json.loads(done.stdout)["edit"] == number:
                return (time.perf_counter() - started) * 1000
        raise SystemExit("ow dev: the new code did not answer within 30 s")

    save(0)
    dev = subprocess.Popen([at("cli/ow"), "dev", folder, "--data", server.folder],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = []
    try:
        wait_for(0)
        for number in range(1, rounds + 1):
            time.sleep(0.2)  # ow dev has come to rest
            save(number)
            times.append(wait_for(number))
    finally:
        dev.send_signal(signal.SIGINT)
        dev.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return times


def bench_dev(report, options):
    server = Server(flags=options.flags)
    try:
        for row, name, with_cjson in (("dev/change-to-reply", "bench-plain", False),
                                      ("dev/change-to-reply/cjson", "bench-cjson", True)):
            times = dev_times(server, name, with_cjson, 2 * options.rounds)
            value = statistics.median(times)
            report.row(row, value, "ms", 1000, value <= 1000,
                       f"saved under ow dev to the new reply, 200 lines; slowest {max(times):.0f} ms")
    finally:
        server.stop()


def bench_idle(report, options):
    """Calls beside 10,000 connections that do nothing, against the same without them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(flags=["--gateway.max_connections_per_address=0",
                           f"--gateway.max_connections={IDLE + 1000}", "--gateway.idle_timeout=600s",
                           *options.flags])
    host, port = server.public.removeprefix("http://").split(":")
    server.ow("vs", "deploy", bundle(0), "--publish")
    tokens = log_in_players(server, PLAYERS)
    url = server.public + "/v1/call/bench/echo"
    alone, beside, sockets = [], [], []
    try:
        wrk(url, 32, 2, "call.lua", tokens, server.sessions())  # warm up
        for _ in range(options.rounds):
            alone.append(wrk(url, 32, options.seconds, "call.lua", tokens, server.sessions()))
        for _ in range(IDLE):
            sockets.append(socket.create_connection((host, int(port))))
            sockets[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(options.rounds):
            beside.append(wrk(url, 32, options.seconds, "call.lua", tokens, server.sessions()))
        ratio = median(beside, "rate") / median(alone, "rate")
        report.row("idle/c-32/ratio", ratio, "x alone", None, None,
                   f"{IDLE} idle connections; {median(beside, 'rate'):.0f}/s beside them, "
                   f"{median(alone, 'rate'):.0f}/s alone")
        report.row("idle/c-32/p99", median(beside, "p99"), "ms", 50, median(beside, "p99") <= 50,
                   f"alone {median(alone, 'p99'):.2f} ms")
        errors = sum(run["errors"] for run in beside)
        report.row("idle/c-32/errors", errors, "calls", 0, errors == 0, "")
    finally:
        for each in sockets:
            each.close()
        server.stop()


# ---- Pushes ---------------------------------------------------------------------------------------


class Crowd:
    """Players' WebSockets, each behind its ticket, and what comes to them."""

    def __init__(self, server):
        self.address = server.public.removeprefix("http://").split(":")
        self.epoll, self.sockets, self.rest = select.epoll(), {}, {}
        self.received, self.waits = 0, []

    def join(self, token):
        sock = socket.create_connection((self.address[0], int(self.address[1])))
        sock.sendall(b"GET /v1/push HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        ticket = json.dumps({"ticket": token}).encode()
        # Masked with zeros: it stays as it is.
        sock.sendall(b"\x81\xfe" + len(ticket).to_bytes(2, "big") + bytes(4) + ticket)
        self.sockets[sock.fileno()], self.rest[sock.fileno()] = sock, head.split(b"\r\n\r\n", 1)[1]
        self.epoll.register(sock.fileno(), select.EPOLLIN)

    def listen(self, seconds):
        """Reads what has come within that time; returns at the first of it."""
        for fd, _ in self.epoll.poll(seconds):
            bytes_ = self.rest[fd] + self.sockets[fd].recv(1 << 18)
            at, now = 0, time.monotonic()
            while len(bytes_) - at >= 4:
                size, head = bytes_[at + 1] & 0x7f, 2
                if size == 126:
                    size, head = int.from_bytes(bytes_[at + 2:at + 4], "big"), 4
                if len(bytes_) - at < head + size:
                    break
                if bytes_[at] == 0x81:
                    self.received += 1
                    sent = bytes_.find(b'"at":', at, at + head + size)
                    if sent > 0:
                        self.waits.append(now - float(bytes_[sent + 5:bytes_.index(b"}", sent)]))
                at += head + size
            self.rest[fd] = bytes_[at:]

    def await_all(self, count, seconds):
        end = time.monotonic() + seconds
        while self.received < count and time.monotonic() < end:
            self.listen(0.1)
        return self.received >= count

    def leave(self):
        for sock in self.sockets.values():
            sock.close()


class Pusher:
    """Pushes to the same players again and again, over one connection that the crowd's loop need not wait for."""

    def __init__(self, server, players):
        host, port = server.console.removeprefix("http://").split(":")
        with open(os.path.join(server.folder, "operator.token")) as f:
            token = f.read().strip()
        self.sock = socket.create_connection((host, int(port)))
        self.head = ("POST /overworld.push.v1.Push/Send HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                     f"Authorization: Bearer {token}\r\nContent-Length: %d\r\n\r\n")
        self.body = '{"playerIds":' + json.dumps(players) + r',"topic":"bench","payloadJson":"{\"at\":%.4f}"}'
        self.open, self.sent = 0, 0

    def push(self):
        body = self.body % time.monotonic()
        self.sock.sendall((self.head % len(body) + body).encode())
        self.open, self.sent = self.open + 1, self.sent + 1

    def take_answers(self):
        while self.open and select.select([self.sock], [], [], 0)[0]:
            answer = self.sock.recv(1 << 16)
            if b"HTTP/1.1 200 " not in answer:
                raise SystemExit("a push failed: " + answer.decode(errors="replace"))
            self.open -= answer.count(b"HTTP/1.1 200 ")


def push_server(options, count):
    """A server that takes so many sockets, and as many players' tokens and ids."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(flags=["--gateway.max_connections_per_address=0", f"--gateway.max_connections={IDLE + 1000}",
                           "--gateway.idle_timeout=600s", "--gateway.push_ping=1h", "--gateway.push_queue=1MB",
                           *options.flags])
    with open(log_in_players(server, count)) as f:
        tokens = f.read().split()
    claims = [json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")) for token in tokens]
    return server, tokens, [claim["sub"] for claim in claims]


def descriptors(server):
    return len(os.listdir(f"/proc/{server.processes[0].pid}/fd"))


def bench_push_idle(report, options):
    """What players who are connected and hear nothing cost."""
    server, tokens, _ = push_server(options, IDLE)
    crowd = Crowd(server)
    try:
        open_before = descriptors(server)
        size = memory_kb(server.processes[0].pid, "Rss")
        for token in tokens:
            crowd.join(token)
        held = crowd.await_all(IDLE, 60)
        each = (memory_kb(server.processes[0].pid, "Rss") - size) / IDLE
        report.row("push/idle/memory", each, "KB", 12, held and each <= 12,
                   f"a WebSocket, resident, the server process; {IDLE} that were told `ready`")
        crowd.leave()
        end = time.monotonic() + 20
        while descriptors(server) > open_before and time.monotonic() < end:
            time.sleep(0.1)
        left = max(descriptors(server) - open_before, 0)
        report.row("push/idle/descriptors", left, "left", 0, left == 0, "open in the server when all have gone")
    finally:
        server.stop()


def push_for(crowd, pusher, seconds, pace):
    """Pushes for so long: every `pace` seconds, or (0) as long as few messages are on their way. Returns the time
    until the last one was received."""
    players = len(crowd.sockets)
    first, began = crowd.received, time.monotonic()
    pusher.sent, due = 0, began
    while time.monotonic() - began < seconds:
        on_the_way = pusher.sent * players - (crowd.received - first)
        if time.monotonic() >= due if pace else on_the_way < 8 * players:
            pusher.push()
            due += pace
        pusher.take_answers()
        crowd.listen(0.001)
    if not crowd.await_all(first + pusher.sent * players, 20):
        raise SystemExit("pushes were lost")
    taken = time.monotonic() - began
    while pusher.open:
        pusher.take_answers()
    return taken


def bench_push(report, options):
    bench_push_idle(report, options)
    players = 1000
    server, tokens, ids = push_server(options, players)
    crowd, pusher = Crowd(server), Pusher(server, ids)
    rates, cpus = [], []
    try:
        for token in tokens:
            crowd.join(token)
        crowd.await_all(players, 30)
        push_for(crowd, pusher, 1, 0)  # warm up
        for _ in range(options.rounds):
            cpu = cpu_seconds(server.sessions())
            taken = push_for(crowd, pusher, options.seconds, 0)
            count = pusher.sent * players
            rates.append(count / taken)
            cpus.append((cpu_seconds(server.sessions()) - cpu) / count * 1e6)
        rate = statistics.median(rates)
        report.row("push/rate", rate, "/s", 50000, rate >= 50000,
                   f"to {players} players at a time, received; {statistics.median(cpus):.1f} µs CPU each")
        crowd.waits.clear()
        push_for(crowd, pusher, options.rounds * options.seconds, players / 50000)
        waits = sorted(crowd.waits)
        late = waits[len(waits) * 99 // 100] * 1000
        report.row("push/p99", late, "ms", 50, late <= 50,
                   f"at 50,000 a second, from asking to receiving; p50 {statistics.median(waits) * 1000:.1f} ms")
    finally:
        crowd.leave()
        server.stop()


def bench_limits(report, options):
    """What the rate limiter adds to a call: a player's bucket and that of the function."""
    runs = [json.loads(subprocess.run([at("tests/bench/limits")], text=True, capture_output=True,
                                      check=True).stdout) for _ in range(options.rounds)]
    value = statistics.median(run["us"] for run in runs)
    report.row("limits/call", value, "µs", 1, value <= 1,
               f"two buckets a call, {runs[0]['players']} players in turn; CPU")


def bench_cron(report, options):
    """When an expression comes next. One that never comes is searched for 400 years."""
    runs = [json.loads(subprocess.run([at("core/cron/when"), "--time"], text=True, capture_output=True,
                                      check=True).stdout) for _ in range(options.rounds)]
    each = {text: statistics.median(run[text] for run in runs) / 1000 for text in runs[0]}
    never = each.pop("0 0 30 2 *")
    typical = statistics.median(each.values())
    report.row("cron/next", typical, "µs", 1, typical <= 1,
               f"median of {len(each)} expressions in Europe/Berlin; slowest {max(each.values()):.2f} µs, "
               f"one that never comes {never:.0f} µs")


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def timer_spec(name, every_s):
    """A packed overworld.api.Timer that calls echo."""
    every = b"\x08" + varint(every_s)
    parts = [(0x0A, name.encode()), (0x12, b"echo"), (0x2A, every)]
    return b"".join(bytes([tag]) + varint(len(value)) + value for tag, value in parts)


def store_timers(folder, title, count, every_s, first_us, spread_us):
    """Timers as the service keeps them; over the API a million would take minutes."""
    def rows():
        for i in range(count):
            due = first_us + i * spread_us // count
            every = every_s * 1000000
            yield (f"tmr_{i:07}", title, f"t{i}", timer_spec(f"t{i}", every_s), due, every, due - every,
                   first_us, first_us)
    db = sqlite3.connect(os.path.join(folder, "timers/timers.db"))
    with db:
        db.executemany(
            "INSERT INTO timers (timer_id, title_id, virtual_server, name, alias, function, spec, declared,"
            " gone, paused, pause_reason, paused_by, next_due_us, last_due_us, last_execution_id, every_us,"
            " anchor_us, created_us, updated_us, etag) VALUES (?, ?, 'bench', ?, '$DEFAULT', 'echo', ?, 0,"
            " 0, 0, '', '', ?, 0, '', ?, ?, ?, ?, 1)", rows())
    db.close()


def lateness_ms(server, share):
    """From when a slot was due until the queue had it: the upper bound of the bucket that has this share,
    and how many there were."""
    with urllib.request.urlopen(server.console + "/metrics", timeout=5) as reply:
        text = reply.read().decode()
    buckets = [(float(bound), int(count)) for bound, count in
               re.findall(r'overworld_timers_lateness_seconds_bucket{le="([^"]+)"} (\d+)', text)]
    total = buckets[-1][1]
    return next(bound * 1000 for bound, count in buckets if count >= share * total), total


def ask_store(folder, service, question):
    db = sqlite3.connect(os.path.join(folder, f"{service}/{service}.db"))
    answer = db.execute(question).fetchone()
    db.close()
    return answer


def firings(folder):
    """Slots fired; slots that came to nothing, and holes between two; executions too many."""
    fired, lost = ask_store(folder, "timers", "SELECT sum(state = 'fired'), sum(count * (state <> 'fired'))"
                                              " FROM slots")
    holes, = ask_store(folder, "timers", "SELECT count(*) FROM (SELECT due_us - lag(due_us) OVER (PARTITION BY"
                                         " timer_id ORDER BY due_us) AS gap FROM slots) WHERE gap <> 1000000")
    made, distinct = ask_store(folder, "events", "SELECT count(*), count(DISTINCT deduplication_key)"
                                                 " FROM executions")
    return fired, lost + holes + max(fired - distinct, 0), made - distinct


def settle_claims(folder, options):
    """Slots that were claimed when the server stopped are taken up by the next one, after their lease."""
    db = sqlite3.connect(os.path.join(folder, "timers/timers.db"))
    with db:
        db.execute("UPDATE timers SET next_due_us = 9223372036854775807")
    db.close()
    if ask_store(folder, "timers", "SELECT count(*) FROM slots WHERE state = 'claimed'") == (0,):
        return
    server = Server(folder=folder, flags=options.flags)
    time.sleep(20)
    server.stop(keep=True)


def timers_folder(options):
    server = Server(flags=options.flags)
    server.ow("vs", "deploy", bundle(0), "--publish")
    title = json.loads(server.ow("title", "list", "--json"))["titles"][0]["titleId"]
    server.stop(keep=True)
    return server.folder, title


def bench_timers(report, options):
    """Timers of one second: a few, for how late they are, and a thousand; then a million that only stand there."""
    for name, count, seconds, bar in (("idle", 20, 20, 50), ("1000-a-second", 1000, 100, 1000)):
        folder, title = timers_folder(options)
        store_timers(folder, title, count, 1, int((time.time() + 2) * 1000000), 1000000)
        server = Server(folder=folder, flags=options.flags)
        time.sleep(seconds + 2)
        late, observed = lateness_ms(server, 0.99)
        server.stop(keep=True)
        settle_claims(folder, options)
        fired, missed, doubled = firings(folder)
        shutil.rmtree(folder, ignore_errors=True)
        report.row(f"timers/{name}/lateness-p99", late, "ms", bar, late <= bar,
                   f"until the queue has it, upper bound of the bucket; {observed} firings")
        report.row(f"timers/{name}/missed", missed, "slots", 0, missed == 0, f"of {fired}")
        report.row(f"timers/{name}/doubled", doubled, "executions", 0, doubled == 0, "")
    folder, title = timers_folder(options)
    store_timers(folder, title, 1000000, 3600, int((time.time() + 600) * 1000000), 3000 * 1000000)
    server = Server(folder=folder, flags=options.flags)
    time.sleep(1)
    size = memory_kb(server.processes[0].pid, "Rss") / 1024
    server.stop()
    report.row("timers/million/start", server.ready_ms / 1000, "s", 3, server.ready_ms <= 3000,
               "exec to /readyz with 1,000,000 timers stored")
    report.row("timers/million/memory", size, "MB", 200, size <= 200, "resident, the server process")


def publish_number(server, number):
    """Publishes a version of "bench-alias" whose function answers its number."""
    folder = tempfile.mkdtemp(prefix="overworld-bench-alias-")
    with open(os.path.join(folder, "virtualserver.json"), "w") as f:
        json.dump({"name": "bench-alias", "runtime": "c",
                   "functions": {"number": {"exposure": "client"}}}, f)
    with open(os.path.join(folder, "main.c"), "w") as f:
        f.write("#include <overworld.h>\nint number(ow_ctx *ctx) {\n"
                f'    return ow_reply_text(ctx, "{number}");\n}}\n')
    server.ow("vs", "deploy", folder, "--publish")
    shutil.rmtree(folder)


def call_without_end(server, token, replies, failures, stop):
    """Notes when each reply came and from which version it is, until `stop` is set."""
    import http.client
    from urllib.parse import urlparse
    connection = http.client.HTTPConnection(urlparse(server.public).netloc)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token,
               "Overworld-Qualifier": "live"}
    while not stop.is_set():
        connection.request("POST", "/v1/call/bench-alias/number", "{}", headers)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status == 200:
            replies.append((time.perf_counter(), int(text)))
        else:
            failures.append(reply.status)


def move_alias(server, version):
    """Sends the move and returns when it was sent."""
    with open(os.path.join(server.folder, "operator.token")) as f:
        token = f.read().strip()
    request = urllib.request.Request(
        server.console + "/overworld.registry.v1.Registry/UpdateAlias",
        json.dumps({"virtualServer": "bench-alias", "name": "live",
                    "targets": [{"version": str(version)}]}).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + token})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as reply:
        reply.read()
    return started


def alias_times(server, moves, callers):
    """ms from sending an alias move to the last reply of the old version; and failed calls."""
    publish_number(server, 1)
    publish_number(server, 2)
    server.ow("alias", "create", "bench-alias", "live", "1", "--public")
    token = open(log_in_players(server, 1)).readline().strip()
    replies, failures, times = [], [], []
    stop = threading.Event()
    threads = [threading.Thread(target=call_without_end,
                                args=(server, token, replies, failures, stop))
               for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        for move in range(moves):
            time.sleep(0.3)
            old, new = (1, 2) if move % 2 == 0 else (2, 1)
            started = move_alias(server, new)
            time.sleep(0.7)
            last = max((at for at, version in list(replies) if version == old), default=started)
            times.append(max(0.0, (last - started) * 1000))
            replies.clear()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return times, failures


def bench_alias(report, options):
    """How long an old version answers after its alias was moved, under load."""
    for split in (False, True):
        server = Server(split=split, flags=["--gateway.player_calls=0",
                                            "--gateway.player_function_calls=0", *options.flags])
        try:
            times, failures = alias_times(server, 4 * options.rounds, 8)
            name = "split/alias/move-to-last-old-reply" if split else "alias/move-to-last-old-reply"
            report.row(name, max(times), "ms", 1000, max(times) <= 1000,
                       f"slowest of {len(times)} moves under 8 callers; median "
                       f"{statistics.median(times):.1f} ms")
            report.row(name + "/failed", len(failures), "calls", 0, not failures, "")
        finally:
            server.stop()


BENCHES = {"alias": bench_alias, "token": bench_token, "call": bench_call, "records": bench_records, "split": bench_split,
           "cold": bench_cold, "start": bench_start, "write": bench_write, "dev": bench_dev,
           "idle": bench_idle, "limits": bench_limits, "cron": bench_cron, "timers": bench_timers,
           "telemetry": bench_telemetry, "kv": bench_kv, "push": bench_push, "queue": bench_queue,
           "spread": bench_spread}


def write_table(path, rows, command):
    with open(path, "w") as f:
        f.write("# Benchmarks\n\nMade by `" + command + "` on " + time.strftime("%d %B %Y") +
                f", {os.cpu_count()} shared cores. Load and server run on the same machine; ratios "
                "compare\nwithin one run, the median of interleaved rounds. CPU is user and system "
                "time of every process of ours.\n\n"
                "| row | value | unit | bar | holds | compared with |\n|---|---|---|---|---|---|\n")
        for row in rows:
            holds = {None: "", True: "yes", False: "**no**"}[row["holds"]]
            bar = "" if row["bar"] is None else row["bar"]
            f.write(f"| {row['name']} | {row['value']:.2f} | {row['unit']} | {bar} | {holds} | "
                    f"{row['against']} |\n")
        f.write(split_difference({row["name"]: row["value"] for row in rows}))


def split_difference(values):
    """What split mode costs beside one process, from the rows of both; "" unless both were run."""
    lines = []
    for connections in (32, 256, 1000):
        one, split = f"call/c-{connections}", f"split/call/c-{connections}"
        if one + "/cpu" in values and split + "/cpu" in values:
            more = values[split + "/cpu"] - values[one + "/cpu"]
            share = values[split + "/ratio"] / values[one + "/ratio"]
            lines.append(f"- {connections} connections: {more:.0f} µs of CPU more a call, {share:.2f} x "
                         "the calls a second (each against its own floor)\n")
    if not lines:
        return ""
    return ("\nSplit mode beside one process, where a call crosses gRPC between gateway and runner:\n\n"
            + "".join(lines))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--write", metavar="FILE", help="also write the table to FILE")
    parser.add_argument("--flags", nargs="*", default=[], help="further flags for the server")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"there is no benchmark {name}; there are {', '.join(BENCHES)}")
    report = Report(options.json)
    for name in options.names or BENCHES:
        BENCHES[name](report, options)
    if options.write:
        folder = os.environ.get("OVERWORLD_BENCH_FOLDER", "")
        command = " ".join(["./dev bench", *options.names]).strip()
        write_table(os.path.join(folder, options.write), report.rows, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
