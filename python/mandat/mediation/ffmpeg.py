"""ffmpeg as a decoder: octets in, samples out, and nothing on disk. It runs where the recipient opens a recording."""

import shutil
import subprocess
from collections.abc import Sequence

PROGRAM = "ffmpeg"
TIMEOUT = 120
"""Seconds for one piece of a few minutes, which takes less than one: what takes longer was made to."""


class DecodeError(Exception):
    """ffmpeg could not decode a piece; the message holds nothing of it."""


def present() -> bool:
    """Whether there is one."""
    return shutil.which(PROGRAM) is not None


def decode(octets: bytes, options: Sequence[str], rate: int) -> bytes:
    """16-bit samples of one channel at `rate`, in the machine's order of a WAV (little-endian)."""
    quiet = (PROGRAM, "-hide_banner", "-loglevel", "quiet", "-nostdin", "-protocol_whitelist", "pipe")
    output = ("-map", "0:a:0", "-ac", "1", "-ar", str(rate), "-f", "s16le", "pipe:1")
    try:
        done = subprocess.run(
            [*quiet, *options, "-i", "pipe:0", *output],
            input=octets,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DecodeError("takes too long") from None
    except OSError as fault:
        raise DecodeError(fault.strerror or "can't be started") from None
    if done.returncode != 0 and not done.stdout:
        raise DecodeError("not what its encoding says")
    return done.stdout
