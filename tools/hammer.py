"""Hits the ledger from many processes while they and PostgreSQL are killed, then looks whether the books are right.

    python -m tools.hammer [--seconds 60] [--workers 8] [--callers 3] [--accounts 4]

Every worker is a process with several callers, who draw acts of every kind on few accounts. Before each act a caller
writes down its intent, after the answer the receipt. Workers are killed with SIGKILL at random and so is the database
server; now and then the answer to COMMIT is thrown away. Whoever comes back asks again with the same key, as a caller
has to. In the end every intent is asked once more: what was acknowledged has to be there under the same transaction,
nothing may be there twice, nothing is negative, and reconciliation, rebuild and seal find nothing.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from ledger import (
    MICRO,
    SYSTEM,
    AdjustBalance,
    CaptureHold,
    Command,
    CreditType,
    ExpireDue,
    GiftCredits,
    GiveBack,
    IssueGrant,
    Ledger,
    LedgerError,
    Money,
    OpenAccount,
    PlaceHold,
    Reason,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    RefundPurchase,
    ReleaseHold,
    ReverseTransaction,
    SetFeaturePrice,
    TransferCredits,
    Unavailable,
    UsageEvent,
    VoidBatch,
    open_ledger,
)
from ledger.database import Work
from ledger.migrations import upgrade
from ledger.models import account, batch, transaction
from ledger.rebuild import differences
from ledger.reconcile import reconcile
from ledger.sealing import seal_new, verify
from tests.kit.postgres import Cluster, restart_after_kill, running

REASON = Reason("hammer", "an act of the hammer")
LOST_ANSWERS = 0.02
SPAWN = multiprocessing.get_context("spawn")


def command_of(key: str, accounts: int, since: datetime) -> Command:
    """The act that a key stands for: drawn from the key alone, so that asking again asks for the same."""
    dice = random.Random(key)
    name, other = (f"h{number}" for number in dice.sample(range(accounts), 2))
    amount = dice.randint(1, 40) * MICRO
    earlier = f"e{dice.randrange(2_000)}"
    hold = f"hold{dice.randrange(300)}"
    event = UsageEvent(earlier, dice.choice(("call", "image")), since, dice.randint(1, 20) * MICRO)
    makers: list[tuple[int, Any]] = [
        (30, lambda: RecordUsage(name, event)),
        (
            6,
            lambda: RecordUsageBulk(
                name, tuple(UsageEvent(f"{earlier}-{n}", "call", since, MICRO) for n in range(dice.randint(2, 30)))
            ),
        ),
        (12, lambda: IssueGrant(name, CreditType.REFERRAL, amount * 3, REASON)),
        (8, lambda: RecordTopUp(name, amount * 3, Money(dice.randint(1, 5_000), "USD"), f"pay-{key}", REASON)),
        (6, lambda: AdjustBalance(name, -amount, REASON)),
        (8, lambda: PlaceHold(name, hold, "call", amount, since + timedelta(seconds=dice.randint(5, 120)))),
        (8, lambda: CaptureHold(name, hold, f"cap-{hold}", amount_micro=dice.choice((None, MICRO)))),
        (4, lambda: ReleaseHold(name, hold, REASON)),
        (6, lambda: GiveBack(name, earlier, REASON)),
        (6, lambda: TransferCredits(name, other, amount, REASON)),
        (3, lambda: GiftCredits(name, other, amount, REASON, message="from the hammer")),
        (4, lambda: ReverseTransaction(dice.randint(10, 4_000), REASON)),
        (2, lambda: VoidBatch(name, dice.randint(1, 400), REASON)),
        (2, lambda: RefundPurchase(name, dice.randint(1, 400), None, REASON)),
        (1, lambda: ExpireDue(name)),
    ]
    (made,) = dice.choices([make for _, make in makers], weights=[weight for weight, _ in makers])
    command: Command = made()
    return command


def work(url: str, number: int, folder: str, callers: int, accounts: int, since: datetime) -> None:
    """Act until killed, with several callers whose charges meet in this process."""
    ledger = _opened(url)
    _throw_answers_away(random.Random(os.getpid()))
    threads = [
        threading.Thread(target=call, args=(ledger, f"{number}-{caller}", folder, accounts, since))
        for caller in range(callers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def call(ledger: Ledger, name: str, folder: str, accounts: int, since: datetime) -> None:
    """Act as one caller. Intents and answers go to a file line by line; an intent without an answer is asked again."""
    log = Path(folder) / f"{name}.log"
    dice = random.Random(f"{os.getpid()}-{name}")
    other = f"{int(name.split('-')[0]) % 2}-{name.split('-')[1]}"
    told = list(_read(log))
    answered = {line["key"] for line in told if "answer" in line}
    unsettled = [line["key"] for line in told if "answer" not in line and line["key"] not in answered]
    count = sum("answer" not in line for line in told)
    with log.open("a", encoding="utf-8") as out:
        while True:
            if unsettled:
                key = unsettled.pop()
            else:
                count += 1
                # Now and then callers of two workers are one who sends twice.
                key = f"w{other if dice.random() < 0.1 else name}-{count}"
                _say(out, {"key": key})
            _say(out, {"key": key, "answer": ask(ledger, key, accounts, since)})


def _opened(url: str) -> Ledger:
    """The ledger, once the server answers."""
    while True:
        try:
            return open_ledger(url)
        except Unavailable:
            time.sleep(0.2)


def ask(ledger: Ledger, key: str, accounts: int, since: datetime) -> str:
    """Ask until there is an answer: the transaction's id, or the code of the refusal."""
    while True:
        try:
            receipt = ledger.execute(command_of(key, accounts, since), actor=SYSTEM, key=key)
        except (Unavailable, psycopg.OperationalError, sa.exc.OperationalError):
            time.sleep(0.1)
        except LedgerError as refusal:
            return refusal.code
        else:
            return "nothing_to_do" if receipt.transaction_id is None else str(receipt.transaction_id)


