"""The dispatch function in a process of its own, to be killed; its settings come from the environment.

Reads {"now", "event"} as JSON from standard input, and writes the function's answer.
"""

import json
import runpy
import sys
from datetime import datetime

from local.clock import VirtualClock
from local.stack import ROOT
from nolapse.runtime import bootstrap
from nolapse.runtime.settings import Settings


def main() -> None:
    order = json.load(sys.stdin)
    bootstrap.install(bootstrap.Runtime(Settings.read(), VirtualClock(datetime.fromisoformat(order["now"]))))
    handler = runpy.run_path(str(ROOT / "functions" / "dispatch" / "handler.py"))["handler"]
    json.dump(handler(order["event"], None), sys.stdout)


if __name__ == "__main__":
    main()
