"""Reading product: who rang the target and was not answered.

    mandat calls export LI-0001 --identity agency.key | python examples/missed_calls.py

The input is IRI as JSON lines, one record a line: BEGIN, CONTINUE, END, joined by their CIN.
"""

import json
import sys


def main() -> None:
    """Print start and caller of each call to the target that ended without an answer."""
    for line in sys.stdin:
        record = json.loads(line)
        to_target = record["matched"] in ("to", "request_uri")
        if record["iri_type"] == "END" and to_target and record["answer"] is None:
            print(record["start"], record["from"], record["end_reason"])


if __name__ == "__main__":
    main()
