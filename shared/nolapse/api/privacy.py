"""/v1/clinicians/{id}/export and /erase: what is kept about a person, handed out; and who they are, forgotten."""

from base64 import b64encode
from http import HTTPStatus
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from pydantic import AwareDatetime, Field

from nolapse.api.errors import Conflict, NotFound, Unprocessable
from nolapse.api.schemas import Body, Edited
from nolapse.api.v1 import V1
from nolapse.oversight.person_export import export_person
from nolapse.planning.erasure import StillUnderWay, erase
from nolapse.storage.statements import statement

ZIP = "application/zip"


class Erasure(Body):
    confirm: str = Field(description="their external_id: that it is this person whom you mean")


class Erased(Edited):
    clinician_id: UUID
    erased_at: AwareDatetime


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/clinicians/<clinician_id>/export", audited=True, kind=ZIP)
    def export_clinician(clinician_id: UUID) -> Response[str]:
        """Export everything about a person.

        A zip: `person.json`, and one CSV file a table. Deleted people too; the audit log says who asked.
        """
        archive = export_person(v1.connection, clinician_id, now=v1.now)
        if archive is None:
            raise NotFound("clinician")
        name = f'attachment; filename="{clinician_id}.zip"'
        answer = Response(HTTPStatus.OK, ZIP, b64encode(archive).decode(), {"Content-Disposition": name})
        # Encoded here: the validation of answers takes bytes for UTF-8.
        answer.base64_encoded = True
        return answer

    @v1.route("POST", "/v1/clinicians/<clinician_id>/erase")
    def erase_clinician(clinician_id: UUID, body: Erasure) -> Erased:
        """Erase a person.

        What says who they are is overwritten everywhere, for good, and what was to be told about them is cancelled;
        what happened stays under an id. What was told of their yearly dates and doses is deleted, and not listed.
        Again: the same answer. 409 while a message to them is under way.
        """
        person = v1.only(
            v1.connection.execute(statement("lock_person"), {"clinician_id": clinician_id}), "clinician"
        )
        if not person.erased_at and body.confirm != person.external_id:
            raise Unprocessable.of("confirm", "is not this person's external_id")
        try:
            done = erase(v1.connection, clinician_id, v1.limits)
        except StillUnderWay:
            raise Conflict(
                "clinician_id", "a message to them is under way: ask again in some minutes"
            ) from None
        return Erased(clinician_id=clinician_id, erased_at=done.at, rescheduled=done.rescheduled)
