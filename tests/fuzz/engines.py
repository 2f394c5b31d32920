"""The two engines: each gives a target one input after another for some seconds, and keeps what it finds.

`python -m tests.fuzz.engines ENGINE TARGET SECONDS SEED FOLDER` runs one target in a process of its own, and prints one
line of JSON: executions, and the faults by their signature with the input of each. Inputs that break a property are
written to FOLDER, one a signature.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

LONGEST = 20_000
"""The most bytes of an input."""


class Recorder:
    """Runs a target, counts, and keeps one input for each signature of a fault."""

    def __init__(self, name: str, run: Callable[[bytes], None], limit: float, folder: Path) -> None:
        self.name, self.run, self.limit, self.folder = name, run, limit, folder
        self.executions = 0
        self.slowest = 0.0
        self.found: dict[str, str] = {}

    def __call__(self, data: bytes) -> None:
        self.executions += 1
        begin = time.monotonic()
        try:
            self.run(data)
        except Exception as error:  # noqa: BLE001 - whatever leaves the target is a find
            self._keep(signature(error), data)
        took = time.monotonic() - begin
        self.slowest = max(self.slowest, took)
        if took > self.limit and self._processor_seconds(data) > self.limit:
            self._keep(f"slower than {self.limit:g} s", data)

    def _processor_seconds(self, data: bytes) -> float:
        """Run an input again, and return the processor time: a busy machine makes any input slow."""
        begin = time.process_time()
        with contextlib.suppress(Exception):
            self.run(data)
        return time.process_time() - begin

    def _keep(self, fault: str, data: bytes) -> None:
        if fault not in self.found:
            path = self.folder / f"{self.name}-{hashlib.sha256(fault.encode()).hexdigest()[:10]}"
            path.write_bytes(data)
            self.found[fault] = path.name

    def summary(self) -> str:
        slowest = round(self.slowest, 2)
        return json.dumps({"executions": self.executions, "slowest": slowest, "found": self.found})


def signature(error: Exception) -> str:
    """Return what a fault is, without its values: the error's type and the last lines of our code that it passed."""
    frames = [
        f"{Path(each.filename).parent.name}/{Path(each.filename).name}:{each.lineno}"
        for each in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in each.filename
    ]
    text = str(error).split(" = ", 1)[0][:200] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} at {' < '.join(reversed(frames[-3:]))} {text}".strip()


def strategy(corpus: list[bytes], words: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """Return inputs: any bytes, and files of the corpus with pieces that are cut, put twice or replaced."""
    anything = st.binary(max_size=400)
    if not corpus:
        return anything
    piece = st.one_of(st.binary(max_size=12), st.sampled_from([each.encode() for each in words] or [b""]))
    edit = st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), piece, st.integers(0, 2))
    changed = st.builds(_edited, st.sampled_from(corpus), st.lists(edit, min_size=1, max_size=8))
    return st.one_of(changed, anything)


def _edited(data: bytes, edits: list[tuple[int, int, bytes, int]]) -> bytes:
    for start, length, piece, kind in edits:
        at = start % (len(data) + 1)
        cut = data[at : at + length]
        middle = piece if kind == 0 else cut + piece + cut if kind == 1 else b""
        data = data[:at] + middle + data[at + length :]
    return data[:LONGEST]


def by_hypothesis(run: Callable[[bytes], None], inputs: st.SearchStrategy[bytes], seconds: float, number: int) -> None:
    """Run rounds of 200 inputs until the time is over; each round has a seed of its own, counted from `number`."""
    end = time.monotonic() + seconds

    def once(data: bytes) -> None:
        if time.monotonic() < end:
            run(data)

    while time.monotonic() < end:
        given_inputs = given(inputs)(once)
        limits = settings(
            max_examples=200,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(limits(given_inputs))()
        number += 1


def by_atheris(run: Callable[[bytes], None], words: tuple[str, ...], options: list[str], folder: Path) -> None:
    """Run libFuzzer. It never returns: `run` ends the process."""
    import atheris

    if words:
        quoted = [json.dumps(each) for each in words]
        (folder / "words").write_text("\n".join(quoted) + "\n", "utf-8")
        options.append(f"-dict={folder / 'words'}")
    atheris.Setup([sys.argv[0], *options], run, internal_libfuzzer=True)
    atheris.Fuzz()


@contextlib.contextmanager
def _instrumented(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    import atheris

    with atheris.instrument_imports(include=["scanner", "tests.fuzz.choices"]):
        yield


def main(engine: str, name: str, seconds: str, number: str, folder: str) -> None:
    with _instrumented(engine == "atheris"):
        from tests.fuzz.targets import LIMIT, TARGETS, import_all

        import_all()
    (target,) = [each for each in TARGETS if each.name == name]
    directory = Path(folder)
    recorder = Recorder(name, target.run, LIMIT, directory)
    # The last words go to the stream that was there at the start: libFuzzer's own go to standard error.
    out = os.fdopen(os.dup(1), "w")
    if engine == "hypothesis":
        by_hypothesis(recorder, strategy(target.corpus(), target.words), float(seconds), int(number))
        print(recorder.summary(), file=out, flush=True)
        return
    seeds = directory / f"seeds-{name}"
    seeds.mkdir(exist_ok=True)
    for count, data in enumerate(target.corpus() or [bytes(range(256))]):
        (seeds / str(count)).write_bytes(data)
    end = time.monotonic() + float(seconds)

    def until_the_end(data: bytes) -> None:
        recorder(data)
        if time.monotonic() > end:
            print(recorder.summary(), file=out, flush=True)
            os._exit(0)

    options = [f"-seed={number}", f"-max_len={LONGEST}", "-timeout=120", "-rss_limit_mb=3000", "-verbosity=0"]
    by_atheris(until_the_end, target.words, [*options, str(seeds)], directory)


if __name__ == "__main__":
    main(*sys.argv[1:])
