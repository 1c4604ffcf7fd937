"""Every function at work, and failing, on a base full of canaries; what it writes is what would end in logs.

python -m tests.handlers.canary_run SOCKET DATABASE MAIL
"""

import json
import logging
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from local.clock import VirtualClock
from local.doubles import faults
from local.http import Request, to_event
from local.issuer import Issuer
from local.lambda_runtime import FunctionError
from local.postgres import Postgres
from local.stack import RunningStack, running
from local.template import Route
from nolapse.api.identity import Role
from nolapse.runtime.bootstrap import runtime
from tests.handlers.conftest import load
from tests.handlers.test_logs import CANARIES, CONFIDENTIAL, REGISTER
from tests.integration.delivery.conftest import EXPIRES, OPENS

ROUTE = Route("ApiFunction", "ANY", "/{proxy+}")


def main(socket: str, database: str, mail: str) -> None:
    logging.basicConfig(level=logging.INFO)
    clock, queue = VirtualClock(OPENS), faults.FaultQueue()
    with running(Postgres(socket, None), database, mail=Path(mail), clock=clock, faults=queue) as stack:
        for function in ("MaintenanceFunction", "ReconcileFunction", "ScanFunction"):
            invoke(stack, function, {})
        quoting = {"errors": [{"message": CONFIDENTIAL, "field": CONFIDENTIAL}]}
        queue.inject(
            faults.answer(400, body=quoting), faults.answer(500, body=quoting), faults.answer(429, body=quoting),
            faults.reset_after_accept, faults.garble_after_accept,
        )  # fmt: skip
        for source in stack.queues:
            source.drain()
        receipts(stack, clock)
        malformed(stack)
        imports(stack)
        for hours in (1, 5, 24):
            clock.move_to(OPENS + timedelta(hours=hours))
            invoke(stack, "CatchUpFunction", {})
        invoke(stack, "ApiFunction", load("api_health"))
        requests(stack, socket, database, Path(mail).parent)
        database_errors(stack, socket, database)


def invoke(stack: RunningStack, function: str, event: Any) -> None:
    try:
        sys.stdout.write(f"{function} {stack.functions.invoke(function, event)}\n")
    except FunctionError:
        # As Lambda does with what a handler raises, its text and all that led to it.
        traceback.print_exc(file=sys.stdout)


def receipts(stack: RunningStack, clock: VirtualClock) -> None:
    """True ones, forged ones, ones of no shape and STOP, each with all that a vendor may say beside them."""
    webhooks, now = stack.receipts.webhooks, clock.now()
    more = {"reason": CONFIDENTIAL, "response": CONFIDENTIAL, "type": CONFIDENTIAL}
    for email in stack.sendgrid.messages():
        event = webhooks.sendgrid.event(email, "bounce", now, **more)
        call = webhooks.sendgrid.call([event], now)
        forged = replace(call, body=call.body + CONFIDENTIAL.encode())
        shapeless = webhooks.sendgrid.call([{"sg_message_id": CONFIDENTIAL}], now)
        for each in (call, forged, shapeless, webhooks.mailgun.call(email, "failed", now, **more)):
            sys.stdout.write(f"{each.path} {stack.receipts.tell(each)}\n")
    stop = webhooks.twilio.answer("+12125550142", "STOP", "SM" + "a" * 32)
    sys.stdout.write(f"{stop.path} {stack.receipts.tell(stop)}\n")


