"""What was said is in people's mailboxes and nowhere else: no table keeps a rendered message."""

from pathlib import Path

from sqlalchemy import text

from local.doubles.faults import FaultQueue
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import OPENS, delivering

TABLES = text("""
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p', 'm') AND relnamespace = 'public'::regnamespace AND NOT relispartition ORDER BY relname
""")


def holders(register: Register, said: str) -> list[str]:
    """The tables that hold this text in any column of any row, also as the bytes of a bytea."""
    with register.database.owner.connect() as connection:
        return [
            table
            for table in connection.scalars(TABLES).all()
            if connection.scalar(
                text(
                    f'SELECT EXISTS (SELECT FROM "{table}" AS kept'  # noqa: S608
                    " WHERE strpos(to_jsonb(kept)::text, CAST(:said AS text)) > 0"
                    " OR strpos(to_jsonb(kept)::text, encode(convert_to(:said, 'UTF8'), 'hex')) > 0)"
                ),
                {"said": said},
            )
        ]


def test_no_table_keeps_what_a_message_said(register: Register, tmp_path: Path) -> None:
    with delivering(register, tmp_path / "mail.sqlite", twilio=FaultQueue()) as delivery:
        delivery.due(3)
        ways = {"1": "{EMAIL}", "2": "{SMS}", "3": "{WHATSAPP}"}
        register.execute("UPDATE clinicians SET phone = '+12125550123', whatsapp = '+12125550124'")
        for person, channels in ways.items():
            register.execute(
                "UPDATE notification_schedule SET channels = CAST(:channels AS text[]) WHERE clinician_id ="
                " (SELECT clinician_id FROM clinicians WHERE external_id = :person)",
                channels=channels,
                person=person,
            )
        delivery.send(OPENS)
        (email,) = delivery.mail
        texts = [received.body for received in delivery.running.others["twilio"].messages()]  # type: ignore[union-attr]

    assert len(texts) == len(ways) - 1
    for said in (email.subject, *email.text.splitlines(), *email.html.splitlines(), *texts):
        if len(said.split()) > 3:
            assert holders(register, said) == []
    # That it would be found: what is kept is who was written to, and a hash.
    assert holders(register, "+12125550124") == ["clinicians", "notification_outbox"]
    assert holders(register, "SECONDARY") != []
    assert register.rows("SELECT count(DISTINCT body_sha256) FROM notification_outbox") == [(3,)]
