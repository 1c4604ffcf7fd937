"""SQS on the wire and nothing behind it: the four calls that our path makes, in the JSON protocol, one queue in memory.

moto's server slows with the depth of a queue until it costs more than all else; this one's cost is constant, and it is
shown. Visibility is not played: what was received and is not deleted is lost, which a benchmark would notice.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import asyncio
import hashlib
import json
import sys
from collections import deque
from typing import Any
from uuid import uuid4


class Queue:
    def __init__(self) -> None:
        self.waiting: deque[dict[str, Any]] = deque()
        self.received: set[str] = set()

    def answer(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        match action:
            case "SendMessageBatch":
                return {"Successful": [self._put(entry) for entry in asked["Entries"]], "Failed": []}
            case "ReceiveMessage":
                most = min(asked.get("MaxNumberOfMessages", 1), len(self.waiting))
                messages = [self.waiting.popleft() for _ in range(most)]
                self.received.update(message["ReceiptHandle"] for message in messages)
                return {"Messages": messages}
            case "DeleteMessageBatch":
                self.received.difference_update(entry["ReceiptHandle"] for entry in asked["Entries"])
                return {"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]], "Failed": []}
            case "GetQueueAttributes":
                waiting, received = len(self.waiting), len(self.received)
                return {
                    "Attributes": {
                        "ApproximateNumberOfMessages": str(waiting),
                        "ApproximateNumberOfMessagesNotVisible": str(received),
                    }
                }
            case _:
                raise ValueError(f"{action} is not played")

    def _put(self, entry: dict[str, Any]) -> dict[str, Any]:
        body, name = entry["MessageBody"], uuid4().hex
        digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        self.waiting.append({"MessageId": name, "ReceiptHandle": name, "Body": body, "MD5OfBody": digest})
        return {"Id": entry["Id"], "MessageId": name, "MD5OfMessageBody": digest}


class Exchange(asyncio.Protocol):
    """HTTP/1.1 as botocore speaks it: every request has a Content-Length."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(headers.get(b"content-length", 0))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        action = head.partition(b"AmazonSQS.")[2].partition(b"\r\n")[0].decode()
        answer = json.dumps(self._queue.answer(action, json.loads(body))).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
            % len(answer)
            + answer
        )


async def serve() -> None:
    """On a free loopback port, which is printed; until it is killed."""
    queue = Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Exchange(queue), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1])
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
