"""What holds for all tests."""

import gc
import signal

from hypothesis import settings

# A busy machine is slow, and a test that is timed fails there without a cause.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    # A shell that runs the tests in the background ignores Ctrl-C for all its children, and nohup SIGHUP; some tests
    # send these to one.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    # Thousands of collected tests live until the end: the collector of cycles need not look at them again and again.
    gc.collect()
    gc.freeze()
