"""Prints a table of unusual pickles: each in hex, with the repr() of the value that Python reads, or "refused".

    python odd.py > ../../../src/job/payload/python/odd.txt
"""

import pickle
import warnings
from decimal import Decimal

warnings.simplefilter("ignore")

INTS = """010|-0|00|01|+0|+1| 1| 0|1|0|02|08|0x1F|0X1f|0o17|0b1|0b2|1_000|1__0|_1|1_|5 |5\r| 5|5\x00abc|\x00|\x00\x00| \x00|
99999999999999999999|-99999999999999999999|9223372036854775807|9223372036854775808|-9223372036854775808|
0777777777777777777777777|0x7fffffffffffffffffff|-0x10|-010|1L|--1|+-1|- 1|0x|0x_f|0x__f|x|1.0|1e3|00 |000|001|-|+| |\t7|\x0b7|\xb2|0_7|0_0|
1,5|0o8|0xg|٣""".replace("\n", "").split("|")
LONGS = """5L|5|010|010L|0x1f|0x1fL|0xL|1_0|1_0L| 5 L|5 |5LL|-5L|- 5L|+7L|L| L|00L|0L|-0L|5\x00x|5\x00L|0b101L|0o17L|l|5l|
99999999999999999999999999999999999999999L|\xb2L""".replace("\n", "").split("|")
FLOATS = """1.5|1|-1.5|1e400|-1e400|1e-400| 1|1 |1\r|1_0.0|inf|+inf|-Infinity|INF|infinit|nan|-nan|NaN|nan(1)|.5|5.|.|-.|1e|1e5|1E+5|1e-5|e5|
0x1p3|1d5|1,5|1\x00x|\x00|+1|--1|1.7976931348623157e308|1.7976931348623159e308|4.9e-324|0.1|-0|-0.0|٣""".replace("\n", "").split("|")
TEXTS = [
    *["'a'", "'a' ", " 'a'", "\"a'", "a", "''", "'", '""', "'\"'", "'a'b'", "'abc\\'", "'\\'", "'\\\\'", "'\\x4'", "'\\x41'", "'\\xg0'", "'\\x7f'"],
    *["'\\xff'", "'\xff'", "'\\0'", "'\\00'", "'\\000'", "'\\0000'", "'\\177'", "'\\200'", "'\\400'", "'\\501'", "'\\777'", "'\\1234'", "'\\18'"],
    *["'\\u0041'", "'\\N{DASH}'", "'\x00'", "'\\\xe9'"],
    *[f"'\\{chr(code)}'" for code in range(1, 127) if code != 10],
]
UNICODES = [
    *["\\u0041", "\\\\u0041", "\\\\\\u0041", "\\\\\\\\u0041", "\\u004", "\\u", "\\u00g0", "\\x41", "\\", "\\\\", "\xe9", "\\U0001F600", "\\U0001F60"],
    *["\\U00110000", "\\UFFFFFFFF", "", "a\\n", " a ", "\x00", "\\u000a", "\\u005c", "\\u005cu0041"],
]
PLACES = ["0", " 0", "0 ", "00", "-0", "+5", "1_0", "1__0", "-1", "0x0", "5L", "x", "7\x00x", "٣"]
WHOLE = [
    *[b"\x8a\x00.", b"\x8a\x01\xff.", b"\x8a\x02\xff\xff.", b"\x8a\x02\0\0.", b"\x8a\x02\x05.", b"\x8a\x09\0\0\0\0\0\0\0\x80\0."],
    *[b"\x8b\0\0\0\0.", b"\x8b\x01\0\0\0\x80.", b"\x8b\xff\xff\xff\xff\x01.", b"J\xff\xff\xff\xff.", b"J\xff\xff.", b"K\xff.", b"M\xff\xff."],
    *[b"G\x7f\xf0\0\0\0\0\0\0.", b"G\xff\xf0\0\0\0\0\0\0.", b"G\x7f\xf8\0\0\0\0\0\0.", b"T\x03\0\0\0a\\n.", b"U\x02\\n.", b"U\x01\xff."],
    *[b"T\xff\xff\xff\xffa.", b"B\x01\0\0\0\xff.", b"X\x01\0\0\0\xff.", b"I1", b"I\n.", b"L\n.", b"F\n.", b"S\n.", b"]p\n."],
    # Keys and items that are equal, identical, or neither.
    *[pickle.dumps(value, protocol) for protocol in (0, 2, 5) for value in (
        [{Decimal("NaN"), Decimal("NaN")}, {Decimal("NaN"): 1, Decimal("NaN"): 2}],
        {float("nan"): 1, float("nan"): 2}, {(float("nan"),): 1, (float("nan"),): 2},
    )],
    *[b"\x8f(cdecimal\nDecimal\nV%s\n\x85RcdecimaL\nDecimal\nV%s\n\x85R\x90.".replace(b"decimaL", b"decimal") % pair for pair in (
        (b"NaN", b"NaN"), (b"NaN12", b"NaN12"), (b"sNaN", b"1"), (b"1", b"1.0"), (b"1.50", b"1.5"), (b"0", b"-0.00"),
        (b"1E+2", b"100"), (b"1E+30", b"1" + b"0" * 30), (b"1E+50", b"1" + b"0" * 50), (b"Infinity", b"inf"), (b"Infinity", b"-Infinity"), (b"0.1", b"0.10"), (b"0.1", b"0.2"),
    )],
    *[b"\x8f(cdecimal\nDecimal\nV%s\n\x85R%s\x90." % pair for pair in (
        (b"1.0", b"K\x01"), (b"-0", b"\x89"), (b"0.5", b"F0.5\n"), (b"0.1", b"F0.1\n"), (b"Infinity", b"Finf\n"), (b"-Infinity", b"Finf\n"),
        (b"1E+50", b"L1" + b"0" * 50 + b"L\n"), (b"-2.25", b"F-2.25\n"), (b"NaN", b"Fnan\n"), (b"-3", b"J\xfd\xff\xff\xff"),
    )],
    *[b"\x8f(F%s\nL%sL\n\x90." % pair for pair in (
        (b"1e38", b"99999999999999997748809823456034029568"), (b"1.7014118346046923e38", b"170141183460469231731687303715884105728"),
        (b"1.2e39", b"1200000000000000001186012302214384877568"), (b"1e39", b"1" + b"0" * 39), (b"1e308", b"1" + b"0" * 308),
    )],
    *[b"\x8f(K\x01\x88F1\n\x90.", b"\x8f(K\0\x89F-0\n\x90.", b"(K\x01NV1\nNd.", b"(Fnan\nq\0Nh\0\x88d.", b"(Fnan\nNFnan\nNd.", b"\x8f(Fnan\nq\0h\0\x90."],
    *[b"(Fnan\nq\0\x85Nh\0\x85\x88d.", b"(Fnan\n\x85NFnan\n\x85\x88d."],
]


def cases():
    for opcode, lines in ((b"I", INTS), (b"L", LONGS), (b"F", FLOATS), (b"S", TEXTS), (b"V", UNICODES)):
        for line in lines:
            try:
                yield opcode + line.encode("latin-1") + b"\n."
            except UnicodeEncodeError:
                yield opcode + line.encode() + b"\n."
    for place in PLACES:
        yield b"]p%s\n0g%s\n." % (place.encode(), place.encode())
    yield from WHOLE


for case in cases():
    try:
        value = pickle.loads(case)
        # Sorted, because the order of a set is arbitrary.
        shown = "{%s}" % ", ".join(sorted(map(repr, value))) if isinstance(value, set) else repr(value)
    except Exception:
        shown = "refused"
    print(case.hex(), shown, sep="\t")
