"""What every mailbox keeps to, on SQLite and on PostgreSQL: letters once, in order, gone when acknowledged, durable."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gagyo.errors import ExchangeFault
from gagyo.exchange.envelope import Keys
from gagyo.exchange.letter import Letter, chunk_digest, divide, letter_id
from gagyo.exchange.mailbox import letters, register
from gagyo.exchange.mailbox.letters import Limits
from gagyo.exchange.mailbox.port import Mailbox, Rows
from gagyo.exchange.mailbox.register import Enrolled, Invitation, Study
from gagyo.exchange.mailbox.sqlite import SqliteMailbox
from tests.postgres import Cluster, programs

Opener = Callable[[], Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: .ci/system installs it")
    made = Cluster.make()
    yield made
    made.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same mailbox, each time it is called."""
    if request.param == "sqlite":

        async def open_sqlite() -> Mailbox:
            return SqliteMailbox(tmp_path)

        return open_sqlite
    database: Cluster = request.getfixturevalue("cluster")
    database.fresh()

    async def open_postgresql() -> Mailbox:
        from gagyo.exchange.mailbox.postgresql import PostgresqlMailbox

        return await PostgresqlMailbox.open(database.url)

    return open_postgresql


@asynccontextmanager
async def opened(opener: Opener) -> AsyncIterator[Mailbox]:
    mailbox = await opener()
    try:
        yield mailbox
    finally:
        await mailbox.close()


def on(opener: Opener, test: Callable[[Mailbox], Awaitable[None]]) -> None:
    """Run a test on a mailbox."""

    async def run() -> None:
        async with opened(opener) as mailbox:
            await test(mailbox)

    asyncio.run(run())


LIMITS = Limits(letter_bytes=8 << 20, box_bytes=10 << 20, box_letters=5, staged_bytes=3 << 20)


def small(body: bytes = b"sealed", sender: str = "lead", recipient: str = "seoul") -> Letter:
    chunks = (chunk_digest(body),)
    return Letter(letter_id(sender, recipient, "s", chunks), sender, recipient, "s", len(body), chunks, body)


def large(body: bytes, sender: str = "lead", recipient: str = "seoul") -> Letter:
    chunks = tuple(chunk_digest(one) for one in divide(body))
    return Letter(letter_id(sender, recipient, "s", chunks), sender, recipient, "s", len(body), chunks)


async def post(mailbox: Mailbox, letter: Letter, now: int = 100, limits: Limits = LIMITS) -> tuple[str, ...]:
    box = letter.recipient
    return await mailbox.write(lambda rows: letters.post(rows, box, letter, limits, now), rings=(box,))


async def stage(mailbox: Mailbox, body: bytes, owner: str = "lead", now: int = 100, limits: Limits = LIMITS) -> None:
    await mailbox.write(lambda rows: letters.stage(rows, owner, body, limits, now))


async def waiting(mailbox: Mailbox, box: str = "seoul", limit: int = 64, inline: int = 1 << 20) -> list[Letter]:
    return await mailbox.read(lambda rows: letters.waiting(rows, box, limit, inline))


async def acknowledge(mailbox: Mailbox, *ids: str, box: str = "seoul") -> int:
    return await mailbox.write(lambda rows: letters.acknowledge(rows, box, ids), durable=False)


async def counts(mailbox: Mailbox) -> dict[str, int]:
    tables = ("letter", "chunk", "part")
    return await mailbox.read(lambda rows: {one: rows(f"SELECT COUNT(*) FROM {one}")[0][0] for one in tables})


