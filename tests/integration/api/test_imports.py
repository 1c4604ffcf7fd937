"""/v1/imports: a link to upload a register to, its job, and a link to what it rejected."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from local.resources import Cloud
from nolapse.planning.importing.progress import Progress, Stage
from nolapse.planning.importing.uploads import Upload
from nolapse.runtime.imports import telling
from tests.integration.api.conftest import Api, counted, imported
from tests.integration.conftest import NOW


@pytest.fixture
def cloud(api: Api) -> Iterator[Cloud]:
    with Cloud() as cloud:
        api.s3 = cloud.s3()
        api.s3.create_bucket(Bucket="registers")
        yield cloud


def test_a_register_goes_by_its_link_to_where_its_import_looks(
    api: Api, staff: str, tenant: UUID, cloud: Cloud
) -> None:
    made = api.call("POST", "/v1/imports", staff, {"file_name": "november.csv"})
    assert (made.status, made.body["status"], made.body["upload"]["method"]) == (201, "WAITING", "PUT")

    content, headers = b"license_number\nRN-1\n", {"Content-Type": "text/csv"}
    request = Request(made.body["upload"]["url"], content, headers, method="PUT")  # noqa: S310
    with urlopen(request) as answer:  # noqa: S310
        assert answer.status == 200

    upload = Upload.of(tenant, UUID(made.body["import_id"]), "november.csv")
    stored = cloud.s3().get_object(Bucket="registers", Key=upload.incoming)["Body"].read()
    assert stored == content
    found = Upload.at(upload.incoming)
    assert (found, found.import_id) == (upload, UUID(made.body["import_id"]))
    assert Upload.at("incoming/clinic/november.csv").import_id is None
    assert Upload.at("incoming/clinic/2026/november.csv").import_id is None


def test_a_job_tells_how_far_it_is_and_then_what_it_rejected(
    api: Api, staff: str, tenant: UUID, cloud: Cloud
) -> None:
    made = api.call("POST", "/v1/imports", staff, {"file_name": "november.csv"})
    path, import_id = made.headers["location"], UUID(made.body["import_id"])
    assert api.call("GET", f"{path}/rejects", staff).status == 409

    api.register.execute("UPDATE imports SET status = 'RUNNING', sha256 = sha256('x')")
    telling(api.register.database.engine, import_id, "test")(Progress(Stage.LOADING, 5_000, 20_000))
    running = api.call("GET", path, staff).body
    assert (running["status"], running["counts"]) == (
        "RUNNING", {"stage": "loading", "rows": 5_000, "total": 20_000},
    )  # fmt: skip

    upload = Upload.of(tenant, import_id, "november.csv")
    for status, failure, key in (
        ("DONE", None, upload.rejects),
        ("FAILED", "UnreadableSource", upload.refusal),
    ):
        cloud.s3().put_object(Bucket="registers", Key=key, Body=status.encode())
        api.register.execute(
            "UPDATE imports SET status = :status, failure = :failure, counts = '{\"uploaded\": true}',"
            " finished_at = :now",
            status=status,
            failure=failure,
            now=api.clock.now(),
        )
        with urlopen(api.call("GET", f"{path}/rejects", staff).body["url"]) as answer:  # noqa: S310
            assert answer.read().decode() == status
    read = "SELECT subject, actor <> '' FROM audit_log WHERE action = 'import.rejects_read'"
    assert api.register.rows(read) == [(f"import:{import_id}", True)] * 2


@pytest.mark.parametrize(("counts", "days"), [('{"read": 3}', 1), ('{"uploaded": true}', 90)])
def test_a_file_that_is_not_there_has_no_link(
    api: Api, tenant: UUID, staff: str, counts: str, days: int
) -> None:
    path = f"/v1/imports/{imported(api, tenant)}/rejects"
    assert api.call("GET", path, staff).status == 200

    api.register.execute("UPDATE imports SET counts = CAST(:counts AS jsonb)", counts=counts)
    api.clock.move_to(NOW + timedelta(days=days))
    answer = api.call("GET", path, staff)
    assert (answer.status, "rejects file" in answer.body["message"]) == (404, True)


@pytest.mark.parametrize("name", ["", "a/b.csv", "..\\b.csv", " b.csv", ".", ".."])
def test_a_name_that_is_a_path_is_refused(api: Api, staff: str, name: str) -> None:
    answer = api.call("POST", "/v1/imports", staff, {"file_name": name})
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "file_name")


def test_a_list_page_by_page_by_as_many_statements_for_many_as_for_one(api: Api, staff: str) -> None:
    counts = []
    for number in range(3):
        assert api.call("POST", "/v1/imports", staff, {"file_name": f"{number}.csv"}).status == 201
        with counted(api) as made:
            page = api.call("GET", "/v1/imports", staff).body
        counts.append(len(made))
    assert [each["file_name"] for each in page["items"]] == ["2.csv", "1.csv", "0.csv"]
    assert len(set(counts)) == 1
    first = api.call("GET", "/v1/imports?limit=2&status=WAITING", staff).body
    rest = api.call("GET", f"/v1/imports?limit=2&status=WAITING&cursor={first['next']}", staff).body
    assert [each["file_name"] for each in rest["items"]] == ["0.csv"]
