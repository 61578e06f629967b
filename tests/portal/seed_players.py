"""Puts many players into the store of a server that does not run: each with a login by device, every tenth with an
address. seed_players.py FOLDER TITLE_ID COUNT"""

import hashlib
import pathlib
import sqlite3
import sys
import time


def player_id(number):
    return f"plr_01HSEED000000{number:013d}"


def login(title, kind, shown):
    of_kind = "" if kind == "device" else f"{kind}\n"
    return hashlib.sha256(f"{title}\n{of_kind}{shown}".encode()).digest()


def main():
    folder, title, count = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store = sqlite3.connect(next(folder.rglob("identity.db")), isolation_level=None)
    store.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")
    store.execute("BEGIN")
    now_us = int(time.time() * 1e6) - count
    store.executemany(
        "INSERT INTO players (player_id, title_id, platform, created_us) VALUES (?, ?, '', ?)",
        ((player_id(i), title, now_us + i) for i in range(count)))
    logins = [(login(title, "device", f"device-number-{i}"), player_id(i), "device", "") for i in range(count)]
    for i in range(0, count, 10):
        address = f"player{i:07d}@example.com"
        logins.append((login(title, "email", address), player_id(i), "email", address))
    logins.sort()  # in the order of their index
    store.executemany(
        "INSERT INTO logins (login_hash, player_id, kind, shown, password, created_us)"
        f" VALUES (?, ?, ?, ?, '', {now_us})", logins)
    store.execute("COMMIT")
    store.execute("PRAGMA journal_mode = WAL")
    store.close()


main()