def test_a_letter_waits_until_it_is_acknowledged_and_is_then_gone(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        one = small()
        assert await post(mailbox, one) == ()
        assert await waiting(mailbox) == [one]
        assert await waiting(mailbox) == [one], "taking is not acknowledging"
        assert await waiting(mailbox, "busan") == []
        assert await acknowledge(mailbox, one.id) == 1
        assert await waiting(mailbox) == []
        assert await counts(mailbox) == {"letter": 0, "chunk": 0, "part": 0}
        assert await acknowledge(mailbox, one.id) == 0

    on(opener, test)


def test_the_same_letter_is_posted_once(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        await asyncio.gather(*(post(mailbox, small()) for _ in range(12)))
        assert len(await waiting(mailbox)) == 1

    on(opener, test)


def test_letters_come_oldest_first_and_as_many_as_fit(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        sent = [small(bytes([number]) * 1000) for number in range(4)]
        for one in sent:
            await post(mailbox, one)
        assert await waiting(mailbox) == sent
        assert await waiting(mailbox, limit=2) == sent[:2]
        assert await waiting(mailbox, inline=2500) == sent[:2]
        assert await waiting(mailbox, inline=10) == sent[:1], "one at least"

    on(opener, test)


def test_nobody_acknowledges_in_another_box(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        await post(mailbox, small())
        assert await acknowledge(mailbox, small().id, box="busan") == 0
        assert await waiting(mailbox) == [small()]

    on(opener, test)


def test_a_large_letter_is_posted_when_all_its_chunks_are_there(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        body = os.urandom((2 << 20) + 5)
        one = large(body)
        assert await post(mailbox, one) == one.chunks
        await stage(mailbox, body[: 1 << 20])
        assert await post(mailbox, one) == one.chunks[1:]
        assert await waiting(mailbox) == []
        for start in (1 << 20, 2 << 20):
            await stage(mailbox, body[start : start + (1 << 20)])
        assert await post(mailbox, one) == ()
        assert await waiting(mailbox) == [one]
        parts = [await mailbox.read(lambda rows, at=at: letters.chunk_of(rows, "seoul", one.id, at)) for at in range(3)]
        assert b"".join(parts) == body
        with pytest.raises(ExchangeFault, match="not in this box"):
            await mailbox.read(lambda rows: letters.chunk_of(rows, "busan", one.id, 0))
        await acknowledge(mailbox, one.id)
        assert await counts(mailbox) == {"letter": 0, "chunk": 0, "part": 0}

    on(opener, test)


def test_a_chunk_stays_while_another_letter_needs_it(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        body = b"x" * (2 << 20)  # one chunk, twice
        both = [large(body, recipient="seoul"), large(body, recipient="busan")]
        await stage(mailbox, body[: 1 << 20])
        for one in both:
            assert await post(mailbox, one) == ()
        await acknowledge(mailbox, both[0].id)
        assert await mailbox.read(lambda rows: letters.chunk_of(rows, "busan", both[1].id, 1)) == body[: 1 << 20]
        await acknowledge(mailbox, both[1].id, box="busan")
        assert (await counts(mailbox))["chunk"] == 0

    on(opener, test)


def test_chunks_of_one_sender_are_nothing_to_another(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        body = os.urandom(2 << 20)
        for start in (0, 1 << 20):
            await stage(mailbox, body[start : start + (1 << 20)], owner="other")
        assert await post(mailbox, large(body)) == large(body).chunks

    on(opener, test)


def test_a_letter_of_another_size_than_its_chunks_is_refused(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        body = os.urandom(2 << 20)
        for start in (0, 1 << 20):
            await stage(mailbox, body[start : start + (1 << 20)])
        whole = large(body)
        shorter = Letter(whole.id, "lead", "seoul", "s", whole.size - 7, whole.chunks)
        with pytest.raises(ExchangeFault) as refused:
            await post(mailbox, shorter)
        assert refused.value.code == "malformed"
        assert await waiting(mailbox) == [], "the transaction is taken back"

    on(opener, test)


@pytest.mark.parametrize("what", ["letters", "bytes", "letter", "staged"])
def test_limits_hold(opener: Opener, what: str) -> None:
    async def test(mailbox: Mailbox) -> None:
        tight = {
            "letters": Limits(box_letters=2),
            "bytes": Limits(box_bytes=2500),
            "letter": Limits(letter_bytes=999),
            "staged": Limits(staged_bytes=2500),
        }[what]

        async def fill() -> None:
            for number in range(3):
                if what == "staged":
                    await stage(mailbox, bytes([number]) * 1000, limits=tight)
                else:
                    await post(mailbox, small(bytes([number]) * 1000), limits=tight)

        with pytest.raises(ExchangeFault) as refused:
            await fill()
        assert refused.value.code == ("too_large" if what == "letter" else "box_full")
        assert await post(mailbox, small(b"for another", recipient="busan"), limits=tight) == ()

    on(opener, test)


def test_letters_and_chunks_expire(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        body = os.urandom(2 << 20)
        for start in (0, 1 << 20):
            await stage(mailbox, body[start : start + (1 << 20)])
        await post(mailbox, large(body))
        await post(mailbox, small(), now=10**7)
        await stage(mailbox, b"forgotten")
        removed = await mailbox.write(lambda rows: letters.expire(rows, LIMITS, 10**7))
        assert removed == 1
        assert await waiting(mailbox) == [small()]
        assert await counts(mailbox) == {"letter": 1, "chunk": 0, "part": 0}

    on(opener, test)


def test_what_was_written_is_there_when_it_is_opened_again(opener: Opener) -> None:
    async def test() -> None:
        async with opened(opener) as mailbox:
            await post(mailbox, small())
        async with opened(opener) as mailbox:
            assert await waiting(mailbox) == [small()]

    asyncio.run(test())


def test_a_letter_rings_the_bell_of_its_box_only(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        loop = asyncio.get_running_loop()
        with mailbox.watch("seoul") as bell, mailbox.watch("busan") as other:
            await asyncio.sleep(0.7)  # a database says once at the start that something may have come
            await bell.wait(0)
            await other.wait(0)
            start = loop.time()
            sleeping = asyncio.ensure_future(bell.wait(20))
            await post(mailbox, small())
            await sleeping
            assert loop.time() - start < 2
            start = loop.time()
            await other.wait(0.2)
            assert loop.time() - start >= 0.19

    on(opener, test)


def test_nonces_are_used_once_and_forgotten_after_their_time(opener: Opener) -> None:
    async def test(mailbox: Mailbox) -> None:
        assert await mailbox.first_use([("a", 200)], 100)
        assert not await mailbox.first_use([("a", 200)], 150)
        assert await mailbox.first_use([("b", 200)], 150)

    on(opener, test)


def test_a_work_that_fails_changes_nothing_and_disturbs_no_other(opener: Opener) -> None:
    def fail(rows: Rows) -> None:
        rows("DELETE FROM letter")
        raise ExchangeFault.of("malformed", found="x")

    async def test(mailbox: Mailbox) -> None:
        await post(mailbox, small())
        outcomes = await asyncio.gather(
            mailbox.write(fail), post(mailbox, small(b"2")), mailbox.write(fail), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [ExchangeFault, tuple, ExchangeFault]
        assert len(await waiting(mailbox)) == 2

    on(opener, test)


def test_the_register_gives_back_what_was_put_there(opener: Opener) -> None:
    keys = Keys.make().public
    one = Enrolled("seoul", "KR", "site", "active", keys, 1, 2)
    place = Invitation("busan", "KR", "site", "secret", 9)
    study = Study("s", "lead", ("seoul", "beijing"), True)

    def work(rows: Rows) -> None:
        register.put_member(rows, one)
        register.put_member(rows, one)
        register.put_invitation(rows, place)
        register.put_study(rows, study)

    async def test(mailbox: Mailbox) -> None:
        await mailbox.write(work)
        assert await mailbox.read(register.members) == [one]
        assert await mailbox.read(lambda rows: register.member(rows, "seoul")) == one
        assert await mailbox.read(lambda rows: register.member(rows, "nobody")) is None
        assert await mailbox.read(register.invitations) == [place]
        assert await mailbox.read(lambda rows: register.study(rows, "s")) == study

    on(opener, test)


def test_a_thousand_rounds_leave_nothing(opener: Opener) -> None:
    """The trend: after a hundred rounds the files and tables stop growing."""

    async def test(mailbox: Mailbox) -> None:
        for number in range(1000):
            one = small(number.to_bytes(4) * 500)
            await mailbox.write(
                lambda rows, one=one: letters.post(rows, "seoul", one, LIMITS, 100), durable=False, rings=("seoul",)
            )
            await acknowledge(mailbox, one.id)
        assert await counts(mailbox) == {"letter": 0, "chunk": 0, "part": 0}

    on(opener, test)


def test_disk_stays_level(tmp_path: Path) -> None:
    async def rounds(mailbox: Mailbox, count: int) -> None:
        for number in range(count):
            one = small(os.urandom(8000) + number.to_bytes(4))
            await post(mailbox, one)
            await acknowledge(mailbox, one.id)

    async def test() -> None:
        mailbox = SqliteMailbox(tmp_path)
        await rounds(mailbox, 300)
        before = sum(path.stat().st_size for path in tmp_path.iterdir())
        await rounds(mailbox, 1500)
        after = sum(path.stat().st_size for path in tmp_path.iterdir())
        await mailbox.close()
        assert after <= before * 1.1 + 65536

    asyncio.run(test())


# Several processes on one database.


def test_a_letter_posted_by_one_process_wakes_another(cluster: Cluster) -> None:
    from gagyo.exchange.mailbox.postgresql import PostgresqlMailbox

    cluster.fresh()

    async def test() -> None:
        one, other = await PostgresqlMailbox.open(cluster.url), await PostgresqlMailbox.open(cluster.url)
        with other.watch("seoul") as bell:
            await asyncio.sleep(0.7)
            await bell.wait(0)
            start = asyncio.get_running_loop().time()
            sleeping = asyncio.ensure_future(bell.wait(20))
            await post(one, small())
            await sleeping
            assert asyncio.get_running_loop().time() - start < 2
        assert await waiting(other) == [small()]
        assert await one.first_use([("n", 200)], 100)
        assert not await other.first_use([("n", 200)], 100), "one memory of nonces"
        await one.close()
        await other.close()

    asyncio.run(test())


def test_two_processes_share_chunks_and_boxes_without_losing_any(cluster: Cluster) -> None:
    from gagyo.exchange.mailbox.postgresql import PostgresqlMailbox

    cluster.fresh()
    body = b"y" * (2 << 20)

    async def send(mailbox: Mailbox, recipient: str) -> None:
        one = large(body, recipient=recipient)
        for _ in range(15):
            while await post(mailbox, one):
                await stage(mailbox, body[: 1 << 20])
            assert await mailbox.read(lambda rows: letters.chunk_of(rows, recipient, one.id, 1)) == body[: 1 << 20]
            await acknowledge(mailbox, one.id, box=recipient)

    async def test() -> None:
        one, other = await PostgresqlMailbox.open(cluster.url), await PostgresqlMailbox.open(cluster.url)
        await asyncio.gather(send(one, "seoul"), send(other, "busan"))
        assert await counts(one) == {"letter": 0, "chunk": 0, "part": 0}
        await one.close()
        await other.close()

    asyncio.run(test())


def test_the_operator_is_told_what_the_database_says(cluster: Cluster) -> None:
    from gagyo.exchange.mailbox import postgresql

    elsewhere = cluster.url.replace("gagyo@", "gagyo:secret@").removesuffix("postgres") + "nowhere"
    for work in (
        lambda: postgresql.run(elsewhere, lambda rows: None),
        lambda: asyncio.run(postgresql.PostgresqlMailbox.open(elsewhere)),  # the loop is its own
    ):
        with pytest.raises(ExchangeFault) as refused:
            work()
        assert refused.value.code == "hub_database"
        assert '"nowhere" does not exist' in str(refused.value)
        assert "secret" not in str(refused.value)


def test_a_killed_database_keeps_what_it_said_was_kept(cluster: Cluster) -> None:
    from gagyo.exchange.mailbox.postgresql import PostgresqlMailbox

    cluster.fresh()

    async def test() -> None:
        mailbox = await PostgresqlMailbox.open(cluster.url)
        kept = []
        for number in range(5):
            one = small(bytes([number]))
            await post(mailbox, one)
            kept.append(one)
        await asyncio.to_thread(cluster.kill)
        with pytest.raises(ExchangeFault) as refused:
            await post(mailbox, small(b"while it is away", recipient="busan"))
        assert refused.value.code == "hub_storage"
        with mailbox.watch("seoul") as bell:
            sleeping = asyncio.ensure_future(bell.wait(20))
            await asyncio.to_thread(cluster.start)
            await sleeping  # rings when the line to the database is back
        assert await waiting(mailbox) == kept
        await mailbox.close()

    asyncio.run(test())
