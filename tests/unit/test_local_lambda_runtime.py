import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.lambda_runtime import FunctionError, Functions, UnknownFunctionError
from local.template import Function

SHARED = {"GREETING": "hello"}

HANDLER = """
import dataclasses
import os
import time

busy = False
loaded_with = os.environ["GREETING"]


@dataclasses.dataclass
class Answer:
    pid: int
    greeting: str
    overlapped: bool


def handler(event, context):
    global busy
    match event:
        case {"raise": text}:
            raise ValueError(text)
        case {"exit": code}:
            os._exit(code)
        case {"answer": "set"}:
            return {1, 2}
        case {"context": _}:
            return {
                "name": context.function_name,
                "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb,
                "request": context.aws_request_id,
                "left": context.get_remaining_time_in_millis(),
            }
    overlapped, busy = busy, True
    time.sleep(event.get("sleep", 0))
    busy = False
    return dataclasses.asdict(Answer(os.getpid(), loaded_with, overlapped))
"""


def toy(directory: Path, environment: dict[str, str], timeout_seconds: int = 3) -> Function:
    return Function(
        logical_id="Toy",
        name="stack-Toy",
        arn="arn:aws:lambda:us-east-1:123456789012:function:stack-Toy",
        directory=directory,
        handler="handler.handler",
        memory_mb=256,
        timeout_seconds=timeout_seconds,
        environment=environment,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "handler.py").write_text(HANDLER)
    return tmp_path


@pytest.fixture(params=["shared environment", "environment of its own"])
def functions(request: pytest.FixtureRequest, directory: Path) -> Iterator[Functions]:
    environment = SHARED if request.param == "shared environment" else {"GREETING": "good day"}
    with Functions({"Toy": toy(directory, environment)}, SHARED) as running:
        yield running


def test_the_context_is_lambda_s(functions: Functions) -> None:
    first, second = (functions.invoke("Toy", {"context": 1}) for _ in range(2))
    assert first["name"] == "stack-Toy"
    assert first["arn"].endswith(":function:stack-Toy")
    assert first["memory"] == "256"
    assert 2000 < first["left"] <= 3000
    assert first["request"] != second["request"]


def test_an_error_is_its_class_and_place_and_never_its_text(functions: Functions) -> None:
    with pytest.raises(FunctionError) as caught:
        functions.invoke("Toy", {"raise": "private"})
    assert caught.value.error_type == "ValueError"
    assert "handler.py" in caught.value.trace
    assert "private" not in f"{caught.value}{caught.value.trace}"
    assert functions.invoke("Toy", {})["overlapped"] is False


def test_an_answer_that_is_no_json_is_an_error(functions: Functions) -> None:
    with pytest.raises(FunctionError, match="TypeError"):
        functions.invoke("Toy", {"answer": "set"})


def test_the_shared_environment_is_set_and_taken_back(directory: Path) -> None:
    with Functions({"Toy": toy(directory, SHARED)}, SHARED) as running:
        answer = running.invoke("Toy", {})
        assert answer == {"pid": os.getpid(), "greeting": "hello", "overlapped": False}
    assert "GREETING" not in os.environ


def test_a_function_with_variables_of_its_own_runs_in_its_own_process(directory: Path) -> None:
    with Functions({"Toy": toy(directory, {"GREETING": "good day"})}, SHARED) as running:
        first, second = running.invoke("Toy", {}), running.invoke("Toy", {})
        assert first["greeting"] == "good day"
        assert first["pid"] == second["pid"] != os.getpid()
        assert os.environ["GREETING"] == "hello"


def test_a_process_that_died_is_an_error_and_the_next_invocation_starts_cold(directory: Path) -> None:
    with Functions({"Toy": toy(directory, {"GREETING": "good day"})}, SHARED) as running:
        before = running.invoke("Toy", {})
        with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
            running.invoke("Toy", {"exit": 3})
        assert running.invoke("Toy", {})["pid"] != before["pid"]


def test_invocations_at_once_share_no_globals(directory: Path) -> None:
    with Functions({"Toy": toy(directory, SHARED)}, SHARED) as running, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: running.invoke("Toy", {"sleep": 0.05}), range(12)))
    assert not any(answer["overlapped"] for answer in answers)


def test_an_answer_after_the_timeout_is_an_error(directory: Path) -> None:
    function = toy(directory, SHARED, timeout_seconds=1)
    with (
        Functions({"Toy": function}, SHARED) as running,
        pytest.raises(FunctionError, match="FunctionTimeout"),
    ):
        running.invoke("Toy", {"sleep": 1.05})


def test_a_handler_that_cannot_be_loaded_is_an_error_of_the_function(directory: Path) -> None:
    (directory / "handler.py").write_text("import no_such_module_anywhere")
    with Functions({"Toy": toy(directory, SHARED)}, SHARED) as running:
        with pytest.raises(FunctionError, match="ModuleNotFoundError"):
            running.invoke("Toy", {})
        with pytest.raises(UnknownFunctionError):
            running.invoke("Other", {})
