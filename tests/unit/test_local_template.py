from pathlib import Path

import pytest

from local.template import (
    Template,
    UnknownParameterError,
    UnresolvedReferenceError,
    UnsupportedIntrinsicError,
    queue_attributes,
    resolve,
)

TEMPLATE = """
Parameters:
  Port: {Type: Number, Default: 5432}
  Tls: {Type: String, Default: "off"}
  Host: {Type: String}
Conditions:
  Encrypted: !Not [!Equals [!Ref Tls, "off"]]
  Remote: !And [!Condition Encrypted, !Not [!Equals [!Ref Host, localhost]]]
Resources:
  Dead:
    Type: AWS::SQS::Queue
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${AWS::StackName}-work
      VisibilityTimeout: 30
      SqsManagedSseEnabled: true
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt Dead.Arn
        maxReceiveCount: 3
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return Template.load(path)


def test_parameters_are_strings_and_given_ones_win(template: Template) -> None:
    parameters = template.parameters({"Host": "db", "Port": "6000"})
    assert parameters == {"Port": {"Ref": "6000"}, "Tls": {"Ref": "off"}, "Host": {"Ref": "db"}}
    assert template.parameters({})["Port"] == {"Ref": "5432"}


def test_a_parameter_that_the_template_lacks_is_refused(template: Template) -> None:
    with pytest.raises(UnknownParameterError, match="Hots"):
        template.parameters({"Hots": "db"})


def test_intrinsics_resolve_in_depth() -> None:
    references = {"Stack": {"Ref": "dev"}, "Q": {"Ref": "http://q", "Arn": "arn:q"}}
    value = {
        "a": [{"Ref": "Q"}, {"Fn::GetAtt": ["Q", "Arn"]}],
        "b": {"Fn::Sub": "${Stack}/${Q.Arn}/${!literal}"},
        "c": {"Fn::Sub": ["${Name}-${Stack}", {"Name": {"Ref": "Q"}}]},
        "d": {"Ref": "Q", "beside": 1},
    }
    assert resolve(value, references) == {
        "a": ["http://q", "arn:q"],
        "b": "dev/arn:q/${literal}",
        "c": "http://q-dev",
        "d": {"Ref": "Q", "beside": 1},
    }


@pytest.mark.parametrize(
    ("tls", "host", "encrypted", "remote"),
    [
        ("on", "db", "true", "true"),
        ("on", "localhost", "true", "false"),
        ("off", "db", "false", "false"),
    ],
)
def test_conditions_hold_by_the_parameters(
    template: Template, tls: str, host: str, encrypted: str, remote: str
) -> None:
    conditions = template.conditions(template.parameters({"Tls": tls, "Host": host}))
    assert conditions == {"Encrypted": {"Condition": encrypted}, "Remote": {"Condition": remote}}


@pytest.mark.parametrize(("holds", "taken"), [("true", "db"), ("false", "here")])
def test_the_branch_that_is_not_taken_may_name_what_is_not_there(holds: str, taken: str) -> None:
    chosen = {"Fn::If": ["Remote", {"Ref": "Host"}, "here"]}
    given = {"Host": {"Ref": "db"}} if holds == "true" else {}
    assert resolve(chosen, {"Remote": {"Condition": holds}, **given}) == taken


def test_a_condition_that_is_not_known_is_not_guessed(template: Template) -> None:
    template.document["Conditions"]["Either"] = {"Fn::Or": [{"Condition": "Remote"}]}
    with pytest.raises(UnsupportedIntrinsicError, match="Fn::Or"):
        template.conditions(template.parameters({"Host": "db"}))


@pytest.mark.parametrize("value", [{"Ref": "Host"}, {"Fn::GetAtt": ["Dead", "Arn"]}, {"Fn::Sub": "${Host}"}])
def test_what_has_no_value_is_named(value: object) -> None:
    with pytest.raises(UnresolvedReferenceError, match=r"Host|Dead"):
        resolve(value, {"Dead": {"Ref": "url"}})


def test_an_intrinsic_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(UnsupportedIntrinsicError, match="Fn::Select"):
        resolve({"Fn::Select": [0, ["a"]]}, {})


def test_queue_attributes_are_what_sqs_takes(template: Template) -> None:
    (_, _), (_, properties) = template.resources("AWS::SQS::Queue")
    assert queue_attributes(properties, {"Dead": {"Arn": "arn:dead"}}) == {
        "VisibilityTimeout": "30",
        "SqsManagedSseEnabled": "true",
        "RedrivePolicy": '{"deadLetterTargetArn": "arn:dead", "maxReceiveCount": 3}',
    }
