"""Mail through real servers: what a warrant for an address gets of it, and what nobody gets."""

import imaplib
import json
import poplib
import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from .lab import Lab, tap
from .mail_servers import PASSWORD, Servers, mail_servers, missing, wait

ALICE = "alice@example.test"
SECRET = "mark-of-a-stranger-5d1f"
HIDDEN = "mark-behind-tls-77ab"

DOTS = (
    b"From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nMessage-ID: <dots@example.test>\r\n"
    b"Subject: =?utf-8?Q?d=C3=A9j=C3=A0?=\r\n vu\r\n\r\n.\r\n..two\r\nRCPT TO:<carol@example.test>\r\n.end\r\n"
)
CHUNKS = (
    "From: δοκιμή@παράδειγμα.example\r\nTo: Alice@EXAMPLE.test\r\nMessage-ID: <chunks@example.test>\r\n\r\n"
    "QUIT\r\n.\r\nno dot is stuffed here: δοκιμή\r\n"
).encode()
APPENDED = b"From: alice@example.test\r\nTo: draft@example.test\r\nMessage-ID: <draft@example.test>\r\n\r\nnot sent\r\n"


@dataclass
class Said:
    """What clients and servers said to each other."""

    capture: Path
    fetched: bytes
    retrieved: bytes


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    if (why := missing()) is not None:
        pytest.fail(why)
    path = tmp_path_factory.mktemp("mail") / "mail.pcap"
    with mail_servers() as servers, tap(path, servers.on_the_wire()):
        _smtp(servers)
        wait(lambda: len(servers.delivered("alice")) >= 2 and servers.delivered("bob"), servers.logs)
        return Said(path, _imap(servers), _pop3(servers))


def _smtp(servers: Servers) -> None:
    with smtplib.SMTP("127.0.0.1", servers.smtp, local_hostname="client.example.test") as smtp:
        smtp.sendmail(ALICE, ["bob@example.test"], DOTS)
        assert smtp.has_extn("chunking") and smtp.has_extn("smtputf8")
        smtp.mail("δοκιμή@παράδειγμα.example", ["SMTPUTF8", "BODY=8BITMIME"])
        smtp.rcpt(ALICE)
        half = len(CHUNKS) // 2
        for word, piece in (("", CHUNKS[:half]), (" LAST", CHUNKS[half:])):
            smtp.send(f"BDAT {len(piece)}{word}\r\n".encode() + piece)
            code, answer = smtp.getreply()
            assert code == 250, answer
        stranger = f"From: bob@example.test\r\nTo: carol@example.test\r\n\r\n{SECRET}\r\n".encode()
        smtp.sendmail("bob@example.test", ["carol@example.test"], stranger)
    with smtplib.SMTP("127.0.0.1", servers.smtp, local_hostname="client.example.test") as smtp:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        smtp.starttls(context=context)
        smtp.sendmail("carol@example.test", [ALICE], f"To: {ALICE}\r\n\r\n{HIDDEN}\r\n".encode())


def _imap(servers: Servers) -> bytes:
    with imaplib.IMAP4("127.0.0.1", servers.imap) as imap:
        imap.login(ALICE, PASSWORD)
        assert imap.append("INBOX", "", "", APPENDED)[0] == "OK"
        imap.select("INBOX")
        for number in imap.search(None, "ALL")[1][0].split():
            found = imap.fetch(number, "(FLAGS BODY[])")[1][0]
            assert isinstance(found, tuple)
            if b"chunks@example.test" in found[1]:
                return bytes(found[1])
    raise AssertionError("the message is not in the mailbox")


def _pop3(servers: Servers) -> bytes:
    pop3 = poplib.POP3("127.0.0.1", servers.pop3)
    pop3.user("bob@example.test")
    pop3.pass_(PASSWORD)
    _, lines, _ = pop3.retr(1)
    pop3.quit()
    return b"".join(line + b"\r\n" for line in lines)


