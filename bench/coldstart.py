"""What a cold start costs in imports: `make bench NAME=coldstart` prints one figure a line, `name value`.

The floor is a bare handler: Powertools' Logger and Metrics, pg8000 and a boto3 SQS client. Each handler is imported in
fresh processes, in turn with the others, which see the layer's packages and shared/ and nothing else that is installed
here: a package that boto3 uses where it finds it, or 200 whose metadata are looked through, would be counted. The API
with the routes of licences, which a first request for some needs, dispatch with what an e-mail is made of; what is left
to a first invocation docs/performance.md says.
Processor time, which what else runs on the machine does not stretch. Ratios of medians of one run; `bare_ms` depends
on the machine and is printed for orientation only.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path
from statistics import median

from local.template import Template

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".nolapse/bench/layer"
REQUIREMENTS = ROOT / "layers/dependencies/requirements.txt"
ROUNDS = 7
BARE = """
import pg8000
import boto3
from aws_lambda_powertools import Logger, Metrics
Logger(service="bench"), Metrics(service="bench", namespace="bench")
boto3.client("sqs", region_name="us-east-1")
"""
HANDLERS = ("scan", "dispatch", "api", "catch_up", "provider_webhooks", "import_records", "operations", "reconcile",
            "forecast", "watchdog", "maintenance")  # fmt: skip
TIMED = """
import sys, time
began = time.process_time()
{body}
print(time.process_time() - began)
"""


def main() -> None:
    install()
    bodies = {"bare": BARE, **{name: handler(name) for name in HANDLERS}}
    # The first round fills the caches of files and of compiled modules; it counts for nothing.
    seconds: dict[str, list[float]] = {name: [] for name in bodies}
    for number in range(ROUNDS + 1):
        for name, body in bodies.items():
            took = fresh_process(body)
            if number:
                seconds[name].append(took)
    floor = median(seconds["bare"])
    write("bare_ms", floor * 1000)
    for name in HANDLERS:
        write(f"{name}_over_bare", median(seconds[name]) / floor)


def install() -> None:
    """The layer, as `sam build` fills it."""
    subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-m", "pip", "install", "-qqq", "--disable-pip-version-check", "--no-deps", "--upgrade",
         "--require-hashes", "--target", PLACE, "-r", REQUIREMENTS],
        check=True,
    )  # fmt: skip


def handler(name: str) -> str:
    routes = "\nimport nolapse.runtime.http, nolapse.api.licenses" if name == "api" else ""
    return f"sys.path.insert(0, {str(ROOT / 'functions' / name)!r})\nimport handler{routes}"


def fresh_process(body: str) -> float:
    run = subprocess.run(  # noqa: S603  the same
        # -S: without what this environment holds beside the layer.
        [sys.executable, "-S", "-c", TIMED.format(body=body)],
        env=environment(), cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(run.stdout)


@cache
def environment() -> dict[str, str]:
    """What the template sets outright, and Lambda: some of it is read at import."""
    template = Template.load(ROOT / "template.yaml").document
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    return {
        **{name: value for name, value in variables.items() if isinstance(value, str)},
        "PYTHONPATH": f"{PLACE}:{ROOT / 'shared'}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }


def write(name: str, value: float) -> None:
    sys.stdout.write(f"{name} {value:.2f}\n")


if __name__ == "__main__":
    main()