def _throw_answers_away(dice: random.Random) -> None:
    """Make COMMIT succeed now and then without anybody hearing of it."""

    def losing(real: Any) -> Any:
        def lossy(self: Work) -> Any:
            answer = real(self)
            if dice.random() < LOST_ANSWERS:
                raise psycopg.OperationalError("the answer to COMMIT was lost")
            return answer

        return lossy

    for name in ("commit", "finish_call"):
        setattr(Work, name, losing(getattr(Work, name)))


def _say(out: Any, line: dict[str, str]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


def _read(log: Path) -> Iterator[dict[str, str]]:
    if not log.exists():
        return
    for text in log.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            # The line that was being written when the worker was killed: its intent counts as never begun.
            continue


def prepare(url: str, accounts: int, since: datetime) -> None:
    """A company with few customers of one organisation and two prices."""
    upgrade(url, name="Hammer", zone="Europe/Berlin", currency="USD")
    ledger = open_ledger(url)
    for feature, price in (("call", 1), ("image", 3)):
        command = SetFeaturePrice(feature, price * MICRO, effective_at=since - timedelta(days=1))
        ledger.execute(command, actor=SYSTEM, key=f"price-{feature}")
    for number in range(accounts):
        opened = OpenAccount(f"h{number}", f"Anvil {number}", organisation="forge")
        ledger.execute(opened, actor=SYSTEM, key=f"open-{number}")
    ledger.database.dispose()


def hammer(
    cluster: Cluster, url: str, folder: Path, *, seconds: float, workers: int, callers: int, accounts: int
) -> Counter[str]:
    """Let the workers act while they and the server are killed; answers what was done to them."""
    since = datetime.now(UTC)
    prepare(url, accounts, since)
    (folder / "since").write_text(since.isoformat(), encoding="utf-8")
    dice, done = random.Random(1), Counter[str]()

    def started(number: int) -> Any:
        process = SPAWN.Process(target=work, args=(url, number, str(folder), callers, accounts, since), daemon=True)
        process.start()
        return process

    alive = {number: started(number) for number in range(workers)}
    until = time.monotonic() + seconds
    next_server_kill = time.monotonic() + seconds / 3
    while time.monotonic() < until:
        # Long enough that a worker which was just started gets to act.
        time.sleep(dice.uniform(1.0, 4.0))
        if time.monotonic() > next_server_kill:
            restart_after_kill(cluster)
            done["PostgreSQL killed"] += 1
            next_server_kill += seconds / 3
        victim = dice.randrange(workers)
        alive[victim].kill()
        alive[victim].join()
        done["workers killed"] += 1
        alive[victim] = started(victim)
    for process in alive.values():
        process.kill()
        process.join()
    return done


def judge(url: str, folder: Path, *, accounts: int) -> tuple[Counter[str], list[str]]:
    """Ask every intent once more and look at the books: counts of what was answered, and everything that is wrong."""
    ledger = open_ledger(url)
    since = datetime.fromisoformat((folder / "since").read_text(encoding="utf-8"))
    answers: Counter[str] = Counter()
    wrong: list[str] = []
    for log in sorted(folder.glob("*.log")):
        lines = list(_read(log))
        told = {line["key"]: line["answer"] for line in lines if "answer" in line}
        for key in dict.fromkeys(line["key"] for line in lines):
            again = ask(ledger, key, accounts, since)
            first = told.get(key)
            answers["booked" if again.isdigit() else again] += 1
            answers["acknowledged"] += first is not None and first.isdigit()
            if first is not None and first.isdigit() and again != first:
                wrong.append(f"{key} was acknowledged as transaction {first} and is now {again}")
    with ledger.database.reader.connect() as connection:
        proof = reconcile(connection)
        wrong += [str(finding) for finding in proof.findings]
        wrong += [str(one) for one in differences(connection.execute, is_sqlite=False, zone=ledger.company_zone)]
        twice = (
            sa.select(transaction.c.key).group_by(transaction.c.actor, transaction.c.key).having(sa.func.count() > 1)
        )
        wrong += [f"{key} was booked twice" for key in connection.execute(twice).scalars()]
        negative = sa.select(account.c.external_id).where(account.c.available_micro < 0)
        wrong += [f"{name} is negative" for name in connection.execute(negative).scalars()]
        empty = sa.select(batch.c.id).where(batch.c.remaining_micro < 0)
        wrong += [f"batch {id_} is negative" for id_ in connection.execute(empty).scalars()]
    if not answers["booked"]:
        wrong.append("nothing was booked: give it more time")
    answers["transactions"], answers["entries"] = proof.transactions, proof.entries
    answers["sealed"] = seal_new(ledger)
    with ledger.database.reader.connect() as connection:
        wrong += [f"{one.place}: {one.what}" for one in verify(connection)]
    ledger.database.dispose()
    return answers, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--callers", type=int, default=3, help="threads of each worker")
    parser.add_argument("--accounts", type=int, default=4)
    chosen = parser.parse_args()
    with running(durable=True) as cluster, tempfile.TemporaryDirectory() as name:
        folder, url = Path(name), cluster.create("hammer")
        many = {"workers": chosen.workers, "callers": chosen.callers, "accounts": chosen.accounts}
        done = hammer(cluster, url, folder, seconds=chosen.seconds, **many)
        answers, wrong = judge(url, folder, accounts=chosen.accounts)
    for what, number in (done + answers).most_common():
        print(f"{number:>9,}  {what}")
    for sentence in wrong[:50]:
        print(f"WRONG: {sentence}")
    print("Nothing is wrong." if not wrong else f"{len(wrong)} things are wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