def requests(stack: RunningStack, socket: str, database: str, home: Path) -> None:
    """Well-formed, refused and failing; what is answered is the caller's, only what is written counts."""
    owner = Postgres(socket, None).engine(database)
    with owner.begin() as connection:
        tenant = connection.exec_driver_sql("SELECT tenant_id FROM tenants LIMIT 1").scalar_one()
    token = Issuer(home).token(Role.CLINIC, tenant, now=datetime.now(UTC))
    person = {"external_id": CONFIDENTIAL, "full_name": CONFIDENTIAL, "email": "w.quackenbush@clinic.test"}
    people, good = "/v1/clinicians", json.dumps(person)

    def ask(method: str, path: str, body: str = "", bearer: str = token) -> None:
        headers = [("authorization", f"Bearer {bearer}"), ("content-type", "application/json")]
        answer = stack.functions.invoke(
            "ApiFunction", to_event(ROUTE, Request(method, path, headers, body.encode(), "127.0.0.1"), {})
        )
        sys.stdout.write(f"ApiFunction {method} {answer['statusCode']}\n")

    ask("POST", people, good)
    ask("POST", people, good)
    ask("POST", people, json.dumps({**person, "email": CONFIDENTIAL, CONFIDENTIAL: 1}))
    ask("POST", people, CONFIDENTIAL)
    ask("GET", people)
    ask("GET", f"{people}?external_id=Quackenbush&sort=Quackenbush")
    ask("GET", f"{people}/Quackenbush")
    ask("GET", "/Quackenbush/5550142")
    ask("GET", people, bearer=f"{token}Quackenbush")
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE clinicians ADD CONSTRAINT damage CHECK (full_name = '') NOT VALID"
        )
    ask("POST", people, json.dumps({**person, "external_id": "XQ-774411-9"}))
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE clinicians DROP CONSTRAINT damage")
    owner.dispose()


def malformed(stack: RunningStack) -> None:
    bodies = [
        CONFIDENTIAL,
        json.dumps({CONFIDENTIAL: 1}),
        json.dumps({"notifications": [{"key": CONFIDENTIAL, "scheduled_at": CONFIDENTIAL}]}),
        runtime().key_ring.seal(
            "queue", {"notifications": [{"key": CONFIDENTIAL, "scheduled_at": CONFIDENTIAL}]}
        ),
    ]
    records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
    invoke(stack, "DispatchEmailFunction", {"Records": records})


def imports(stack: RunningStack) -> None:
    bucket = load("import_records_uploaded")["Records"][0]["s3"]["bucket"]["name"]
    boto3.client("s3").create_bucket(Bucket=bucket)
    for body in (REGISTER, "\n".join(CANARIES), json.dumps([CONFIDENTIAL]), f'[{{"a": {CONFIDENTIAL}'):
        upload(stack, body)


def upload(stack: RunningStack, body: str) -> None:
    event = load("import_records_uploaded")
    record = event["Records"][0]["s3"]
    record["object"]["key"] = "incoming/clinic/register"
    boto3.client("s3").put_object(
        Bucket=record["bucket"]["name"], Key=record["object"]["key"], Body=body.encode()
    )
    invoke(stack, "ImportRecordsFunction", event)


def database_errors(stack: RunningStack, socket: str, database: str) -> None:
    """Errors of PostgreSQL's own that quote a row, a value or a statement."""
    owner = Postgres(socket, None).engine(database)
    changed = REGISTER.replace("Quackenbush,", "Quackenbush Smith,").replace(str(EXPIRES), "2027-05-31")
    for damage, repair in (
        (
            "ALTER TABLE clinicians ADD CONSTRAINT damage CHECK (length(full_name) < 5) NOT VALID",
            "ALTER TABLE clinicians DROP CONSTRAINT damage",
        ),
        (
            "ALTER TABLE licenses ADD CONSTRAINT damage CHECK (CAST(license_number AS integer) > 0) NOT VALID",
            "ALTER TABLE licenses DROP CONSTRAINT damage",
        ),
        (
            "REVOKE SELECT ON clinicians FROM nolapse_engine",
            "GRANT SELECT ON clinicians TO nolapse_engine",
        ),
    ):
        with owner.begin() as connection:
            connection.exec_driver_sql(damage)
        upload(stack, changed)
        with owner.begin() as connection:
            connection.exec_driver_sql(repair)
    owner.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
