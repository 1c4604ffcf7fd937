"""template.yaml as typed objects: what the functions, queues and routes of one stack are.

Only the intrinsics that the template uses are known; another one raises instead of being guessed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

References = Mapping[str, Mapping[str, str]]
"""Parameter, pseudo parameter or logical id -> what {"Ref": ...} and each attribute of GetAtt give; condition -> what
{"Condition": ...} gives, `true` or `false`.
"""


class TemplateError(Exception):
    pass


class UnresolvedReferenceError(TemplateError):
    def __init__(self, name: str, attribute: str) -> None:
        super().__init__(
            f"{name} gives no {attribute}: not a parameter with a value, nor a resource made here"
        )


class UnsupportedIntrinsicError(TemplateError):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not known to the local stack")


class UnknownParameterError(TemplateError):
    def __init__(self, names: set[str]) -> None:
        super().__init__(f"the template has no parameter {', '.join(sorted(names))}")


@dataclass(frozen=True, slots=True)
class Function:
    logical_id: str
    name: str
    arn: str
    directory: Path
    handler: str
    memory_mb: int
    timeout_seconds: int
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Schedule:
    name: str
    function: str
    expression: str
    input: str


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    function: str
    queue: str
    batch_size: int
    maximum_concurrency: int
    reports_item_failures: bool


@dataclass(frozen=True, slots=True)
class BucketTrigger:
    function: str
    bucket: str
    event: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Route:
    function: str
    method: str
    path: str


class _Loader(yaml.CSafeLoader):
    pass


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """!Ref x, !GetAtt a.b and !Sub s in their long form.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
    """
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    raise UnsupportedIntrinsicError(name)


_Loader.add_multi_constructor("!", _short_form)


@dataclass(frozen=True, slots=True)
class Template:
    document: Mapping[str, Any]
    root: Path

    @classmethod
    @cache
    def load(cls, path: Path) -> "Template":
        with path.open(encoding="utf-8") as stream:
            return cls(yaml.load(stream, Loader=_Loader), path.parent)  # noqa: S506  a SafeLoader

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Logical id and properties of each resource of one type."""
        for logical_id, resource in self.document["Resources"].items():
            if resource["Type"] == kind:
                yield logical_id, resource.get("Properties", {})

    def parameters(self, given: Mapping[str, str]) -> dict[str, dict[str, str]]:
        declared = self.document.get("Parameters", {})
        if unknown := given.keys() - declared.keys():
            raise UnknownParameterError(unknown)
        defaults = {name: _text(p["Default"]) for name, p in declared.items() if "Default" in p}
        return {name: {"Ref": value} for name, value in (defaults | dict(given)).items()}

    def conditions(self, references: References) -> dict[str, dict[str, str]]:
        """In the order in which they stand: one may name those above it."""
        found: dict[str, dict[str, str]] = {}
        for name, condition in self.document.get("Conditions", {}).items():
            found[name] = {"Condition": _text(_holds(condition, {**references, **found}))}
        return found


def resolve(value: Any, references: References) -> Any:
    if isinstance(value, list):
        return [resolve(item, references) for item in value]
    return _resolve_mapping(value, references) if isinstance(value, dict) else value


def _resolve_mapping(value: dict[str, Any], references: References) -> Any:
    match list(value.items()):
        case [("Ref", name)]:
            return _lookup(name, "Ref", references)
        case [("Fn::GetAtt", [name, attribute])]:
            return _lookup(name, attribute, references)
        case [("Fn::Sub", [text, variables])]:
            local = {name: {"Ref": resolve(item, references)} for name, item in variables.items()}
            return _substitute(text, {**references, **local})
        case [("Fn::Sub", text)]:
            return _substitute(text, references)
        case [("Fn::If", [condition, then, otherwise])]:
            # The other branch may name what is not made.
            return resolve(then if _holds({"Condition": condition}, references) else otherwise, references)
        case [(name, _)] if name.startswith("Fn::") or name == "Condition":
            raise UnsupportedIntrinsicError(name)
    return {key: resolve(item, references) for key, item in value.items()}


