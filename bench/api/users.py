"""Locust's users: each a desk of one of the clinics, that looks at its people and licences and edits some.

NOLAPSE_USERS: a file of {"token", "licenses", "clinicians"} a user. NOLAPSE_IN_FLIGHT: so many requests are under way
at most; who comes then waits for their turn, in their own time and not in the request's.
"""

import json
import os
import time
from itertools import count, cycle
from pathlib import Path
from random import choice, randrange

from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, between, constant, events, task

DESKS = cycle(json.loads(Path(os.environ["NOLAPSE_USERS"]).read_text(encoding="utf-8")))
IN_FLIGHT = int(os.environ["NOLAPSE_IN_FLIGHT"])
TURN = BoundedSemaphore(IN_FLIGHT)
THINK_SECONDS = (1, 5)
NUMBERS = count(time.time_ns())
OVER: list[bool] = []


@events.test_stopping.add_listener
def stop_asking(**_: object) -> None:
    """What is under way is waited for; who waits for their turn goes home."""
    OVER.append(True)


class Desk(FastHttpUser):
    wait_time = constant(0) if IN_FLIGHT == 1 else between(*THINK_SECONDS)
    network_timeout = 60.0

    def on_start(self) -> None:
        self.desk = next(DESKS)

    def ask(self, method: str, path: str, name: str, body: object = None) -> None:
        headers = {"Authorization": f"Bearer {self.desk['token']}", "If-Match": "*"}
        if method == "POST":
            headers["Idempotency-Key"] = str(next(NUMBERS))
        with TURN:
            if OVER:
                return
            self.client.request(method, path, name=name, json=body, headers=headers)

    @task(24)
    def read_license(self) -> None:
        self.ask("GET", f"/v1/licenses/{choice(self.desk['licenses'])}", "license")

    @task(16)
    def read_clinician(self) -> None:
        self.ask("GET", f"/v1/clinicians/{choice(self.desk['clinicians'])}", "clinician")

    @task(16)
    def list_licenses(self) -> None:
        self.ask("GET", "/v1/licenses?sort=expires_on&limit=50", "licenses")

    @task(8)
    def list_clinicians(self) -> None:
        self.ask("GET", "/v1/clinicians?sort=full_name&limit=50", "clinicians")

    @task(8)
    def list_renewals(self) -> None:
        self.ask("GET", "/v1/renewals?limit=50", "renewals")

    @task(4)
    def list_notifications(self) -> None:
        self.ask("GET", "/v1/notifications?limit=50", "notifications")

    @task(4)
    def read_timeline(self) -> None:
        self.ask("GET", f"/v1/licenses/{choice(self.desk['licenses'])}/timeline", "timeline")

    @task(8)
    def renew(self) -> None:
        wanted = {"expires_on": f"2028-{randrange(1, 13):02}-{randrange(1, 29):02}"}
        self.ask("PATCH", f"/v1/licenses/{choice(self.desk['licenses'])}", "renew", wanted)

    @task(5)
    def add_license(self) -> None:
        wanted = {"license_type": "MD", "license_number": f"MD-{next(NUMBERS)}", "expires_on": "2027-09-30"}
        self.ask("POST", "/v1/licenses", "add", {**wanted, "clinician_id": choice(self.desk["clinicians"])})

    @task(4)
    def correct_person(self) -> None:
        wanted = choice(({"phone": f"+1212555{randrange(10_000):04}"}, {"timezone": "America/Denver"}))
        self.ask("PATCH", f"/v1/clinicians/{choice(self.desk['clinicians'])}", "correct", wanted)

    @task(3)
    def add_person(self) -> None:
        self.ask("POST", "/v1/clinicians", "person", {"external_id": str(next(NUMBERS)), "full_name": "Ada"})
