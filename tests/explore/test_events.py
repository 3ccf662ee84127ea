import asyncio
import json
from types import SimpleNamespace

from shoal.edits.review import Reviewer
from shoal.explore.events import events, look_ahead


class Open:
    """A request of a page that stays open."""

    def __init__(self):
        self.app = SimpleNamespace(state=SimpleNamespace(stopping=False))

    async def is_disconnected(self):
        return False


async def watched(explorer, enough):
    """Listen until `enough` says so; return what was sent."""
    told, request = [], Open()

    async def listen():
        async for line in events(explorer, request):
            told.append(json.loads(line.removeprefix("data: ")))

    listening = asyncio.create_task(listen())
    while not enough(told):
        await asyncio.sleep(0.01)
    request.app.state.stopping = True
    await listening
    return told


def test_pages_are_told_of_edits(digits):
    def enough(told):
        if len(told) == 1 and not digits.curation.seq:
            digits.curation.merge([0, 1])
        return len(told) == 2

    told = asyncio.run(watched(digits, enough))
    assert [news["seq"] for news in told] == [0, 1]
    assert told[0]["map"] == {"ready": True}


def test_the_review_queue_is_made_while_nobody_waits_for_it(digits, monkeypatch, ask):
    made = []
    queue = Reviewer.queue
    monkeypatch.setattr(Reviewer, "queue", lambda self: made.append(1) or queue(self))
    asyncio.run(watched(digits, lambda _: made))
    assert ask(digits).get("/api/review").json()["questions"]
    assert made == [1]


def test_a_reader_is_asked_nothing(digits, monkeypatch):
    asked = []
    queue = Reviewer.queue
    monkeypatch.setattr(Reviewer, "queue", lambda self: asked.append(1) or queue(self))
    digits.read_only = True
    look_ahead(digits)
    assert asked == []
    digits.read_only = False
    look_ahead(digits)
    assert asked == [1]
