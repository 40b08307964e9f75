"""Job functions that the interop tests enqueue. A worker must find this file: put its folder on PYTHONPATH,
or start the worker through drive.py. Only the standard library is imported."""

import datetime
import decimal
import time
import uuid
from collections import OrderedDict

_SHARED = {'shared': [1, 2]}

# One value of every supported kind, by name.
SAMPLES = {
    'none': None,
    'true': True,
    'false': False,
    'int_zero': 0,
    'int_one': 1,
    'int_minus_one': -1,
    'int_255': 255,
    'int_256': 256,
    'int_65535': 65535,
    'int_65536': 65536,
    'int_i32_max': 2**31 - 1,
    'int_i32_min': -(2**31),
    'int_u32_max': 2**32 - 1,
    'int_i64_max': 2**63 - 1,
    'int_i64_min': -(2**63),
    'int_u64_max': 2**64 - 1,
    'int_big': 2**200,
    'int_big_negative': -(2**200) - 1,
    'int_huge': 2**3000,
    'float': 1.5,
    'float_third': 1 / 3,
    'float_negative_zero': -0.0,
    'float_whole': 3.0,
    'float_small': 5e-324,
    'float_large': 1.7976931348623157e308,
    'float_inf': float('inf'),
    'float_minus_inf': float('-inf'),
    'float_nan': float('nan'),
    'str': 'hello',
    'str_empty': '',
    'str_unicode': 'h\u00e9llo \u4e16\u754c \U0001f980 e\u0301 \u202e',
    'str_control': 'nul \x00 tab \t line \n quote " \' back \\ \x7f',
    'str_255': 'x' * 255,
    'str_256': '\u00e9' * 128,
    'str_long': 'long \u00e9 ' * 20000,
    'bytes_empty': b'',
    'bytes_all': bytes(range(256)),
    'bytes_short': b'\x00\xff',
    'bytes_long': bytes(range(256)) * 300,
    'list_empty': [],
    'list': [1, 'two', None, [3.0, [True]]],
    'list_long': list(range(2500)),
    'tuple_empty': (),
    'tuple_1': (1,),
    'tuple_2': (1, 'two'),
    'tuple_3': (1, 'two', 3.0),
    'tuple_4': (1, 'two', 3.0, (None, [(), ((),)])),
    'dict_empty': {},
    'dict_text': {'a': 1, 'b': {'c': [1, {'d': None}]}, 'h\u00e9': 'w\u00f6'},
    'dict_keys': {1: 'int', 'one': {(1, 2): {b'bytes': {None: {2.5: 'float'}}}}, True + 1: False, frozenset([1]): set()},
    'dict_long': {f'key-{n}': n for n in range(2500)},
    'set_empty': set(),
    'set': {1, 'two', (3, 4)},
    'set_long': set(range(2500)),
    'frozenset_empty': frozenset(),
    'frozenset': frozenset(['a', frozenset(['b'])]),
    'datetime_naive': datetime.datetime(2026, 1, 2, 3, 4, 5, 678901),
    'datetime_naive_whole': datetime.datetime(1, 1, 1),
    'datetime_utc': datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc),
    'datetime_offset': datetime.datetime(
        2026, 7, 2, 23, 59, 59, tzinfo=datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    ),
    'datetime_offset_negative': datetime.datetime(
        1969, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone(datetime.timedelta(hours=-9, minutes=-30))
    ),
    'date': datetime.date(2026, 2, 28),
    'timedelta_zero': datetime.timedelta(0),
    'timedelta': datetime.timedelta(days=3, seconds=4, microseconds=5),
    'timedelta_negative': datetime.timedelta(days=-3, seconds=4, microseconds=5),
    'decimal': decimal.Decimal('3.14'),
    'decimal_zeros': decimal.Decimal('-0.00'),
    'decimal_exponent': decimal.Decimal('1.50E+300'),
    'decimal_long': decimal.Decimal('123456789012345678901234567890.12345678901234567890'),
    'uuid': uuid.UUID('12345678-1234-5678-9abc-def012345678'),
    'uuid_zero': uuid.UUID(int=0),
    'ordered_dict_empty': OrderedDict(),
    'ordered_dict': OrderedDict([('z', 1), ('a', [OrderedDict([(2, 'x'), (1, 'y')])])]),
    'shared': [_SHARED, _SHARED],
    'mixed': {
        'when': [datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.date(2026, 1, 2)],
        'ids': (uuid.UUID(int=7), uuid.UUID(int=7)),
        'money': {'eur': decimal.Decimal('9.99'), 'usd': decimal.Decimal('9.99')},
        'tags': [{'a'}, frozenset(['a']), b'a', 'a'],
    },
}


def add(a, b):
    return a + b


def echo(*args, **kwargs):
    """Returns its only positional argument; with more or other arguments, [positional arguments, keyword arguments]."""
    if len(args) == 1 and not kwargs:
        return args[0]
    return [list(args), kwargs]


def fail(why):
    raise ValueError(why)


def flaky(path, times):
    """Raises until its `times`-th call, then returns the number of calls. Each call appends a line to the file."""
    with open(path, 'a+', encoding='utf-8') as file:
        file.write('called\n')
        file.flush()
        file.seek(0)
        calls = len(file.readlines())
    if calls < times:
        raise RuntimeError(f'call {calls} of {times}')
    return calls


def slow(seconds):
    time.sleep(seconds)
    return seconds


def give(kind):
    return SAMPLES[kind]


class Point:
    """A value that only Python can read."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def __repr__(self):
        return f'Point({self.x}, {self.y})'

    def moved(self, by):
        return Point(self.x + by.x, self.y + by.y)


def move(point, by):
    print('moving', point)
    return point.moved(by)


def again(path):
    """Returns a Retry on its first call, and 'done' when the file exists."""
    import os

    from rq import Retry

    if os.path.exists(path):
        return 'done'
    open(path, 'w').close()
    return Retry(max=3, interval=0)
