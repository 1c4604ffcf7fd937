"""`nolapse holds`, `resend` and `suppressions` as operators run them: by the clock of the wall, on a database by its
URL.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from cli.main import app
from local.postgres import Postgres
from tests.integration.conftest import Register, suppress

WAY = {
    "DEFERRED": ("QUEUED", "SENDING", "DEFERRED"),
    "HELD": ("QUEUED", "SENDING", "UNKNOWN", "HELD"),
    "SENT": ("QUEUED", "SENDING", "SENT"),
}


class Operator:
    def __init__(self, register: Register) -> None:
        self.register = register

    def late(self, status: str, reason: str, slug: str = "clinic") -> str:
        """A SECONDARY reminder of two days ago that went that way; its key."""
        now = datetime.now(UTC)
        tenant = self.register.tenant(slug)
        person = self.register.clinician(tenant)
        self.register.license(tenant, person, now.date() + timedelta(days=28))
        self.register.plan(now, tenant_id=tenant)
        for step in WAY[status]:
            self.register.execute(
                "UPDATE notification_schedule SET status = CAST(:step AS text), claimed_at = :now, updated_at = :now,"
                " reason = CASE WHEN :step IN ('DEFERRED', 'HELD') THEN :reason END"
                " WHERE event = 'SECONDARY' AND tenant_id = :tenant",
                step=step,
                reason=reason,
                tenant=tenant,
                now=now,
            )
        ((key,),) = self.register.rows(
            "SELECT encode(idempotency_key, 'hex') FROM notification_schedule"
            " WHERE event = 'SECONDARY' AND tenant_id = :tenant",
            tenant=tenant,
        )
        return str(key)

    def run(self, *arguments: str, answer: str = "", status: int = 0) -> str:
        database = self.register.database
        socket = quote(f"{database.postgres.socket}/.s.PGSQL.5432", safe="")
        url = f"postgresql+pg8000://nolapse_engine:x@/{database.name}?unix_sock={socket}"
        result = CliRunner().invoke(
            app, [*arguments, "--database", url], input=answer, env={"COLUMNS": "300"}
        )
        assert result.exit_code == status, result.output
        return result.output

    def statuses(self) -> list[Any]:
        return [
            status
            for (status,) in self.register.rows(
                "SELECT status FROM notification_schedule WHERE event = 'SECONDARY' ORDER BY status"
            )
        ]

    def last_actor(self) -> Any:
        return self.register.rows("SELECT actor FROM audit_log ORDER BY seq DESC LIMIT 1")[0][0]


@pytest.fixture
def operator(register: Register) -> Operator:
    return Operator(register)


class TestHolds:
    def test_nothing_is_held(self, operator: Operator) -> None:
        assert operator.run("holds", "list") == "Nothing waits for a human.\n"

    def test_a_case_is_listed_and_closed_in_one_call(self, operator: Operator) -> None:
        key = operator.late("HELD", "the provider cannot be asked")

        said = operator.run("holds", "list", "--tenant", "clinic")
        for shown in (key, "clinic", "SECONDARY", "the provider cannot be asked", "0 min", "none"):
            assert shown in said
        assert operator.run("holds", "resolve", key, "SEND_AGAIN", "--as", "grace") == (
            f"✓ {key} is LATE_PENDING\n"
        )

        assert operator.statuses() == ["LATE_PENDING"]
        assert operator.last_actor() == "grace"

    def test_what_others_wrote_is_shown_as_they_wrote_it(self, operator: Operator) -> None:
        operator.late("HELD", "[/x] of nobody's [red]")
        assert "[/x] of nobody's [red]" in operator.run("holds", "list")

    def test_what_is_not_held_is_refused_with_a_reason(self, operator: Operator) -> None:
        key = operator.late("DEFERRED", "rejected: sendgrid:400")

        assert operator.run("holds", "resolve", key, "SENT", status=1) == (
            f"✗ notification {key} is DEFERRED: only what is HELD can be resolved\n"
        )
        assert operator.statuses() == ["DEFERRED"]

    def test_what_is_no_key_is_said_so(self, operator: Operator) -> None:
        assert "64 hexadecimal digits" in operator.run("holds", "resolve", "ada", "SENT", status=2)


class TestResend:
    def test_a_dry_run_counts_and_changes_nothing(self, operator: Operator) -> None:
        operator.late("DEFERRED", "retries spent: sendgrid:401")
        operator.late("DEFERRED", "retries spent: sendgrid:401", slug="another")

        said = operator.run("resend", "--since", "14d", "--dry-run")

        for shown in ("clinic", "another", "SECONDARY", "retries spent: sendgrid:401", "in all"):
            assert shown in said
        assert operator.statuses() == ["DEFERRED"] * 2

    def test_it_asks(self, operator: Operator) -> None:
        operator.late("DEFERRED", "retries spent: sendgrid:401")

        operator.run("resend", answer="n\n", status=1)
        assert operator.statuses() == ["DEFERRED"]
        assert "0 wait within their window, 1 for a late one" in operator.run("resend", answer="y\n")

        assert operator.statuses() == ["LATE_PENDING"]

    def test_one_tenant_without_being_asked(self, operator: Operator) -> None:
        operator.late("DEFERRED", "retries spent: sendgrid:401")
        operator.late("DEFERRED", "retries spent: sendgrid:401", slug="another")

        operator.run("resend", "--tenant", "another", "--event", "SECONDARY", "--yes", "--as", "grace")

        assert operator.statuses() == ["DEFERRED", "LATE_PENDING"]
        assert operator.last_actor() == "grace"

    def test_what_closed_before_it_was_asked_for_stays(self, operator: Operator) -> None:
        operator.late("DEFERRED", "retries spent: sendgrid:401")

        assert operator.run("resend", "--since", "1h", "--yes") == "Nothing is to be sent again.\n"

    def test_a_span_that_is_none(self, operator: Operator) -> None:
        assert "days or hours" in operator.run("resend", "--since", "yesterday", status=2)


class TestRegister:
    def test_columns_and_numbers_are_shown_as_they_are_written(
        self, operator: Operator, tmp_path: Path
    ) -> None:
        register = tmp_path / "a[red].csv"
        register.write_text(
            "license_number,expires_on,name,email,[/x]\n[/7],2027-01-31,Ada,ada@clinic.test,1\n"
        )

        said = operator.run("import", str(register), "--tenant", "clinic", answer="n\n", status=1)

        assert "a[red].csv" in said
        assert "[/x]" in said

    def test_a_licence_that_nobody_has(self, operator: Operator) -> None:
        assert "[/7]" in operator.run("timeline", "--license", "[/7]", status=1)


class TestSuppressions:
    def suppressed(self, operator: Operator, reason: str = "HARD_BOUNCE") -> str:
        operator.register.clinician(operator.register.tenant())
        suppress(operator.register)
        operator.register.execute("UPDATE suppressions SET reason = :reason", reason=reason)
        ((suppression,),) = operator.register.rows("SELECT suppression_id FROM suppressions")
        return str(suppression)

    def test_none_is_in_force(self, operator: Operator) -> None:
        assert operator.run("suppressions", "list") == "No address is suppressed.\n"

    def test_one_is_found_by_its_address_and_never_shows_it(self, operator: Operator) -> None:
        suppression = self.suppressed(operator)

        for asked in ([], ["--tenant", "clinic"], ["--address", " ADA@clinic.test"]):
            said = operator.run("suppressions", "list", *asked)
            for shown in (suppression, "clinic", "EMAIL", "HARD_BOUNCE"):
                assert shown in said
            assert "@" not in said
        for asked in (["--tenant", "another"], ["--address", "grace@clinic.test"]):
            assert operator.run("suppressions", "list", *asked) == "No address is suppressed.\n"

    def test_it_is_lifted_in_one_call_and_audited(self, operator: Operator) -> None:
        suppression = self.suppressed(operator)

        assert (
            operator.run("suppressions", "lift", suppression, "--as", "grace")
            == f"✓ {suppression} is lifted\n"
        )

        assert operator.run("suppressions", "list") == "No address is suppressed.\n"
        assert operator.last_actor() == "grace"
        assert "is not in force" in operator.run("suppressions", "lift", suppression, status=1)

    def test_stop_is_lifted_by_who_said_it(self, operator: Operator) -> None:
        suppression = self.suppressed(operator, "STOP")

        assert "by texting START" in operator.run("suppressions", "lift", suppression, status=1)

        assert operator.register.rows("SELECT in_force FROM suppressions") == [(True,)]


class TestLinks:
    def test_one_person_s_are_revoked(self, operator: Operator) -> None:
        tenant = operator.register.tenant()
        ada = operator.register.clinician(tenant, "ada")
        operator.register.clinician(tenant, "grace")

        said = operator.run("links", "revoke", "--tenant", "clinic", "--person", "ada", "--as", "linus")

        assert said == "✓ links to 1 person are dead\n"
        assert operator.register.rows(
            "SELECT external_id, links_revoked_at IS NOT NULL FROM clinicians ORDER BY external_id"
        ) == [("ada", True), ("grace", False)]
        assert operator.register.rows("SELECT actor, action, subject, tenant_id FROM audit_log") == [
            ("linus", "links.revoked", f"clinician:{ada}", tenant)
        ]

    def test_everybody_s_after_a_question(self, operator: Operator) -> None:
        tenant = operator.register.tenant()
        other = operator.register.tenant("another")
        for name, whose in (("ada", tenant), ("grace", tenant), ("linus", other)):
            operator.register.clinician(whose, name)

        operator.run("links", "revoke", "--tenant", "clinic", answer="n\n", status=1)
        assert operator.register.rows("SELECT count(links_revoked_at) FROM clinicians") == [(0,)]
        assert "links to 2 people are dead" in operator.run(
            "links", "revoke", "--tenant", "clinic", answer="y\n"
        )
        assert operator.register.rows(
            "SELECT external_id FROM clinicians WHERE links_revoked_at IS NULL"
        ) == [("linus",)]

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--tenant", "clinic", "--person", "nobody"], "'clinic' has nobody called 'nobody'"),
            (["--tenant", "nowhere", "--yes"], "'nowhere' has nobody, or is no tenant"),
        ],
    )
    def test_nobody_there(self, operator: Operator, arguments: list[str], why: str) -> None:
        operator.register.clinician(operator.register.tenant())
        assert why in operator.run("links", "revoke", *arguments, status=1)


class TestWebhook:
    def test_set_and_removed_and_audited(self, operator: Operator) -> None:
        tenant = operator.register.tenant()
        said = operator.run(
            "webhook", "set", "https://clinic.test/hook", "--tenant", "clinic", "--as", "grace"
        )
        assert f"STACK/webhooks/{tenant}" in said
        operator.register.execute("UPDATE tenant_webhooks SET disabled_at = now()")
        operator.run("webhook", "set", "https://clinic.test/other", "--tenant", "clinic")
        assert operator.register.rows("SELECT url, disabled_at FROM tenant_webhooks") == [
            ("https://clinic.test/other", None)
        ]
        operator.run("webhook", "remove", "--tenant", "clinic", "--as", "linus")
        assert operator.register.rows("SELECT * FROM tenant_webhooks") == []
        assert [
            action
            for (action,) in operator.register.rows("SELECT action FROM audit_log ORDER BY seq")
        ] == ["webhook.set", "webhook.set", "webhook.removed"]  # fmt: skip
        assert operator.last_actor() == "linus"

    @pytest.mark.parametrize(
        "url",
        [
            "http://clinic.test/",
            "https://u:p@clinic.test/",
            "clinic.test",
            "https:///x",
            "https://x.test:abc/",
            "https://[::1]:99999/",
            "https://x.test:0/",
            "https://xé.test/",
            "https://[x/",
            "https://x.test/a b",
        ],
    )
    def test_what_is_no_address(self, operator: Operator, url: str) -> None:
        operator.register.tenant()
        assert "https://HOST/PATH" in operator.run("webhook", "set", url, "--tenant", "clinic", status=1)

    def test_no_tenant(self, operator: Operator) -> None:
        assert "'clinic' is no tenant" in operator.run("webhook", "remove", "--tenant", "clinic", status=1)


class TestPerson:
    def test_is_exported_and_erased_by_their_own_name(self, operator: Operator, tmp_path: Path) -> None:
        tenant = operator.register.tenant()
        person = operator.register.clinician(tenant, "n-1042", email="ada@clinic.test")
        file = tmp_path / "ada.zip"

        operator.run("person", "export", "n-1042", "--out", str(file), "--as", "grace")

        with ZipFile(file) as archive:
            assert "ada@clinic.test" in archive.read("person.json").decode()
        assert operator.last_actor() == "grace"

        operator.run("person", "erase", "n-1042", "--as", "grace", answer="n\n", status=1)
        assert "ada@clinic.test" in str(operator.register.rows("SELECT email FROM clinicians"))
        assert f"{person} was erased" in operator.run(
            "person", "erase", "n-1042", "--as", "grace", answer="y\n"
        )

        assert operator.register.rows("SELECT full_name, email FROM clinicians") == [("erased", None)]
        assert operator.last_actor() == "grace"
        assert "nothing found" in operator.run("person", "erase", "n-1042", "--yes", status=1)


class TestDatabase:
    """What a command that finds none says: a line, and what to do."""

    def line(self, *arguments: str, status: int = 1) -> str:
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
        assert (result.exit_code, type(result.exception)) == (status, SystemExit), result.output
        return result.output

    @pytest.mark.parametrize(
        "url",
        [
            "nonsense", "", "postgresql://u:p@127.0.0.1/x", "sqlite:///x", "postgresql+pg8000://u:p@127.0.0.1:port/x",
            "oracle+nothing://x",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("command", [["holds", "list"], ["migrate", "--yes"]])
    def test_a_url_that_is_none(self, command: list[str], url: str) -> None:
        said = self.line(*command, "--database", url, status=2)
        assert "postgresql+pg8000://USER:PASSWORD@HOST/NAME" in said

    @pytest.mark.parametrize(
        "place", ["127.0.0.1:1/x", "/x?unix_sock=%2Fnowhere%2F.s.PGSQL.5432", "nowhere.invalid/x"]
    )
    @pytest.mark.parametrize("command", [["resend"], ["migrate", "--yes"], ["policy", "list"]])
    def test_a_server_that_is_down(self, command: list[str], place: str) -> None:
        said = self.line(*command, "--database", f"postgresql+pg8000://ada:secret-word@{place}")
        assert (said.count("\n"), said.startswith("✗ "), "does not answer: " in said) == (1, True, True)
        assert "secret-word" not in said

    @pytest.mark.parametrize("command", [["resend"], ["holds", "list"], ["conversion"], ["policy", "list"]])
    def test_one_without_our_tables(self, postgres: Postgres, command: list[str]) -> None:
        name = f"empty_{uuid4().hex}"
        postgres.create_database(name)
        socket = quote(f"{postgres.socket}/.s.PGSQL.5432", safe="")
        try:
            said = self.line(
                *command, "--database", f"postgresql+pg8000://postgres:x@/{name}?unix_sock={socket}"
            )
        finally:
            postgres.drop_database(name)
        assert said.endswith(" has no tables of Nolapse: nolapse migrate --yes --database URL\n")


@pytest.mark.parametrize("option", ["--timezone=Mars/Base", "--map=full_name=Name"])
def test_the_sample_register_is_as_it_is(option: str) -> None:
    result = CliRunner().invoke(app, ["demo", option], env={"COLUMNS": "300"})

    assert (result.exit_code, "--data FILE" in result.output) == (2, True), result.output
