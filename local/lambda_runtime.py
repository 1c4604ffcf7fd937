"""Runs functions/NAME/handler.py as Lambda would: JSON in, JSON out, one invocation at a time per sandbox.

Functions whose environment is the shared one run in this process, so that a caller may turn their clock. A
function with variables of its own (the API's database secret) gets a process of its own, as it would in
Lambda: settings are read once per process, and one process has one environment.
"""

import importlib.util
import json
import multiprocessing
import os
import queue
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from multiprocessing.connection import Connection
from threading import BoundedSemaphore, Lock
from types import TracebackType
from typing import Any, Protocol, Self

from local.template import Function

Handler = Callable[[Any, "LambdaContext"], Any]

# Invocations of one function at a time; more wait, and would do so for a core. As reserved concurrency.
AT_ONCE = os.cpu_count() or 1

_module_numbers = count(1)


class FunctionError(Exception):
    """The invocation failed. `error_type` is the class of what was raised; `trace` says where."""

    def __init__(self, function: str, error_type: str, trace: str) -> None:
        super().__init__(f"{function} failed with {error_type}")
        self.function = function
        self.error_type = error_type
        self.trace = trace


class FunctionTimeoutError(Exception):
    def __init__(self, timeout_seconds: int) -> None:
        super().__init__(f"task ran longer than its {timeout_seconds} seconds")


class UnknownFunctionError(Exception):
    def __init__(self, logical_id: str) -> None:
        super().__init__(f"the template has no function {logical_id}")


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    deadline: float
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    log_stream_name: str = field(
        default_factory=lambda: f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
    )
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    @classmethod
    def of(cls, function: Function) -> Self:
        return cls(
            function_name=function.name,
            invoked_function_arn=function.arn,
            memory_limit_in_mb=str(function.memory_mb),
            log_group_name=f"/aws/lambda/{function.name}",
            deadline=time.monotonic() + function.timeout_seconds,
        )

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class Sandbox(Protocol):
    @property
    def alive(self) -> bool: ...

    def invoke(self, payload: str) -> str: ...

    def close(self) -> None: ...


class ThreadSandbox:
    """The handler's module, loaded afresh: its globals are never shared by two invocations at a time."""

    def __init__(self, function: Function) -> None:
        self._function = function
        try:
            self._handler = _load_handler(function)
        except Exception as error:
            raise _failure(function, error) from error

    @property
    def alive(self) -> bool:
        return True

    def invoke(self, payload: str) -> str:
        context = LambdaContext.of(self._function)
        try:
            response = json.dumps(self._handler(json.loads(payload), context))
            _check_deadline(context, self._function)
        except Exception as error:
            raise _failure(self._function, error) from error
        return response

    def close(self) -> None:
        pass


class ProcessSandbox:
    def __init__(self, function: Function) -> None:
        self._function = function
        spawning = multiprocessing.get_context("spawn")
        self._connection, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(theirs, function), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def invoke(self, payload: str) -> str:
        try:
            self._connection.send(payload)
            failed, answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._process.join()
            raise FunctionError(self._function.logical_id, "Runtime.ExitError", "") from error
        if failed:
            raise FunctionError(self._function.logical_id, *answer)
        return str(answer)

    def close(self) -> None:
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(connection: Connection, function: Function) -> None:
    # Ctrl-C reaches the whole process group; this process ends when its parent closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(function.environment)
    sandbox: ThreadSandbox | None = None
    while True:
        try:
            payload = connection.recv()
        except EOFError:
            return
        try:
            sandbox = sandbox or ThreadSandbox(function)
            connection.send((False, sandbox.invoke(payload)))
        except FunctionError as error:
            connection.send((True, (error.error_type, error.trace)))


def _load_handler(function: Function) -> Handler:
    module_name, attribute = function.handler.rsplit(".", 1)
    unique = f"{function.logical_id}_{next(_module_numbers)}"
    spec = importlib.util.spec_from_file_location(unique, function.directory / f"{module_name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name=unique, path=str(function.directory))
    module = importlib.util.module_from_spec(spec)
    # pydantic and dataclasses look their module up by name.
    sys.modules[unique] = module
    spec.loader.exec_module(module)
    handler: Handler = getattr(module, attribute)
    return handler


def _failure(function: Function, error: Exception) -> FunctionError:
    trace = "".join(traceback.format_tb(error.__traceback__))
    return FunctionError(function.logical_id, type(error).__name__, trace)


def _check_deadline(context: LambdaContext, function: Function) -> None:
    """A thread cannot be killed as Lambda kills a sandbox, but its answer came too late all the same."""
    if not context.get_remaining_time_in_millis():
        raise FunctionTimeoutError(function.timeout_seconds)


class Functions:
    """The stack's functions, invoked by logical id. `with` sets the shared environment and takes it back."""

    def __init__(self, functions: Mapping[str, Function], environment: Mapping[str, str]) -> None:
        """`environment`: the variables all functions share, with the ones Lambda itself sets."""
        self._functions = functions
        self._environment = dict(environment)
        self._replaced: dict[str, str | None] = {}
        self._idle: dict[str, queue.LifoQueue[Sandbox]] = {name: queue.LifoQueue() for name in functions}
        self._room = {name: BoundedSemaphore(AT_ONCE) for name in functions}
        self._sandboxes: list[Sandbox] = []
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._replaced = {name: os.environ.get(name) for name in self._environment}
        os.environ.update(self._environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sandbox in self._sandboxes:
            sandbox.close()
        for name, value in self._replaced.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def invoke(self, logical_id: str, event: Any) -> Any:
        """The handler's answer; raises FunctionError when it raised, timed out or answered no JSON."""
        if logical_id not in self._functions:
            raise UnknownFunctionError(logical_id)
        with self._room[logical_id]:
            sandbox = self._take(logical_id)
            try:
                return json.loads(sandbox.invoke(json.dumps(event)))
            finally:
                if sandbox.alive:
                    self._idle[logical_id].put(sandbox)

    def _take(self, logical_id: str) -> Sandbox:
        try:
            return self._idle[logical_id].get_nowait()
        except queue.Empty:
            return self._cold_start(self._functions[logical_id])

    def _cold_start(self, function: Function) -> Sandbox:
        with self._lock:
            sandbox = (
                ThreadSandbox(function) if self._shares_environment(function) else ProcessSandbox(function)
            )
            self._sandboxes.append(sandbox)
        return sandbox

    def _shares_environment(self, function: Function) -> bool:
        return function.environment.items() <= self._environment.items()
