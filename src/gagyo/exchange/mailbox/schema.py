"""The tables of a hub: what is kept for good (members, invitations, studies) and what passes through (letters)."""

from __future__ import annotations

REGISTER = (
    """CREATE TABLE IF NOT EXISTS {register}member (
        name TEXT PRIMARY KEY, country TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL,
        signing TEXT NOT NULL, sealing TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL,
        home TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS {register}invitation (
        name TEXT PRIMARY KEY, country TEXT NOT NULL, role TEXT NOT NULL, secret TEXT NOT NULL,
        until BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS {register}study (
        study TEXT PRIMARY KEY, coordinator TEXT NOT NULL, members TEXT NOT NULL, state TEXT NOT NULL,
        home TEXT NOT NULL)""",
)
"""`home` is empty for what is this hub's own, else the partner hub's name. {register} names SQLite's second file."""

PASSING = (
    """CREATE TABLE IF NOT EXISTS letter (
        number {serial}, box TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
        study TEXT NOT NULL, size BIGINT NOT NULL, posted BIGINT NOT NULL, chunks TEXT NOT NULL, body {blob},
        UNIQUE (box, id))""",
    "CREATE INDEX IF NOT EXISTS letter_box ON letter (box, number)",
    "CREATE INDEX IF NOT EXISTS letter_posted ON letter (posted)",
    """CREATE TABLE IF NOT EXISTS chunk (
        owner TEXT NOT NULL, digest TEXT NOT NULL, stored BIGINT NOT NULL, size BIGINT NOT NULL, body {blob} NOT NULL,
        PRIMARY KEY (owner, digest))""",
    """CREATE TABLE IF NOT EXISTS part (
        letter BIGINT NOT NULL, place BIGINT NOT NULL, owner TEXT NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (letter, place), FOREIGN KEY (owner, digest) REFERENCES chunk (owner, digest))""",
    "CREATE INDEX IF NOT EXISTS part_chunk ON part (owner, digest)",
    "CREATE TABLE IF NOT EXISTS turn (owner TEXT PRIMARY KEY, turns BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, at BIGINT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS doing (
        name TEXT PRIMARY KEY, doing TEXT NOT NULL, plans BIGINT NOT NULL, at BIGINT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS line (hub TEXT PRIMARY KEY, at BIGINT NOT NULL, state TEXT NOT NULL)",
)

NONCES = (
    "CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, until BIGINT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS nonce_until ON nonce (until)",
)
"""Only where several processes serve one database: a single process remembers them itself."""
