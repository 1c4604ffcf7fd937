"""What WhatsApp lets open a conversation: texts that it has approved, and what fills them.

https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

DEFAULT = "default"
VARIABLE = re.compile(r"\{\{(.*?)\}\}")
# By number, as WhatsApp names them: who says it, what is said, and where to go on.
VARIABLES = {"1": "clinic", "2": "subject", "3": "portal"}


def _known_variables(text: str) -> str:
    named = set(VARIABLE.findall(text))
    if unknown := named - VARIABLES.keys():
        raise ValueError(
            f"{{{{{'}}, {{'.join(sorted(unknown))}}}}} is no variable: use {{{{1}}}} to {{{{3}}}}"
        )
    if "2" not in named:
        raise ValueError("{{2}}, what is said, is missing")
    return text


def _has_default(contents: Mapping[str, "ApprovedText"]) -> Mapping[str, "ApprovedText"]:
    if DEFAULT not in contents:
        raise ValueError(f"{DEFAULT!r} is missing: what is said where no wording has a text of its own")
    return contents


class ApprovedText(BaseModel):
    """`sid` is Twilio's ContentSid, `text` what was approved under it, to the letter: a message is found by it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    sid: str = Field(pattern="^HX[0-9a-f]{32}$")
    text: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_known_variables)]

    def filled(self, variables: Mapping[str, str]) -> str:
        return VARIABLE.sub(lambda found: variables[found[1]], self.text)


class WhatsApp(BaseModel):
    """Part of Twilio's secret. `contents` are by wording (`secondary`, `late`, ...), and `default` for the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    senders: list[str] = Field(min_length=1)
    contents: Annotated[Mapping[str, ApprovedText], AfterValidator(_has_default)]

    def text_for(self, wording: str) -> ApprovedText:
        return self.contents.get(wording, self.contents[DEFAULT])
