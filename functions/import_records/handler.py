"""A register uploaded below incoming/TENANT/: imported and planned; what it rejected goes to rejects/."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote_plus

from nolapse.planning.importing.errors import ImportRefused
from nolapse.planning.importing.report import ImportReport
from nolapse.planning.importing.survey import survey
from nolapse.planning.importing.uploads import Upload
from nolapse.runtime.bootstrap import Runtime, runtime
from nolapse.runtime.imports import RegisterRefused, import_register, refuse, telling, why
from nolapse.runtime.observability import logger, publish

ACTOR = "import_records"


def handler(event: dict[str, Any], context: Any) -> list[dict[str, Any]]:
    # S3's console makes an empty object of a folder: nothing to import.
    objects = [record["s3"] for record in event["Records"] if not record["s3"]["object"]["key"].endswith("/")]
    return [import_object(runtime(), uploaded) for uploaded in objects]


def import_object(made: Runtime, record: dict[str, Any]) -> dict[str, Any]:
    # Keys arrive URL-encoded: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    bucket, key = record["bucket"]["name"], unquote_plus(record["object"]["key"])
    upload = Upload.at(key)
    with TemporaryDirectory() as folder:
        # Not by the register's own name: what a bucket takes for one, a file system may not.
        source, rejects = Path(folder, "register"), Path(folder, "rejects.csv")
        try:
            made.s3.download_file(bucket, key, str(source))
            report = import_file(made, source, upload, rejects)
        except Exception as error:
            # What a refusal says quotes the register: it goes where the register went, and never to a log.
            made.s3.put_object(Bucket=bucket, Key=upload.refusal, Body=f"{why(error)}\n".encode())
            kind = type(error).__name__
            if upload.import_id:
                refuse(made.engine, upload.import_id, kind, actor=ACTOR, now=made.clock.now())
            if isinstance(error, ImportRefused):
                raise RegisterRefused(upload.tenant, kind) from None
            raise
        made.s3.upload_file(str(rejects), bucket, upload.rejects)
    totals = {"read": report.rows.read, "imported": report.imported, "folded": report.folded,
              "rejected": report.rows.rejected}  # fmt: skip
    logger().info("import.finished", import_id=str(report.import_id), counts=totals)
    made.meter.flush(made.engine)
    publish("import_records", totals)
    return {"import_id": str(report.import_id), **totals}


def import_file(made: Runtime, source: Path, upload: Upload, rejects: Path) -> ImportReport:
    return import_register(
        made.engine, survey(source, name=upload.file_name),
        tenant=upload.tenant, rejects=rejects, actor=ACTOR, now=made.clock.now(),
        horizon_months=made.settings.horizon_months, lookback_days=made.settings.lookback_days,
        on_progress=telling(made.engine, upload.import_id, ACTOR), import_id=upload.import_id,
    )  # fmt: skip
