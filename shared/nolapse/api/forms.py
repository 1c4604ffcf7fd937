"""Form fields of a request, in either of the two encodings that HTML has.

https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#form-submission-algorithm
"""

from collections.abc import Mapping
from email import message_from_string
from urllib.parse import parse_qsl

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

MULTIPART = "multipart/form-data"


def fields(event: APIGatewayProxyEventV2) -> Mapping[str, str]:
    """Of a name that stands there twice the last value; {} for what is no form."""
    kind = event.headers.get("content-type", "")
    body = event.decoded_body or ""
    if not kind.lower().startswith(MULTIPART):
        return dict(parse_qsl(body, keep_blank_values=True))
    parts = message_from_string(f"Content-Type: {kind}\r\n\r\n{body}").walk()
    return {
        str(part.get_param("name", header="content-disposition")): str(part.get_payload()).strip("\r\n")
        for part in parts
        if not part.is_multipart()
    }
