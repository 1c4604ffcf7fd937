"""template.yaml keeps its promises: nothing fails unseen, nothing may do more than it must."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.schedules import ticks
from local.template import Schedule, Template, resolve
from nolapse.api.identity import READ, WRITE, Role
from nolapse.delivery.flags import ENVIRONMENT, PROFILE
from nolapse.planning.importing.uploads import KEPT
from nolapse.runtime.operations import MOST_RESENT, OPERATION, PER_SECOND

ROOT = Path(__file__).parents[2]
TEMPLATE = Template.load(ROOT / "template.yaml")
GLOBALS: dict[str, Any] = TEMPLATE.document["Globals"]["Function"]
FUNCTIONS = {name: {**GLOBALS, **own} for name, own in TEMPLATE.resources("AWS::Serverless::Function")}
QUEUES = dict(TEMPLATE.resources("AWS::SQS::Queue"))
DEAD_LETTER_QUEUES = {name for name in QUEUES if name.endswith("Dlq")}


def events(kind: str | None = None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for function, properties in FUNCTIONS.items():
        for name, event in properties.get("Events", {}).items():
            if kind in {None, event["Type"]}:
                yield function, name, event["Properties"]


def get_att(value: Any) -> str:
    logical_id, attribute = value["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(logical_id)


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy statement that allows something, wherever it stands."""
    if isinstance(value, dict):
        if value.get("Effect") == "Allow":
            yield value
        for item in value.values():
            yield from statements(item)
    elif isinstance(value, list):
        for item in value:
            yield from statements(item)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def event_file(function: str, name: str) -> str:
    """scan_every_minute.json: the function's room, then its event's name."""
    return f"{Path(FUNCTIONS[function]['CodeUri']).name}_{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.json"


