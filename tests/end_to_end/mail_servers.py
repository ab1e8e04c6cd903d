"""Postfix and Dovecot on loopback, with configurations and mailboxes of their own."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DOMAIN = "example.test"
PASSWORD = "a-pass-word"

MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/postfix.log
maillog_file_prefixes = {base}
myhostname = mx.example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
smtputf8_enable = yes
virtual_mailbox_domains = example.test
virtual_mailbox_base = {base}/mailboxes
virtual_mailbox_maps = texthash:{base}/mailboxes.map
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {base}/chain.pem
"""

DOVECOT = """\
base_dir = {base}/dovecot
state_dir = {base}/dovecot-state
log_path = {base}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{base}/mailboxes/%Ln
mailbox_list_index = no
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mailboxes/%Ln
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


class Servers:
    """The servers' ports, and where their mailboxes lie."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.smtp, self.imap, self.pop3 = _ports(3)

    def on_the_wire(self) -> str:
        """What of loopback is theirs, as tcpdump writes it."""
        return " or ".join(f"tcp port {port}" for port in (self.smtp, self.imap, self.pop3))

    def delivered(self, user: str) -> list[Path]:
        return sorted((self.base / "mailboxes" / user / "new").glob("*"))

    def logs(self) -> str:
        paths = [self.base / "postfix.log", self.base / "dovecot.log"]
        return "\n".join(path.read_text()[-3000:] for path in paths if path.exists())


def missing() -> str | None:
    """Why the servers can't be run here; None when they can."""
    if os.geteuid() != 0:
        return "Postfix's master and tcpdump need root: run this test as root"
    programs = ["/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/pop3"]
    lacking = [name for name in programs if not Path(name).exists()]
    lacking += [name for name in ("tcpdump", "openssl") if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


@contextlib.contextmanager
def mail_servers() -> Iterator[Servers]:
    """Runs both servers. Their directory is one that their own users may enter."""
    base = Path(tempfile.mkdtemp(prefix="mandat-mail-"))
    base.chmod(0o755)
    servers = Servers(base)
    user = pwd.getpwnam("mail")
    values = {"base": base, "uid": user.pw_uid, "gid": user.pw_gid, "password": PASSWORD}
    values |= {"smtp": servers.smtp, "imap": servers.imap, "pop3": servers.pop3}
    try:
        _write(base, values, user.pw_uid, user.pw_gid)
        with contextlib.ExitStack() as running:
            _start_postfix(base, running)
            _start_dovecot(base, running)
            ports = (servers.smtp, servers.imap, servers.pop3)
            wait(lambda: all(map(_listens, ports)), lambda: f"a server doesn't listen\n{servers.logs()}")
            yield servers
    finally:
        shutil.rmtree(base, ignore_errors=True)


def wait(done: Callable[[], object], why: Callable[[], str], seconds: float = 30) -> None:
    """Waits until `done`."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, why()
        time.sleep(0.05)


def _write(base: Path, values: dict[str, object], uid: int, gid: int) -> None:
    for name in ("postfix", "queue", "mailboxes", "dovecot", "dovecot-state"):
        (base / name).mkdir(mode=0o755)
    (base / "data").mkdir(mode=0o700)
    shutil.chown(base / "data", "postfix")
    os.chown(base / "mailboxes", uid, gid)
    (base / "postfix/main.cf").write_text(MAIN.format(**values))
    (base / "postfix/master.cf").write_text(MASTER.format(**values))
    users = ("alice", "bob", "carol")
    (base / "mailboxes.map").write_text("".join(f"{user}@{DOMAIN} {user}/\n" for user in users))
    (base / "dovecot.conf").write_text(DOVECOT.format(**values))
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=mx.example.test",
    ]
    request += ["-keyout", str(base / "key.pem"), "-out", str(base / "cert.pem")]
    subprocess.run(request, check=True, capture_output=True)
    (base / "chain.pem").write_text((base / "key.pem").read_text() + (base / "cert.pem").read_text())


def _start_postfix(base: Path, running: contextlib.ExitStack) -> None:
    def postfix(word: str) -> subprocess.CompletedProcess[str]:
        line = ["/usr/sbin/postfix", "-c", str(base / "postfix"), word]
        # Its daemons outlive the command and would keep a pipe open.
        with (base / "postfix.out").open("a") as out:
            return subprocess.run(
                line, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False, text=True, timeout=60
            )

    done = postfix("start")
    running.callback(postfix, "stop")
    assert done.returncode == 0, (base / "postfix.out").read_text()


def _start_dovecot(base: Path, running: contextlib.ExitStack) -> None:
    dovecot = subprocess.Popen(
        ["/usr/sbin/dovecot", "-F", "-c", str(base / "dovecot.conf")], stdin=subprocess.DEVNULL
    )
    running.callback(dovecot.wait, timeout=20)
    running.callback(dovecot.terminate)


def _ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
