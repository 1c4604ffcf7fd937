"""What an answer, or its absence, says of a message: for vendors that use HTTP's statuses as HTTP means them."""

from email.message import Message
from http import HTTPStatus
from urllib.error import URLError

from nolapse.domain.outcomes import Rejected, RetrySafe, Unknown
from nolapse.providers.deadline_transport import ConnectError
from nolapse.providers.retry_after import retry_delay

# These judge our key, sender identity, settings or pace, never the message: it was not taken, and the same
# message passes once an operator has put that right. Rejecting would turn a revoked key into reminders lost
# for good; retries that run out end as DEFERRED, which operators are told of.
NOT_THE_MESSAGES_FAULT = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


def refusal(
    provider: str, status: int, headers: Message, detail: str | None = None
) -> Rejected | RetrySafe | Unknown:
    """`detail` goes to a rejection's code: words that are neither a person's nor the vendor's free text."""
    code = f"{provider}:{status}"
    if status in NOT_THE_MESSAGES_FAULT:
        too_fast = status == HTTPStatus.TOO_MANY_REQUESTS
        return RetrySafe(code, retry_delay(headers) if too_fast else None)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Rejected(f"{code}:{detail}" if detail else code)
    return Unknown(code)


def failure(provider: str, error: Exception) -> RetrySafe | Unknown:
    """Of an exchange without an answer: ConnectError, OSError or HTTPException."""
    code = failure_code(provider, error)
    return RetrySafe(code) if isinstance(error, ConnectError) else Unknown(code)


def failure_code(provider: str, error: Exception) -> str:
    """The kind of error alone: its text may quote the request."""
    cause = error.reason if isinstance(error, URLError | ConnectError) else error
    return f"{provider}:{type(cause).__name__}"
