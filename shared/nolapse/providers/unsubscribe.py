"""How a mail says that its reader may leave with one click (RFC 8058, which Gmail and Yahoo ask of bulk senders)."""


def one_click(url: str) -> dict[str, str]:
    """The headers of a mail whose `url` takes the mail client's POST."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
