"""A registrar and proxy (Kamailio) for telephones that hold a connection: TLS, WebSocket, WebSocket over TLS."""

import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .lab import program
from .switch import kamailio

SIP, TLS, WS, WSS = 25460, 5061, 25462, 25463
"""Its ports: UDP, TLS (RFC 3261's own, by which an unread connection is told), WebSocket in the clear, over TLS."""

CONFIG = """
#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
tcp_accept_no_cl=yes
enable_tls=yes
listen=udp:127.0.0.1:{SIP}
listen=tls:127.0.0.1:{TLS}
listen=tcp:127.0.0.1:{WS}
listen=tls:127.0.0.1:{WSS}
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
{modules}
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{place}/cert.pem")
modparam("tls", "private_key", "{place}/key.pem")
modparam("nathelper|registrar", "received_avp", "$avp(received)")
request_route {{
    {first}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ handle_ruri_alias(); {media} t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) t_relay();
        exit;
    }}
    if (is_method("REGISTER")) {{ fix_nated_register(); save("location", "0x04"); exit; }}
    if (!is_method("INVITE")) {{ sl_send_reply("405", "Only calls"); exit; }}
    record_route();
    if (proto != UDP) add_contact_alias();
    if (!lookup("location")) {{ sl_send_reply("404", "Not here"); exit; }}
    {media}
    t_on_reply("BACK");
    t_relay();
}}
onreply_route[BACK] {{ if (proto != UDP) add_contact_alias(); {media} }}
event_route[xhttp:request] {{
    if ($Rp == {WS} || $Rp == {WSS}) {{
        if (ws_handle_handshake()) exit;
    }}
    xhttp_reply("404", "Not here", "text/plain", "no\\n");
}}
"""


def certificate(place: Path) -> None:
    """A key and a certificate of its own for this machine."""
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    new += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(place / "key.pem")]
    subprocess.run([*new, "-out", str(place / "cert.pem")], check=True, capture_output=True, timeout=60)


def until(works: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Waits for something to be so."""
    end = time.monotonic() + seconds
    while not works():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


def listening(port: int) -> bool:
    """Whether a server of this machine takes a TCP connection."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def registrar(
    place: Path, *, modules: str = "", first: str = "", media: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """The server. `modules` loads more of them, `first` is done with each request, `media` with each description."""
    certificate(place)
    names = {"SIP": SIP, "TLS": TLS, "WS": WS, "WSS": WSS, "place": place}
    line = kamailio(place, CONFIG.format(modules=modules, first=first, media=media, **names))
    log = place / "registrar.log"
    with program(*line, log=log) as server:
        until(lambda: server.poll() is not None or listening(WSS), "kamailio")
        assert server.poll() is None, log.read_text()[-2000:]
        yield server


def trusting(place: Path, keylog: Path | None) -> ssl.SSLContext:
    """A client's TLS, with what it logs of its secrets."""
    context = ssl.create_default_context(cafile=str(place / "cert.pem"))
    if keylog:
        context.keylog_filename = str(keylog)
    return context
