"""Blind studies and their answers, in one SQLite file that loses nothing it has acknowledged."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from counterfeit.studio.requests import MissingError

__all__ = ["Plan", "Store"]

SCHEMA = """
create table if not exists studies (
    id text primary key, secret blob not null, plan text not null, created real not null, closed integer not null
);
create table if not exists pictures (
    study text not null, side integer not null, number integer not null, data blob not null,
    primary key (study, side, number)
);
create table if not exists participants (id text primary key, study text not null, joined real not null);
create table if not exists trials (
    participant text not null, number integer not null, pair integer not null, first_on_left integer not null,
    is_check integer not null, shown real, answered real, choice text,
    primary key (participant, number)
);
create index if not exists participants_of on participants (study);
"""
REAL, MODEL, NOISE = 0, 1, 2  # sides of a study; in a comparison of two models the first is REAL's place
GRACE = 1.5  # seconds that a late answer's way may take
Kind = Literal["real", "pair"]


@dataclass(frozen=True)
class Plan:
    """What a study asks.

    Arguments:
        name: of the study, which participants see.
        kind: "real": which of two pictures is real; "pair": which of two models' pictures is the better.
        models: names of the runs, one or two.
        trials: pairs that each participant sees, an even number.
        checks: further pairs in which one picture is noise: who takes that does not look.
        seconds: to answer; 0 for as long as they like.
        seed: of the order of pairs.
    """

    name: str
    kind: Kind
    models: tuple[str, ...]
    trials: int = 20
    checks: int = 2
    seconds: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("real", "pair") or len(self.models) != (1 if self.kind == "real" else 2):
            raise ValueError("a study of one run against real data, or of two runs, is expected. Choose the runs.")
        if not 2 <= self.trials <= 400 or self.trials % 2 or not 0 <= self.checks <= 20 or not 0 <= self.seconds <= 600:
            raise ValueError("2 to 400 trials, an even number, at most 20 checks and 600 seconds are expected.")
        if not 1 <= len(self.name.strip()) <= 100:
            raise ValueError("a name of 1 to 100 letters is expected.")

    @property
    def pairs(self) -> int:
        """Pairs of a participant, with the checks."""
        return self.trials + self.checks


class Store:
    """Studies in a file.

    Arguments:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All of it is on disk once this is left, or none."""
        with self._lock:
            self._database.execute("begin immediate")
            try:
                yield self._database
            except BaseException:
                self._database.execute("rollback")
                raise
            self._database.execute("commit")

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def create(self, plan: Plan, pictures: Sequence[Sequence[bytes]]) -> str:
        """A new study; its key.

        Arguments:
            plan: what it asks.
            pictures: of the first side, of the second, and of noise; all files of one size.
        """
        sizes = {len(data) for side in pictures for data in side}
        if len(sizes) != 1:
            came = f"pictures of {len(sizes)} sizes came"
            raise ValueError(f"{came}; files of one size, which tell nothing, are expected.")
        key = secrets.token_urlsafe(16)
        with self._writing() as database:
            values = (key, secrets.token_bytes(32), json_of(plan), time.time())
            database.execute("insert into studies values (?, ?, ?, ?, 0)", values)
            database.executemany(
                "insert into pictures values (?, ?, ?, ?)",
                [(key, side, number, data) for side, some in enumerate(pictures) for number, data in enumerate(some)],
            )
        return key

    def keys(self) -> list[str]:
        """Every study, the newest first."""
        return [row[0] for row in self._rows("select id from studies order by created desc")]

    def plan(self, key: str) -> Plan:
        """What a study asks.

        Raises:
            MissingError: there is none of that key.
        """
        return self._study(key)[0]

    def _study(self, key: str) -> tuple[Plan, bytes]:
        rows = self._rows("select plan, secret from studies where id = ?", key)
        if not rows:
            raise MissingError("there is no such study. Ask for its address again.")
        found = json.loads(rows[0][0])
        return Plan(**{**found, "models": tuple(found["models"])}), rows[0][1]

    def remove(self, key: str) -> None:
        """Forget a study and its answers."""
        self.plan(key)
        with self._writing() as database:
            whose = "participant in (select id from participants where study = ?)"
            database.execute(f"delete from trials where {whose}", (key,))
            for table, column in (("participants", "study"), ("pictures", "study"), ("studies", "id")):
                database.execute(f"delete from {table} where {column} = ?", (key,))

    def join(self, key: str) -> str:
        """A new participant, whose pairs and sides are dealt now; the ticket by which to answer.

        Each pair is seen once. The first side is on the left in exactly half of the trials.
        """
        plan, _ = self._study(key)
        ticket = secrets.token_urlsafe(16)
        with self._writing() as database:
            count = database.execute("select count(*) from participants where study = ?", (key,)).fetchone()[0]
            order = random.Random(f"{plan.seed} {count}")
            left = [i % 2 for i in range(plan.trials)]
            order.shuffle(left)
            trials = [(pair, left[pair], 0) for pair in range(plan.trials)]
            trials += [(plan.trials + i, order.randrange(2), 1) for i in range(plan.checks)]
            order.shuffle(trials)
            database.execute("insert into participants values (?, ?, ?)", (ticket, key, time.time()))
            database.executemany(
                "insert into trials values (?, ?, ?, ?, ?, null, null, null)",
                [(ticket, number, *trial) for number, trial in enumerate(trials)],
            )
        return ticket

    def next(self, key: str, ticket: str) -> dict[str, Any]:
        """The pair that a participant has not answered yet: its number and the pictures' tokens; {done} after the last.

        The clock of a pair starts when it is first asked for.
        """
        plan, secret = self._study(key)
        self._check(key, ticket)
        with self._writing() as database:
            row = database.execute(
                "select number, shown from trials where participant = ? and answered is null order by number limit 1",
                (ticket,),
            ).fetchone()
            if row is None:
                return {"done": True, "of": plan.pairs}
            if row[1] is None:
                database.execute(
                    "update trials set shown = ? where participant = ? and number = ?", (time.time(), ticket, row[0])
                )
        tokens = {side: _token(secret, ticket, row[0], side) for side in ("left", "right")}
        return {"done": False, "number": row[0], "of": plan.pairs, "seconds": plan.seconds, "kind": plan.kind, **tokens}

    def picture(self, key: str, ticket: str, number: int, side: str, token: str) -> bytes:
        """A picture of a pair, by the token that was given for it."""
        plan, secret = self._study(key)
        if side not in ("left", "right") or not hmac.compare_digest(token, _token(secret, ticket, number, side)):
            raise MissingError("there is no such picture.")
        rows = self._rows(
            "select pair, first_on_left, is_check from trials "
            "where participant = ? and number = ? and shown is not null",
            ticket, number,
        )  # fmt: skip
        if not rows:
            raise MissingError("there is no such picture.")
        pair, first_on_left, is_check = rows[0]
        first = bool(first_on_left) == (side == "left")
        where, which = (REAL, pair) if first else (NOISE, pair - plan.trials) if is_check else (MODEL, pair)
        found = self._rows("select data from pictures where study = ? and side = ? and number = ?", key, where, which)
        return bytes(found[0][0])

    def answer(self, key: str, ticket: str, number: int, choice: str) -> None:
        """Keep an answer, "left", "right" or "late"; the first one stays, whatever comes after."""
        plan, _ = self._study(key)
        self._check(key, ticket)
        if choice not in ("left", "right", "late"):
            raise ValueError("left, right or late is expected.")
        now = time.time()
        with self._writing() as database:
            row = database.execute(
                "select shown, answered from trials where participant = ? and number = ?", (ticket, number)
            ).fetchone()
            if row is None or row[0] is None:
                raise MissingError("that pair was not shown.")
            if row[1] is None:
                late = bool(plan.seconds) and now - row[0] > plan.seconds + GRACE
                database.execute(
                    "update trials set answered = ?, choice = ? where participant = ? and number = ?",
                    (now, "late" if late else choice, ticket, number),
                )

    def _check(self, key: str, ticket: str) -> None:
        if not self._rows("select 1 from participants where id = ? and study = ?", ticket, key):
            raise MissingError("nobody joined by that ticket. Begin again.")

    def answers(self, key: str) -> list[dict[str, Any]]:
        """Every answer in time: rater, pair, whether it is a check, whether the first side was chosen, seconds.

        Raters are numbered in the order in which they joined.
        """
        self.plan(key)
        rows = self._rows(
            "select p.joined, t.participant, t.pair, t.is_check, (t.choice = 'left') = t.first_on_left, "
            "t.answered - t.shown from trials t join participants p on p.id = t.participant "
            "where p.study = ? and t.choice in ('left', 'right') order by p.joined, t.participant, t.number",
            key,
        )
        raters: dict[str, int] = {}
        return [
            {
                "rater": raters.setdefault(row[1], len(raters) + 1), "pair": row[2], "check": bool(row[3]),
                "first": bool(row[4]), "seconds": row[5],
            }
            for row in rows
        ]  # fmt: skip

    def counts(self, key: str) -> dict[str, int]:
        """How many joined, and how many are done."""
        joined = self._rows("select count(*) from participants where study = ?", key)[0][0]
        left = self._rows(
            "select count(distinct t.participant) from trials t join participants p on p.id = t.participant "
            "where p.study = ? and t.answered is null",
            key,
        )[0][0]
        return {"joined": joined, "done": joined - left}


def json_of(plan: Plan) -> str:
    """A plan as text."""
    from counterfeit.common.files import dumps

    return dumps(asdict(plan))


def _token(secret: bytes, ticket: str, number: int, side: str) -> str:
    """Says nothing of the picture that it stands for, and differs from person to person."""
    return hmac.new(secret, f"{ticket} {number} {side}".encode(), hashlib.sha256).hexdigest()[:32]
