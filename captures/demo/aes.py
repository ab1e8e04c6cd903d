"""AES-128 in GCM mode, encryption only: what a QUIC Initial needs (FIPS 197, SP 800-38D).

Slow, and never used on secrets.
"""


def _sbox() -> bytes:
    """Compute the S-box (FIPS 197, 5.1.1) instead of listing it."""
    box = bytearray(256)
    p = q = 1
    while True:
        p ^= (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= (q << shift) & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = q
        for shift in (1, 2, 3, 4):
            rotated ^= (q << shift | q >> (8 - shift)) & 0xFF
        box[p] = rotated ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return bytes(box)


_SBOX = _sbox()


def _double(x: int) -> int:
    return (x << 1) & 0xFF ^ (0x1B if x & 0x80 else 0)


def _round_keys(key: bytes) -> list[bytes]:
    words = [key[n : n + 4] for n in range(0, 16, 4)]
    constant = 1
    for n in range(4, 44):
        word = words[n - 1]
        if n % 4 == 0:
            word = bytes(_SBOX[word[(i + 1) % 4]] for i in range(4))
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _double(constant)
        words.append(bytes(a ^ b for a, b in zip(word, words[n - 4], strict=True)))
    return [b"".join(words[n : n + 4]) for n in range(0, 44, 4)]


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block of 16 octets."""
    keys = _round_keys(key)
    state = bytes(a ^ b for a, b in zip(block, keys[0], strict=True))
    for number in range(1, 11):
        state = bytes(_SBOX[state[(n + 4 * (n % 4)) % 16]] for n in range(16))
        if number < 10:
            mixed = bytearray()
            for column in (state[n : n + 4] for n in range(0, 16, 4)):
                every = column[0] ^ column[1] ^ column[2] ^ column[3]
                mixed += bytes(column[n] ^ every ^ _double(column[n] ^ column[(n + 1) % 4]) for n in range(4))
            state = bytes(mixed)
        state = bytes(a ^ b for a, b in zip(state, keys[number], strict=True))
    return state


def _multiply(x: int, y: int) -> int:
    """Multiply in GF(2^128) with GCM's order of bits (SP 800-38D, 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def gcm(key: bytes, nonce: bytes, data: bytes, header: bytes) -> bytes:
    """Return ciphertext and tag."""
    blocks = -(-len(data) // 16)
    stream = b"".join(encrypt_block(key, nonce + n.to_bytes(4, "big")) for n in range(2, blocks + 2))
    sealed = bytes(a ^ b for a, b in zip(data, stream, strict=False))
    hash_key, tag = int.from_bytes(encrypt_block(key, bytes(16)), "big"), 0
    lengths = (len(header) * 8).to_bytes(8, "big") + (len(sealed) * 8).to_bytes(8, "big")
    hashed = header + bytes(-len(header) % 16) + sealed + bytes(-len(sealed) % 16) + lengths
    for n in range(0, len(hashed), 16):
        tag = _multiply(tag ^ int.from_bytes(hashed[n : n + 16], "big"), hash_key)
    tag ^= int.from_bytes(encrypt_block(key, nonce + b"\0\0\0\1"), "big")
    return sealed + tag.to_bytes(16, "big")