def _holds(condition: dict[str, Any], references: References) -> bool:
    match list(condition.items()):
        case [("Condition", name)]:
            return _lookup(name, "Condition", references) == "true"
        case [("Fn::Equals", [one, other])]:
            return bool(resolve(one, references) == resolve(other, references))
        case [("Fn::Not", [other])]:
            return not _holds(other, references)
        case [("Fn::And", others)]:
            return all(_holds(each, references) for each in others)
    raise UnsupportedIntrinsicError(next(iter(condition)))


def _lookup(name: str, attribute: str, references: References) -> str:
    try:
        return references[name][attribute]
    except KeyError:
        raise UnresolvedReferenceError(name, attribute) from None


def _substitute(text: str, references: References) -> str:
    def replace(match: re.Match[str]) -> str:
        expression = match[1]
        if expression.startswith("!"):
            return "${" + expression[1:] + "}"
        name, _, attribute = expression.partition(".")
        return _lookup(name, attribute or "Ref", references)

    return re.sub(r"\$\{([^}]+)\}", replace, text)


def _text(value: Any) -> str:
    """As CloudFormation hands it to a service that wants a string."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def queue_attributes(properties: Mapping[str, Any], references: References) -> dict[str, str]:
    own = {name: value for name, value in properties.items() if name not in {"QueueName", "Tags"}}
    return {name: _text(value) for name, value in resolve(own, references).items()}


@dataclass(frozen=True, slots=True)
class Stack:
    """A template whose parameters and resources have names."""

    template: Template
    references: References

    def ref(self, logical_id: str) -> str:
        return _lookup(logical_id, "Ref", self.references)

    def arn(self, logical_id: str) -> str:
        return _lookup(logical_id, "Arn", self.references)

    @property
    def environment(self) -> dict[str, str]:
        """What every function shares: the variables of Globals."""
        return self._variables(self._globals())

    @property
    def functions(self) -> dict[str, Function]:
        return {
            name: self._function(name, p) for name, p in self.template.resources("AWS::Serverless::Function")
        }

    @property
    def schedules(self) -> list[Schedule]:
        return [
            Schedule(
                name=p["Name"],
                function=function,
                expression=p["ScheduleExpression"],
                input=p.get("Input", "{}"),
            )
            for function, p in self._events("ScheduleV2")
        ]

    @property
    def queue_triggers(self) -> list[QueueTrigger]:
        return [
            QueueTrigger(
                function=function,
                queue=p["Queue"]["Fn::GetAtt"][0],
                batch_size=int(p.get("BatchSize", 10)),
                maximum_concurrency=int(resolve(p["ScalingConfig"]["MaximumConcurrency"], self.references)),
                reports_item_failures="ReportBatchItemFailures" in p.get("FunctionResponseTypes", []),
            )
            for function, p in self._events("SQS")
        ]

    @property
    def bucket_triggers(self) -> list[BucketTrigger]:
        return [
            BucketTrigger(function=function, bucket=p["Bucket"]["Ref"], event=p["Events"], prefix=_prefix(p))
            for function, p in self._events("S3")
        ]

    @property
    def routes(self) -> list[Route]:
        return [Route(function, p["Method"].upper(), p["Path"]) for function, p in self._events("HttpApi")]

    def _globals(self) -> dict[str, Any]:
        section: dict[str, Any] = self.template.document.get("Globals", {}).get("Function", {})
        return section

    def _variables(self, properties: Mapping[str, Any]) -> dict[str, str]:
        variables = properties.get("Environment", {}).get("Variables", {})
        return {name: _text(value) for name, value in resolve(variables, self.references).items()}

    def _function(self, logical_id: str, own: Mapping[str, Any]) -> Function:
        properties = {**self._globals(), **own}
        return Function(
            logical_id=logical_id,
            name=self.ref(logical_id),
            arn=self.arn(logical_id),
            directory=self.template.root / properties["CodeUri"],
            handler=properties["Handler"],
            memory_mb=properties["MemorySize"],
            timeout_seconds=properties["Timeout"],
            environment={**self.environment, **self._variables(own)},
        )

    def _events(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for function, properties in self.template.resources("AWS::Serverless::Function"):
            for event in properties.get("Events", {}).values():
                if event["Type"] == kind:
                    yield function, event["Properties"]


def _prefix(properties: Mapping[str, Any]) -> str:
    rules = properties.get("Filter", {}).get("S3Key", {}).get("Rules", [])
    return next((rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"), "")
