"""Answers of earlier scans in tests and benchmarks: their file, and how time passes for them."""

from pathlib import Path

import msgspec

from scanner.snapshot.ages import AgedAnswer, AnswersWriter, read_answers


def file_in(cache: Path) -> Path:
    """Return the only file of answers in a cache folder."""
    (path,) = (cache / "twolocks" / "answers").glob("*.answers")
    return path


def answers_in(path: Path) -> list[AgedAnswer]:
    """Return all answers of a file."""
    earlier = read_answers(path)
    found = [earlier.get(key) for key in earlier.found]
    earlier.close()
    return [each for each in found if each is not None]


def make_older(path: Path, seconds: int) -> None:
    """Write the answers of a file as if they had come earlier."""
    answers = answers_in(path)
    writer = AnswersWriter(path)
    for each in answers:
        writer.add(msgspec.structs.replace(each, at=each.at - seconds))
    assert writer.take_place()
