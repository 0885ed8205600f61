"""Backends start without their log lines, unless somebody asks for them."""

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator

ASKED_FOR = "TF_CPP_MIN_LOG_LEVEL"
"""Who sets this variable gets what TensorFlow logs at that level."""

QUIETEST = "3"

# `I0000 00:00:1795789866.050671    2629 cudart_stub.cc:31] …`, with what follows it.
LOG_LINE = re.compile(
    rb"^(?:[IWEF]\d{4} .*?\] .*|WARNING: All log messages before absl::Init.*"
    rb"|To enable the following instructions: .*"
    rb"|INFO: Created TensorFlow Lite XNNPACK delegate .*)\n?",
    re.MULTILINE,
)


@contextlib.contextmanager
def without_log_lines() -> Iterator[None]:
    """Takes log lines of native code out of standard error.

    They are written past Python, some of them before any level can be set. What else
    comes meanwhile appears when the block ends, also by an error. TensorFlow's own
    logger, which sets its level when it is imported, then keeps to errors.
    """
    if os.environ.get(ASKED_FOR, QUIETEST) != QUIETEST:
        yield
        return
    os.environ[ASKED_FOR] = QUIETEST  # what the backend says after its start
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as written:
            os.dup2(written.fileno(), 2)
            try:
                yield
            finally:
                logging.getLogger("tensorflow").setLevel(logging.ERROR)
                sys.stderr.flush()
                os.dup2(kept, 2)
                written.seek(0)
                rest = LOG_LINE.sub(b"", written.read())
                if rest:
                    os.write(2, rest)
    finally:
        os.close(kept)
