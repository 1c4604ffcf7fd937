"""A form as it comes over the wire."""

from email.parser import BytesParser
from email.policy import HTTP

from local.doubles.server import Request


class FormError(ValueError):
    """The body is not the form that its headers say it is."""


def multipart(request: Request) -> list[tuple[str, str]]:
    """Names and values of multipart/form-data (RFC 7578), in their order; raises FormError."""
    if request.headers.get_content_type() != "multipart/form-data":
        raise FormError
    boundary = request.headers.get_boundary()
    if boundary is None or not request.body.startswith(f"--{boundary}\r\n".encode()):
        raise FormError
    *parts, end = request.body.removeprefix(b"--" + boundary.encode()).split(f"\r\n--{boundary}".encode())
    if end.rstrip(b"\r\n") != b"--":
        raise FormError
    return [_field(part) for part in parts]


def _field(part: bytes) -> tuple[str, str]:
    head, blank, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = BytesParser(policy=HTTP).parsebytes(head, headersonly=True)
    name = headers.get_param("name", header="content-disposition")
    if not blank or not isinstance(name, str) or headers.get_content_disposition() != "form-data":
        raise FormError
    return name, value.decode()