@pytest.fixture
def watched(lab: Lab, said: Said) -> Lab:
    targets = [{"type": "emailAddress", "value": "ALICE@Example.TEST"}]
    lab.activate(lab.document("LI-MAIL", "intercept", targets=targets, product="IRIandCC"))
    report = lab.run(said.capture)
    assert report["counters"]["mail.hidden"] == 1
    assert report["counters"]["drop.mail_unselected"] == 1
    assert "drop.mail_given_up" not in report["counters"]
    return lab


def _opened(lab: Lab, tmp_path: Path) -> list[bytes]:
    found = []
    directory = lab.root / "product/LI-MAIL/mails"
    for path in sorted(directory.glob("*.json")):
        cin = json.loads(path.read_text())["cin"]
        where = str(tmp_path / "opened")
        lab.mandat("mails", "open", "LI-MAIL", str(cin), "--identity", str(lab.agency_key), "-o", where)
        found.append((tmp_path / "opened" / f"LI-MAIL-{cin}.eml").read_bytes())
    return found


def test_p60_every_message_of_the_address_is_kept_octet_for_octet(
    watched: Lab, said: Said, tmp_path: Path
) -> None:
    messages = _opened(watched, tmp_path)
    assert DOTS in messages
    assert CHUNKS in messages
    assert APPENDED in messages
    assert said.fetched in messages
    assert said.retrieved in messages
    # The two others that Alice's client fetched on its way.
    others = [m for m in messages if m not in (DOTS, CHUNKS, APPENDED, said.fetched, said.retrieved)]
    assert all(b"alice" in m.lower() for m in others)


def test_p60_envelopes_and_logins_are_facts(watched: Lab, said: Said) -> None:
    rows = watched.export("mails", "LI-MAIL")
    ends = {row["message_id"]: row for row in rows if row["event"] == "mail_end" and row["via"] == "smtp"}
    dots, chunks = ends["<dots@example.test>"], ends["<chunks@example.test>"]
    parties = {(party["role"], party["uri"]) for party in dots["parties"]}
    assert {("mail_from", ALICE), ("rcpt_to", "bob@example.test"), ("header_from", ALICE)} <= parties
    assert (dots["status"], dots["octets"], dots["name"]) == (250, len(DOTS), "client.example.test")
    assert ("mail_from", "δοκιμή@παράδειγμα.example") in {(p["role"], p["uri"]) for p in chunks["parties"]}
    assert chunks["matched"] == "rcpt_to"
    logins = [row for row in rows if row["event"] == "login"]
    assert [row["via"] for row in logins] == ["imap"], "bob is nobody's target"
    text = json.dumps(rows)
    assert PASSWORD not in text and "déjà" not in text, "a subject is content"


def test_p61_what_is_hidden_or_a_strangers_is_nowhere(watched: Lab, tmp_path: Path) -> None:
    messages = b"".join(_opened(watched, tmp_path))
    assert SECRET.encode() not in messages
    for path in watched.root.rglob("*"):
        if path.is_file():
            octets = path.read_bytes()
            assert SECRET.encode() not in octets and PASSWORD.encode() not in octets
    smtp = [row for row in watched.export("mails", "LI-MAIL") if row["via"] == "smtp"]
    assert all("carol" not in json.dumps(row) for row in smtp), "what went behind STARTTLS was not seen"


def test_facts_only_warrants_keep_no_message(lab: Lab, said: Said) -> None:
    targets = [{"type": "emailAddress", "value": ALICE}]
    lab.activate(lab.document("LI-IRI", "intercept", targets=targets))
    lab.run(said.capture)
    assert not (lab.root / "product/LI-IRI/mails").exists()
    done = lab.mandat("mails", "open", "LI-IRI", "0", "--identity", str(lab.agency_key), "-o", "x", code=2)
    assert "no_mail" in done.stderr or "no message" in done.stderr


def test_another_spelling_of_the_address_is_another_address(lab: Lab, said: Said) -> None:
    targets = [{"type": "emailAddress", "value": "alice+x@example.test"}]
    lab.activate(lab.document("LI-PLUS", "intercept", targets=targets, product="IRIandCC"))
    report = lab.run(said.capture)
    assert [task["sessions"] for task in report["tasks"]] == [0]
