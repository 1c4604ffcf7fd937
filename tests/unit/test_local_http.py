import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.http import Api, HttpServer, match
from local.lambda_runtime import Functions
from local.template import Function, Route

HANDLER = """
import base64

def handler(event, context):
    match event["routeKey"]:
        case "GET /cookies":
            return {"statusCode": 204, "cookies": ["a=1; Path=/", "b=2"], "headers": {"X-Thing": 7}}
        case "GET /plain":
            return {"status": "ok"}
        case "GET /binary":
            return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True,
                    "body": base64.b64encode(bytes(range(256))).decode()}
        case "GET /broken":
            raise RuntimeError("private")
    import json
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""

ROUTES = [
    Route("Api", "GET", "/cookies"),
    Route("Api", "GET", "/plain"),
    Route("Api", "GET", "/binary"),
    Route("Api", "GET", "/broken"),
    Route("Api", "ANY", "/echo/{id}"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    (tmp_path / "handler.py").write_text(HANDLER)
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<p>Post für dich</p>")
    function = Function("Api", "s-Api", "arn:aws:lambda:x", tmp_path, "handler.handler", 128, 5, {})
    with (
        Functions({"Api": function}, {}) as functions,
        HttpServer(Api(ROUTES, functions, {"/mailbox": pages}), port=0) as running,
    ):
        yield running


def ask(
    server: HttpServer,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_a_request_becomes_payload_format_2(server: HttpServer) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "Cookie": "s=1; t=2", "X-Two": "b"}
    response, body = ask(server, "POST", "/echo/a%20b?x=1&x=2&y=", '{"é": 1}'.encode(), headers)
    event = json.loads(body)
    assert response.status == 200
    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "ANY /echo/{id}"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert event["rawQueryString"] == "x=1&x=2&y="
    assert event["cookies"] == ["s=1", "t=2"]
    assert event["headers"]["x-two"] == "b"
    assert "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"é": 1}', False)


def test_a_binary_body_arrives_as_base64(server: HttpServer) -> None:
    _, body = ask(server, "PUT", "/echo/1", b"\xff\x00", {"Content-Type": "application/gzip"})
    event = json.loads(body)
    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_a_request_without_body_has_none(server: HttpServer) -> None:
    event = json.loads(ask(server, "GET", "/echo/1")[1])
    assert {"body", "cookies", "queryStringParameters"}.isdisjoint(event)
    assert event["isBase64Encoded"] is False


def test_answers_are_translated_back(server: HttpServer) -> None:
    cookies, _ = ask(server, "GET", "/cookies")
    assert cookies.status == 204
    assert cookies.headers.get_all("set-cookie") == ["a=1; Path=/", "b=2"]
    assert cookies.headers["x-thing"] == "7"
    plain, body = ask(server, "GET", "/plain")
    assert (plain.status, plain.headers["content-type"], json.loads(body)) == (
        200,
        "application/json",
        {"status": "ok"},
    )
    assert ask(server, "GET", "/binary")[1] == bytes(range(256))


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/nowhere"), ("POST", "/plain"), ("GET", "/echo/1/2")]
)
def test_a_route_that_the_template_lacks_is_not_found(server: HttpServer, method: str, target: str) -> None:
    response, body = ask(server, method, target)
    assert (response.status, json.loads(body)) == (404, {"message": "Not Found"})


def test_a_failing_function_is_an_internal_server_error_without_details(server: HttpServer) -> None:
    response, body = ask(server, "GET", "/broken")
    assert (response.status, json.loads(body)) == (500, {"message": "Internal Server Error"})


def test_a_mounted_directory_is_served_and_nothing_above_it(server: HttpServer) -> None:
    page, body = ask(server, "GET", "/mailbox/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert body.decode() == "<p>Post für dich</p>"
    assert ask(server, "HEAD", "/mailbox/index.html")[1] == b""
    redirect, _ = ask(server, "GET", "/mailbox")
    assert (redirect.status, redirect.headers["location"]) == (308, "/mailbox/")
    for target in (
        "/mailbox/../handler.py",
        "/mailbox/%2e%2e/handler.py",
        "/mailbox/none.html",
        "/mailboxes",
    ):
        assert ask(server, "GET", target)[0].status == 404
    assert ask(server, "POST", "/mailbox/")[0].status == 405


def test_a_greedy_parameter_takes_the_rest() -> None:
    route = Route("Api", "GET", "/v1/{kind}/{rest+}")
    assert match(route, "GET", "/v1/a/b/c") == {"kind": "a", "rest": "b/c"}
    assert match(route, "GET", "/v1/a") is None