@pytest.mark.parametrize("name", sorted(QUEUES.keys() - DEAD_LETTER_QUEUES))
def test_every_queue_has_a_dead_letter_queue_that_takes_only_its_messages(name: str) -> None:
    policy = QUEUES[name]["RedrivePolicy"]
    dead_letters = get_att(policy["deadLetterTargetArn"])
    assert dead_letters in DEAD_LETTER_QUEUES
    assert policy["maxReceiveCount"] >= 5
    allowed = QUEUES[dead_letters]["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    own_name = QUEUES[name]["QueueName"]["Fn::Sub"]
    assert [arn["Fn::Sub"].rpartition(":")[2] for arn in allowed["sourceQueueArns"]] == [
        own_name.rpartition(":")[2]
    ]
    assert QUEUES[dead_letters]["MessageRetentionPeriod"] > QUEUES[name]["MessageRetentionPeriod"]


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_every_queue_is_encrypted(name: str) -> None:
    assert QUEUES[name]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("name", sorted(DEAD_LETTER_QUEUES))
def test_every_dead_letter_queue_has_an_alarm_that_someone_hears(name: str) -> None:
    alarms = [
        alarm
        for _, alarm in TEMPLATE.resources("AWS::CloudWatch::Alarm")
        if {"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}} in alarm["Dimensions"]
    ]
    assert [alarm["MetricName"] for alarm in alarms] == ["ApproximateNumberOfMessagesVisible"]
    assert (alarms[0]["Threshold"], alarms[0]["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    topics = dict(TEMPLATE.resources("AWS::SNS::Topic"))
    assert all(topics[action["Ref"]]["Subscription"] for action in alarms[0]["AlarmActions"])


@pytest.mark.parametrize("function", ["provider_webhooks", "catch_up"])
def test_who_learns_that_nobody_was_told_has_an_alarm_that_someone_hears(function: str) -> None:
    (alarm,) = (
        alarm
        for _, alarm in TEMPLATE.resources("AWS::CloudWatch::Alarm")
        if alarm["MetricName"] == "bounced_for_good"
        and {"Name": "function", "Value": function} in alarm["Dimensions"]
    )
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert alarm["AlarmActions"] == [{"Ref": "AlertsTopic"}]


@pytest.mark.parametrize("schedule", [properties for _, _, properties in events("ScheduleV2")])
def test_every_schedule_is_an_exact_utc_heartbeat_that_loses_nothing(schedule: dict[str, Any]) -> None:
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["State"] == "ENABLED"
    assert schedule["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert schedule["RetryPolicy"]["MaximumEventAgeInSeconds"] >= 60
    assert get_att(schedule["DeadLetterConfig"]["Arn"]) in DEAD_LETTER_QUEUES


def test_maintenance_is_over_before_reconcile_begins() -> None:
    by_function = {function: p["ScheduleExpression"] for function, _, p in events("ScheduleV2")}
    timeout = timedelta(seconds=FUNCTIONS["MaintenanceFunction"]["Timeout"])
    schedules = [
        Schedule(name=name, function=name, expression=by_function[name], input="{}")
        for name in ("MaintenanceFunction", "ReconcileFunction")
    ]
    due = ticks(schedules, datetime(2026, 11, 22, 12, tzinfo=UTC))
    maintenance, reconcile = next(due), next(due)
    assert maintenance.schedule.function == "MaintenanceFunction"
    assert maintenance.at + timeout < reconcile.at


def test_a_deploy_of_this_stack_and_of_no_other_runs_catch_up_and_loses_no_run() -> None:
    ((function, _, rule),) = events("EventBridgeRule")
    assert function == "CatchUpFunction"
    pattern = dict(rule["Pattern"])
    detail = pattern.pop("detail")
    assert pattern == {
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
    }
    assert detail == {
        "stack-id": [{"Ref": "AWS::StackId"}],
        "status-details": {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]},
    }
    assert rule["RetryPolicy"]["MaximumRetryAttempts"] > 0
    dead_letters = get_att(rule["DeadLetterConfig"]["Arn"])
    # A rule has no role of its own: the queue lets it in, and no other one.
    (policy,) = (p for _, p in TEMPLATE.resources("AWS::SQS::QueuePolicy"))
    (allowed,) = statements(policy)
    assert (policy["Queues"], get_att(allowed["Resource"])) == ([{"Ref": dead_letters}], dead_letters)
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["CatchUpFunctionDeployed", "Arn"]}}
    }


def test_the_event_of_a_deploy_is_one_that_the_rule_lets_through() -> None:
    ((_, name, rule),) = events("EventBridgeRule")
    event = json.loads((ROOT / "events" / event_file("CatchUpFunction", name)).read_text())
    assert event["source"] in rule["Pattern"]["source"]
    assert event["detail-type"] in rule["Pattern"]["detail-type"]
    assert event["detail"]["status-details"]["status"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert event["resources"] == [event["detail"]["stack-id"]]


@pytest.mark.parametrize("function", sorted({f for kind in ("ScheduleV2", "S3") for f, _, _ in events(kind)}))
def test_what_an_asynchronous_invocation_gives_up_on_is_kept(function: str) -> None:
    on_failure = FUNCTIONS[function]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert on_failure["Type"] == "SQS"
    assert get_att(on_failure["Destination"]) in DEAD_LETTER_QUEUES


@pytest.mark.parametrize(("function", "mapping"), [(function, p) for function, _, p in events("SQS")])
def test_a_message_stays_hidden_for_six_function_timeouts(function: str, mapping: dict[str, Any]) -> None:
    queue = QUEUES[get_att(mapping["Queue"])]
    assert queue["VisibilityTimeout"] >= 6 * FUNCTIONS[function]["Timeout"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumConcurrency" in mapping["ScalingConfig"]


def test_an_attempt_ends_before_its_lease_and_its_lease_before_the_message_comes_back() -> None:
    variables = GLOBALS["Environment"]["Variables"]
    limits = [
        int(variables["PROVIDER_TIMEOUT_SECONDS"]),
        FUNCTIONS["DispatchEmailFunction"]["Timeout"],
        int(variables["LEASE_SECONDS"]),
        QUEUES["EmailQueue"]["VisibilityTimeout"],
    ]
    assert limits == sorted(set(limits))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_built_alike(name: str) -> None:
    function = FUNCTIONS[name]
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert function["Layers"] == [{"Ref": "DependenciesLayer"}, {"Ref": "NolapseLayer"}]
    assert function["Handler"] == "handler.handler"
    assert function["VpcConfig"].keys() == {"SubnetIds", "SecurityGroupIds"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_s_log_group_is_kept_for_a_while_only(name: str) -> None:
    log_group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]
    assert "RetentionInDays" in dict(TEMPLATE.resources("AWS::Logs::LogGroup"))[log_group]


def test_every_function_has_its_room_and_every_room_its_function() -> None:
    rooms = {f"functions/{path.parent.name}/" for path in ROOT.glob("functions/*/handler.py")}
    assert {function["CodeUri"] for function in FUNCTIONS.values()} == rooms


def test_layers_hold_what_they_say() -> None:
    layers = dict(TEMPLATE.resources("AWS::Serverless::LayerVersion"))
    assert (ROOT / layers["DependenciesLayer"]["ContentUri"] / "requirements.txt").is_file()
    assert (ROOT / layers["NolapseLayer"]["ContentUri"] / "nolapse" / "__init__.py").is_file()
    # The build puts ContentUri's contents below python/ itself.
    assert not [name for name, layer in layers.items() if (ROOT / layer["ContentUri"] / "python").exists()]


def test_no_policy_allows_everything() -> None:
    found = list(statements(TEMPLATE.document["Resources"]))
    assert found
    for statement in found:
        assert not [action for action in listed(statement["Action"]) if "*" in action]
        assert "*" not in listed(statement.get("Resource", []))
        assert statement.get("Principal") != "*"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_may_read_only_the_secrets_that_its_environment_names(name: str) -> None:
    readable = {
        policy["AWSSecretsManagerGetSecretValuePolicy"]["SecretArn"]["Ref"]
        for policy in FUNCTIONS[name].get("Policies", [])
        if "AWSSecretsManagerGetSecretValuePolicy" in policy
    }
    own = (
        dict(TEMPLATE.resources("AWS::Serverless::Function"))[name]
        .get("Environment", {})
        .get("Variables", {})
    )
    variables = {**GLOBALS["Environment"]["Variables"], **own}
    assert variables["DATABASE_SECRET_ID"]["Ref"] in readable
    assert readable <= {value["Ref"] for key, value in variables.items() if key.endswith("_SECRET_ID")}


def test_whoever_asks_flags_reads_those_of_the_stack_and_nothing_else() -> None:
    readers = {
        name: [arn["Fn::Sub"].rpartition(":")[2] for arn in listed(statement["Resource"])]
        for name, function in FUNCTIONS.items()
        for statement in statements(function.get("Policies", []))
        if "appconfig:GetLatestConfiguration" in listed(statement["Action"])
    }
    assert readers == {
        "ScanFunction": [
            "application/${FlagsApplication}/environment/${FlagsEnvironment}/configuration/${FlagsProfile}"
        ]
    }
    names = {
        logical_id: properties["Name"]
        for kind in ("Environment", "ConfigurationProfile")
        for logical_id, properties in TEMPLATE.resources(f"AWS::AppConfig::{kind}")
    }
    assert names == {"FlagsEnvironment": ENVIRONMENT, "FlagsProfile": PROFILE}


def test_what_an_import_rejected_is_offered_as_long_as_the_bucket_keeps_it() -> None:
    (rule,) = dict(TEMPLATE.resources("AWS::S3::Bucket"))["ImportsBucket"]["LifecycleConfiguration"]["Rules"]
    assert timedelta(days=rule["ExpirationInDays"]) == KEPT


def test_an_import_never_triggers_itself() -> None:
    (uploaded,) = (p for _, _, p in events("S3"))
    prefixes = [rule["Value"] for rule in uploaded["Filter"]["S3Key"]["Rules"] if rule["Name"] == "prefix"]
    written = [
        statement["Resource"]["Fn::Sub"]
        for statement in statements(FUNCTIONS["ImportRecordsFunction"]["Policies"])
        if "s3:PutObject" in listed(statement["Action"])
    ]
    assert prefixes
    assert written
    assert not [key for key in written for prefix in prefixes if f"/{prefix}" in key]


def test_every_trigger_has_an_event_and_every_event_a_trigger() -> None:
    by_hand = {"operations_dlq_list.json"}
    triggers = {event_file(f, name) for f, name, _ in events()}
    assert {path.name for path in ROOT.glob("events/*")} == triggers | by_hand


def test_the_dashboard_calls_a_function_of_ours_with_events_that_it_knows() -> None:
    (dashboard,) = (p for _, p in TEMPLATE.resources("AWS::CloudWatch::Dashboard"))
    widgets = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    assert {widget["properties"]["endpoint"] for widget in widgets} == {"${OperationsFunction.Arn}"}
    assert [OPERATION.validate_python(widget["properties"]["params"]).action for widget in widgets] == [
        "holds.list",
        "dlq.list",
        "resend",
    ]


@pytest.mark.parametrize(("function", "name", "schedule"), list(events("ScheduleV2")))
def test_a_schedule_s_event_has_the_fields_of_its_input(
    function: str, name: str, schedule: dict[str, Any]
) -> None:
    event = json.loads((ROOT / "events" / event_file(function, name)).read_text())
    assert event.keys() == json.loads(schedule["Input"]).keys()


def test_every_environment_gives_the_same_parameters_their_names() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    required = {name for name, p in TEMPLATE.document["Parameters"].items() if "Default" not in p}
    for environment in ("dev", "staging", "production"):
        given = dict(
            item.split("=", 1) for item in config[environment]["deploy"]["parameters"]["parameter_overrides"]
        )
        assert required <= given.keys() <= TEMPLATE.document["Parameters"].keys()
        assert all(given[name].startswith(f"/nolapse/{environment}/") for name in required)


def test_no_tenant_within_its_limit_takes_another_s_place_at_the_gateway() -> None:
    (api,) = (properties for _, properties in TEMPLATE.resources("AWS::Serverless::HttpApi"))
    per_tenant = TEMPLATE.document["Parameters"]["ApiPerTenantMinute"]
    routes = [properties for _, _, properties in events("HttpApi")]
    paths = {route["Path"] for route in routes if "Authorizer" in route.get("Auth", {})}
    # With what browsers ask of it beforehand, without a token.
    shared = {f"{route['Method']} {route['Path']}" for route in routes if route["Path"] in paths}
    assert api["RouteSettings"].keys() == shared
    for route in api["RouteSettings"].values():
        assert route["ThrottlingRateLimit"] * 60 >= 2 * per_tenant["MaxValue"] >= 10 * per_tenant["Default"]
        assert route["ThrottlingBurstLimit"] >= route["ThrottlingRateLimit"]
        assert route["ThrottlingRateLimit"] > api["DefaultRouteSettings"]["ThrottlingRateLimit"]


def test_browsers_that_may_call_the_api_may_follow_its_links_to_the_bucket() -> None:
    (bucket,) = (properties for _, properties in TEMPLATE.resources("AWS::S3::Bucket"))
    condition, configuration, otherwise = bucket["CorsConfiguration"]["Fn::If"]
    origins = GLOBALS["Environment"]["Variables"]["CORS_ORIGINS"]
    assert TEMPLATE.document["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [origins, ""]}]}
    assert otherwise == {"Ref": "AWS::NoValue"}
    (rule,) = configuration["CorsRules"]
    # As the API reads them: runtime/settings.py.
    assert rule["AllowedOrigins"] == {"Fn::Split": [",", origins]}
    signed = {"s3:PutObject": "PUT", "s3:GetObject": "GET"}
    linked = {
        signed[action]
        for statement in statements(FUNCTIONS["ApiFunction"]["Policies"])
        for action in listed(statement["Action"])
        if action.startswith("s3:")
    }
    assert set(rule["AllowedMethods"]) == linked


POOL = {
    name: resource
    for name, resource in TEMPLATE.document["Resources"].items()
    if resource["Type"].startswith("AWS::Cognito::")
}
CLIENTS = dict(TEMPLATE.resources("AWS::Cognito::UserPoolClient"))


def test_the_user_pool_is_made_where_no_issuer_is_named_and_is_then_the_issuer() -> None:
    conditions = TEMPLATE.document["Conditions"]
    assert conditions["MakesUserPool"] == {"Fn::Equals": [{"Ref": "OidcIssuer"}, ""]}
    assert {"Condition": "MakesUserPool"} in conditions["LetsMachineIn"]["Fn::And"]
    assert {resource["Condition"] for resource in POOL.values()} == {"MakesUserPool", "LetsMachineIn"}
    settings, gateway = GLOBALS["Environment"]["Variables"], authorizer()
    made = {
        "MakesUserPool": {"Condition": "true"}, "LetsMachineIn": {"Condition": "true"},
        "AWS::Region": {"Ref": "eu-central-1"}, "UserPool": {"Ref": "eu-central-1_x"},
        "PeopleClient": {"Ref": "people"}, "MachineClient": {"Ref": "machine"},
        "NamesAudience": {"Condition": "true"}, "OidcAudience": {"Ref": "more,yet-more"},
    }  # fmt: skip
    issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_x"
    assert resolve(settings["OIDC_ISSUER"], made) == resolve(gateway["issuer"], made) == issuer
    assert resolve(settings["OIDC_KEYS_URL"], made) == f"{issuer}/.well-known/jwks.json"
    assert gateway["audience"] == {"Fn::Split": [",", settings["OIDC_AUDIENCE"]]}
    assert resolve(settings["OIDC_AUDIENCE"], made) == "people,machine,more,yet-more"
    alone = {**made, "LetsMachineIn": {"Condition": "false"}, "NamesAudience": {"Condition": "false"}}
    assert resolve(settings["OIDC_AUDIENCE"], alone) == "people"
    named = {"MakesUserPool": {"Condition": "false"}, "OidcIssuer": {"Ref": "https://issuer.test"}}
    assert (
        resolve(settings["OIDC_ISSUER"], named) == resolve(gateway["issuer"], named) == "https://issuer.test"
    )


def authorizer() -> dict[str, Any]:
    (api,) = (properties for _, properties in TEMPLATE.resources("AWS::Serverless::HttpApi"))
    found: dict[str, Any] = api["Auth"]["Authorizers"]["Oidc"]["JwtConfiguration"]
    return found


def test_groups_are_roles_and_only_admins_make_accounts() -> None:
    groups = {properties["GroupName"] for _, properties in TEMPLATE.resources("AWS::Cognito::UserPoolGroup")}
    assert groups == set(Role)
    (pool,) = (properties for _, properties in TEMPLATE.resources("AWS::Cognito::UserPool"))
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["MfaConfiguration"] == "ON"
    assert POOL["UserPool"]["DeletionPolicy"] == POOL["UserPool"]["UpdateReplacePolicy"] == "Retain"


def test_scopes_are_those_that_the_api_asks_for() -> None:
    (server,) = (properties for _, properties in TEMPLATE.resources("AWS::Cognito::UserPoolResourceServer"))
    named = {
        f"{server['Identifier']}/{each['ScopeName']}" for each in server["Scopes"] if "ScopeName" in each
    }
    assert named == {READ, WRITE, f"nolapse/{Role.CLINIC}"}
    for client in CLIENTS.values():
        asked = {each for each in client["AllowedOAuthScopes"] if isinstance(each, str)}
        assert asked <= named | {"openid"}
        assert {READ, WRITE} <= asked


def test_people_sign_in_by_a_code_and_without_a_secret_and_no_refresh_token_is_good_twice() -> None:
    people = CLIENTS["PeopleClient"]
    assert (people["AllowedOAuthFlows"], people["GenerateSecret"]) == (["code"], False)
    # What a machine's scopes say must be beyond a person's reach, and so must what names a person's records.
    assert set(people["AllowedOAuthScopes"]) == {"openid", READ, WRITE}
    assert people["WriteAttributes"] == ["email"]
    assert people["RefreshTokenRotation"]["Feature"] == "ENABLED"
    # Cognito takes one way to refresh or the other.
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in people["ExplicitAuthFlows"]
    assert people["TokenValidityUnits"]["AccessToken"] == "minutes"
    assert people["AccessTokenValidity"] <= 60
    machine = CLIENTS["MachineClient"]
    assert (machine["AllowedOAuthFlows"], machine["GenerateSecret"]) == (["client_credentials"], True)


def test_what_operations_sends_again_in_one_call_takes_half_of_its_time() -> None:
    assert FUNCTIONS["OperationsFunction"]["Timeout"] / 2 >= MOST_RESENT / PER_SECOND
