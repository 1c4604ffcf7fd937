"""What Twilio's error codes mean for the next try.

Each is documented at https://www.twilio.com/docs/api/errors/CODE. A code stands in one table at most; one that
stands in none is judged by the status that came with it.
"""

from collections.abc import Mapping
from datetime import timedelta

# Another try would only cost money or reputation.
PERMANENT: Mapping[int, str] = {
    21211: "the number is none",
    21610: "the recipient has said STOP to this sender",
    21612: "this sender reaches no number of that country or network; others it does",
    21614: "the number can't take an SMS",
    21617: "the text is longer than 1600 characters",
    21635: "the number is a landline",
    30004: "the recipient or their carrier blocks the message",
    30005: "the handset is unknown or out of service",
    30006: "a landline, or a carrier that can't be reached",
    30007: "a carrier or Twilio filtered the message",
    30034: "a United States number that is registered with no A2P 10DLC campaign",
    63003: "the recipient is not on the channel",
    63005: "the channel did not take the content",
    63013: "the content breaks the channel's policy",
    63016: "free text outside WhatsApp's 24 hours: only a template may open a conversation",
    63021: "the channel does not support the content",
    63024: "the recipient is not valid on the channel",
    63032: "WhatsApp's own limits keep the message from this user",
}

# The same message passes later; an answer without a Retry-After gets this much.
LATER: Mapping[int, timedelta] = {
    # Queues of a sender: each drains at a message a second or faster.
    21611: timedelta(minutes=15),
    30001: timedelta(minutes=15),
    # The handset is off or out of reach.
    30003: timedelta(minutes=15),
    # Quiet hours by Twilio's reading of the number: the recipient's real ones are ours to know.
    30610: timedelta(hours=1),
    # Limits of a rolling day.
    63018: timedelta(hours=1),
    63038: timedelta(hours=1),
}

# These judge our account, sender or template: the same message passes once an operator has put that right.
OURS: Mapping[int, str] = {
    20003: "the credentials are not valid",
    20005: "the account is not active",
    21212: "the sender's number is none",
    21408: "the account may not send to this region",
    21601: "the sender's number is none of the account's",
    21603: "there is no sender",
    21606: "the sender's number is not the account's, or can't send an SMS",
    21608: "a trial account sends to verified numbers alone",
    21655: "the template is unknown",
    21656: "the template's variables are not those that it was given",
    21659: "the sender is no number of Twilio's",
    21660: "the sender's number belongs to another account",
    21661: "the sender's number can't send an SMS",
    21703: "the messaging service has no sender that fits",
    21704: "the messaging service has no sender",
    21705: "the messaging service is unknown",
    21910: "the sender is of another channel",
    30002: "the account is suspended",
    30032: "the sender's toll-free number is not verified",
    63007: "the channel has no such sender",
    63112: "Meta has disabled the business account",
}
