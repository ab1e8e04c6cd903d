"""An overseer's check of an operator's log, on a copy of its public files, with `mandat.log` alone.

    python examples/overseer.py LOG-DIRECTORY VKEY [OLDER-CHECKPOINT]

LOG-DIRECTORY holds `checkpoint` and `tile/`; VKEY is the log's public key, which the overseer got by another way than
the log itself; OLDER-CHECKPOINT is one kept from the last visit. Exit status 1 says that the log does not hold.
"""

import sys
from pathlib import Path

from mandat.log import LogFault, Verifier, audit


def main() -> int:
    """Verify the log, and that it still holds all that it held at the last visit."""
    directory, vkey, *older = sys.argv[1:]
    try:
        report = audit(
            Path(directory),
            Verifier.parse(vkey),
            older=Path(older[0]).read_bytes() if older else None,
        )
    except LogFault as fault:
        print(f"the log does not hold: {fault}", file=sys.stderr)
        return 1
    print(f"{report.origin}: {report.size} entries, root {report.root.hex()}")
    print(f"{report.unexplained} of them sealed: each opens only to those who hold its case")
    return 0


if __name__ == "__main__":
    sys.exit(main())
