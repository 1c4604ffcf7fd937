"""docs/api.md: the chapters that people wrote, and every route as the OpenAPI document has it, with a call of it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nolapse.api.permissions import ANYBODY, ROUTES

HERE = Path(__file__).parent
CHAPTERS = HERE / "api_chapters.md"
EXAMPLES: Mapping[str, Mapping[str, Any]] = json.loads(
    (HERE / "api_examples.json").read_text(encoding="utf-8")
)
IDS = {
    "clinician_id": "$CLINICIAN",
    "user_id": "$CLINICIAN",
    "license_id": "$LICENSE",
    "medication_id": "$MEDICATION",
    "key": "$KEY",
    "policy_id": "$POLICY",
    "version": "1",
    "import_id": "$IMPORT",
    "tenant_id": "$TENANT",
    "sender_id": "$SENDER",
    "suppression_id": "$SUPPRESSION",
}
WITH_BODY = {"POST", "PUT", "PATCH"}


def page(described: Mapping[str, Any]) -> str:
    lines = [CHAPTERS.read_text(encoding="utf-8").rstrip()]
    resource = ""
    for (method, route), roles in ROUTES.items():
        if roles is ANYBODY:
            continue
        (tag,) = described["paths"][route.replace("<", "{").replace(">", "}")][method.lower()]["tags"]
        if tag != resource:
            resource = tag
            lines += ["", f"## {resource.capitalize()}"]
        path = route.replace("<", "{").replace(">", "}")
        lines += _section(method, path, described["paths"][path][method.lower()], described)
        lines += ["", f"For {', '.join(sorted(roles))}.", "", "```console", f"$ {call(method, route)}", "```"]
    return "\n".join(lines) + "\n"


def call(method: str, route: str) -> str:
    """For a shell that has NOLAPSE, TOKEN and the ids."""
    path = route
    for name, variable in IDS.items():
        path = path.replace(f"<{name}>", variable)
    parts = ["curl", f'"$NOLAPSE{path}"', '-H "Authorization: Bearer $TOKEN"']
    if route.endswith("/export"):
        parts.insert(1, "-o person.zip")
    if method != "GET":
        parts.insert(1, f"-X {method}")
    if method in {"PUT", "PATCH", "DELETE"}:
        parts.append('-H "If-Match: *"')
    if method in WITH_BODY and EXAMPLES.get(f"{method} {route}", True):
        parts += ['-H "Content-Type: application/json"', f"-d '{_body(method, route)}'"]
    return " ".join(parts)


def _body(method: str, route: str) -> str:
    if f"{method} {route}" in EXAMPLES:
        return json.dumps(EXAMPLES[f"{method} {route}"])
    record = dict(EXAMPLES.get(route, EXAMPLES[route.split("/")[2]]))
    if method == "PATCH":
        # The last field is as good as any other to change alone.
        name, value = list(record.items())[-1]
        record = {name: value}
    body = {"items": [record]} if route.endswith("/bulk") else record
    # Out of the single quotes for a moment, so that the shell puts the id there.
    return json.dumps(body).replace("$CLINICIAN", "'$CLINICIAN'")


def _section(
    method: str, path: str, operation: Mapping[str, Any], described: Mapping[str, Any]
) -> Iterator[str]:
    yield from ("", f"### {method} {path}", "", f"{operation['summary']}.")
    if operation["description"].strip(".") != operation["summary"]:
        yield from ("", operation["description"])
    queries = [each for each in operation["parameters"] if each["in"] == "query"]
    if queries:
        rows = ((each["name"], each["schema"], each.get("description", "")) for each in queries)
        yield from _table("query", rows)
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        model = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "items" not in model["properties"]:
            rows = ((name, each, each.get("description", "")) for name, each in model["properties"].items())
            yield from _table("field", rows)


def _table(heading: str, rows: Iterator[tuple[str, Mapping[str, Any], str]] | Any) -> Iterator[str]:
    yield from ("", f"| {heading} | form | |", "|---|---|---|")
    for name, schema, meaning in rows:
        default = schema.get("default")
        left_out = "" if default is None else f"default `{json.dumps(default)}`"
        yield f"| `{name}` | {_form(schema)} | {'; '.join(filter(None, (meaning, left_out)))} |"


def _form(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_form(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    form = str(schema.get("format", schema.get("type", "")))
    limits = [
        f"{word} {schema[name]:g}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "up to"))
        if name in schema
    ]
    return " ".join([form, *limits])
