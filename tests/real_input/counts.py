"""What the tests over real input counted, told at the end of the run."""

COUNTS: list[str] = []


def count(text: str) -> None:
    COUNTS.append(text)
