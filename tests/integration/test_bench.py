"""The benches of delivery at a size that measures nothing: they say so themselves when a message was not sent."""

from bench.delivery import claim_complete, due, end_to_end
from local.postgres import Postgres

FEW = 30


def test_scan_and_dispatch_send_every_message(postgres: Postgres) -> None:
    end_to_end.without_a_queue(postgres, FEW)


def test_messages_pass_the_queue(postgres: Postgres) -> None:
    end_to_end.measure(postgres, FEW)


def test_what_is_due_is_claimed_and_completed(postgres: Postgres) -> None:
    with due.base(postgres, FEW) as base:
        claim_complete.measure(base, 10, workers=2)
