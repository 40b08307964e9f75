//! Tests of pickles that Python wrote, and of pickles that nobody should have written.

use super::super::decimal::is_decimal;
use super::super::pickle::pickle;
use super::super::value::{PyKind, PyValue};
use super::unpickle;

/// Protocol, `repr()` and pickle of many values, as Python 3.11 writes them.
const PICKLES: &str = include_str!("../pickles.txt");

/// Pickles that Python itself never writes, with the `repr()` of the value that Python 3.11 reads; made by
/// tests/interop/python/odd.py.
const ODD: &str = include_str!("../odd.txt");

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn unusual_pickles_are_read_as_python_reads_them() {
    let mut differing = Vec::new();
    for line in ODD.lines() {
        let (hex, expected) = line.split_once('\t').unwrap();
        let bytes = bytes_of(hex);
        let shown = match unpickle(&bytes) {
            Ok(PyValue(PyKind::Set(items))) => {
                let mut items: Vec<String> = items.iter().map(ToString::to_string).collect();
                items.sort_unstable();
                format!("{{{}}}", items.join(", "))
            }
            Ok(value) => {
                assert_eq!(read(pickle(&value)), value.to_string(), "{line}");
                value.to_string()
            }
            Err(_) => "refused".to_owned(),
        };
        if shown != expected {
            differing.push(format!("{} is {expected}, not {shown}", bytes.escape_ascii()));
        }
    }
    assert_eq!(differing, [""; 0]);
    assert!(ODD.lines().count() > 350);
}

#[test]
fn nan_decimals_remain_different_objects() {
    let set = b"\x80\x05\x8f\x94(\x8c\x07decimal\x94\x8c\x07Decimal\x94\x93\x94\x8c\x03NaN\x94\x85\x94R\x94h\x03h\x04\x85R\x90.";
    assert_eq!(read(set), "{Decimal('NaN'), Decimal('NaN')}");
    // Both were made from one shared text, and stay two objects when they are written again.
    assert_eq!(read(pickle(&unpickle(set).unwrap())), "{Decimal('NaN'), Decimal('NaN')}");
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    PICKLES.lines().map(|line| {
        let mut parts = line.split('\t');
        let (protocol, repr) = (parts.next().unwrap(), parts.next().unwrap());
        (protocol, repr, bytes_of(parts.next().unwrap()))
    })
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    unpickle(bytes.as_ref()).map(|value| value.to_string()).unwrap_err()
}

fn read(bytes: impl AsRef<[u8]>) -> String {
    unpickle(bytes.as_ref()).unwrap().to_string()
}

#[test]
fn pickles_of_python_are_read() {
    for (protocol, repr, bytes) in lines() {
        let value = unpickle(&bytes).unwrap_or_else(|error| panic!("protocol {protocol}, {repr}: {error}"));
        assert_eq!(value.to_string(), repr, "protocol {protocol}");
    }
}

#[test]
fn pickles_are_written_as_python_writes_them() {
    for (protocol, repr, bytes) in lines() {
        let value = unpickle(&bytes).unwrap();
        let again = pickle(&value);
        let read = unpickle(&again).unwrap();
        assert!(read == value || repr.contains("nan"), "{repr} became {read}");
        assert_eq!(read.to_string(), repr);
        if protocol == "5" {
            assert!(again == bytes, "{repr} is {} and not {}", again.escape_ascii(), bytes.escape_ascii());
        }
    }
}

#[test]
fn shared_parts_stay_shared() {
    let value = unpickle(b"\x80\x04]\x94(]\x94K\x01ah\x01h\x01e.").unwrap();
    let PyKind::List(items) = &value.0 else { panic!("{value}") };
    let parts: Vec<_> = items
        .iter()
        .map(|item| match &item.0 {
            PyKind::List(items) => items.as_ptr(),
            _ => panic!("{item}"),
        })
        .collect();
    assert_eq!(value.to_string(), "[[1], [1], [1]]");
    assert!(parts[0] == parts[1] && parts[1] == parts[2]);
}

#[test]
fn old_opcodes_are_read() {
    let cases: [(&[u8], &str); 14] = [
        (b"S'it\\'s \\x41\\101\\n'\np0\n.", r#""it's AA\n""#),
        (b"U\x03abc.", "'abc'"),
        (b"T\x03\0\0\0abc.", "'abc'"),
        (b"(I1\nI01\nI00\nL-5L\nF1.5\nt.", "(1, True, False, -5, 1.5)"),
        (b"(lp0\nI1\naI2\na0(dp1\nS'a'\nI1\nsg0\n0.", "{'a': 1}"),
        (b"(idatetime\ntimedelta\n.", "datetime.timedelta(0)"),
        (b"((I1\nidatetime\ntimedelta\nt.", "(datetime.timedelta(days=1),)"),
        (
            b"(cdatetime\ntimedelta\nI1\nI86400\nI-1\no.",
            "datetime.timedelta(days=1, seconds=86399, microseconds=999999)",
        ),
        (b"ccollections\nOrderedDict\n((lp1\n(lp2\nS'a'\naI1\naatR.", "OrderedDict({'a': 1})"),
        (b"(Vdead\\\\u0041\\u0042\\u005cu\nNt.", r"('dead\\\\u0041B\\u', None)"),
        (b"(K\x01(K\x021K\x03(0t.", "(1, 3)"),
        (
            b"\x80\x02cuuid\nUUID\n)}\x92}X\x03\0\0\0intK\x05sb.",
            "UUID('00000000-0000-0000-0000-000000000005')",
        ),
        (
            b"ccopy_reg\n__newobj__\n(cuuid\nUUID\ntR}(X\x07\0\0\0is_safeK\0X\x03\0\0\0intK\x01ub.",
            "UUID('00000000-0000-0000-0000-000000000001')",
        ),
        (b"K\x012\x86.junk", "(1, 1)"),
    ];
    for (bytes, repr) in cases {
        assert_eq!(read(bytes), repr, "{}", bytes.escape_ascii());
    }
}

#[test]
fn equal_keys_are_one_key() {
    assert_eq!(read(b"(K\x01S'a'\n\x88S'b'\nG\x3f\xf0\0\0\0\0\0\0S'c'\nd."), "{1: 'c'}");
    assert_eq!(read(b"\x8f(K\x01\x88K\x02K\x01\x90."), "{1, 2}");
    assert_eq!(read(b"((K\x01tN(\x88tK\x05((tK\x01tNd."), "{(1,): 5, ((), 1): None}");
    assert_eq!(
        read(b"((((K\x01K\x02\x91t\x91(((K\x02K\x01\x91t\x91\x91."),
        "frozenset({frozenset({(frozenset({1, 2}),)})})"
    );
    assert_eq!(read(b"(C\x01aNU\x01aNd."), "{b'a': None, 'a': None}");
    assert_eq!(refusal(b"(]Nd."), "the payload has a list as a key or in a set");
    assert_eq!(refusal(b"\x8f(((}t\x91\x90."), "the payload has a dictionary as a key or in a set");
    refusal(b"\x8f\x8fa.");
    refusal(b"\x8f(\x8f\x90.");
}

#[test]
fn classes_that_only_python_has_are_refused_by_name() {
    let cases: [(&[u8], &str); 16] = [
        (b"\x80\x04\x8c\x0cmyapp.models\x8c\x04User\x93)\x81}b.", "myapp.models.User"),
        (b"ccopy_reg\n_reconstructor\n(cmyapp.models\nUser\nc__builtin__\nobject\nNtR.", "myapp.models.User"),
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"c__builtin__\ncomplex\n(F1\nF2\ntR.", "builtins.complex"),
        (b"\x80\x05\x96\x01\0\0\0\0\0\0\0a.", "builtins.bytearray"),
        (b"\x80\x04\x8c\x08builtins\x8c\x09bytearray\x93C\x01a\x85R.", "builtins.bytearray"),
        (b"ccollections\ndefaultdict\n)R.", "collections.defaultdict"),
        (b"\x80\x04\x8c\x08builtins\x8c\x0aValueError\x93)R.", "builtins.ValueError"),
        (b"c__builtin__\ngetattr\n(czoneinfo\nZoneInfo\nV_unpickle\ntR.", "zoneinfo.ZoneInfo"),
        (b"\x80\x04\x8c\x08zoneinfo\x8c\x12ZoneInfo._unpickle\x93.", "zoneinfo.ZoneInfo"),
        (b"(cdatetime\ndatetime\nt.", "datetime.datetime"),
        (b"cuuid\nUUID\n.", "uuid.UUID"),
        (b"cdatetime\ntimezone\n(cdatetime\ntimedelta\n)RtR.", "datetime.timezone"),
        (b"cdatetime\ntimezone\n(cdatetime\ntimedelta\n)RS'CET'\ntR.", "datetime.timezone with a name"),
        (b"ca\x1b[31m\nb\x07\n.", "a?[31m.b?"),
    ];
    for (bytes, name) in cases {
        let expected = format!("the payload holds a {name}, which only Python can read");
        assert_eq!(refusal(bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn invalid_pickles_are_refused() {
    let cases: [&[u8]; 38] = [
        b"",
        b".",
        b"N",
        b"0.",
        b"(.",
        b"K",
        b"\x80\x06N.",
        b"\x95\xff\0\0\0\0\0\0\0N.",
        b"\xff.",
        b"P1\n.",
        b"Q.",
        b"\x82\x01.",
        b"\x97.",
        b"h\0.",
        b"gx\n.",
        b"S'abc\n.",
        b"U\x01\xff.",
        b"Ix\n.",
        b"Fx\n.",
        b"V\\ud800\n.",
        b"V\\U00110000\n.",
        b"X\x03\0\0\0\xed\xa0\x80.",
        b"K\x01K\x02a.",
        b"(K\x01d.",
        b"NNR.",
        b"N}b.",
        b"]}b.",
        b"cdatetime\ndatetime\nC\x0a\x07\xea\x0d\x01\0\0\0\0\0\0\x85R.",
        b"cdatetime\ndatetime\nC\x0a\0\0\x01\x01\0\0\0\0\0\0\x85R.",
        b"cdatetime\ndatetime\nC\x0a\x07\xea\x02\x1d\0\0\0\0\0\0\x85R.",
        b"cdatetime\ntime\nC\x06\x19\0\0\0\0\0\x85R.",
        b"cdatetime\ntime\nC\x06\0\0\x3b\x0f\x42\x40\x85R.",
        b"cdatetime\ndate\nC\x03abc\x85R.",
        b"cdatetime\ntimedelta\nJ\0\xca\x9a\x3b\x85R.",
        b"cdatetime\ntimezone\ncdatetime\ntimedelta\nK\x01\x85R\x85R.",
        b"cdecimal\nDecimal\nU\x031,5\x85R.",
        b"cuuid\nUUID\n)\x81.",
        b"cuuid\nUUID\n)\x81}U\x03intJ\xff\xff\xff\xffsb.",
    ];
    for bytes in cases {
        refusal(bytes);
    }
    for text in ["1", "-1.5", ".5", "5.", "1E+5", "nan", "-sNaN12", "Infinity", "-inf"] {
        assert!(is_decimal(text), "{text}");
    }
    for text in
        ["", "-", ".", "1e", "e5", "1.5.5", "--1", "1e999999999999999999", "infinit", "nanx", " 1", "٣"]
    {
        assert!(!is_decimal(text), "{text}");
    }
}

#[test]
fn decompression_bombs_are_refused() {
    let repeated =
        |head: &[u8], body: &[u8], times: usize, tail: &[u8]| [head, &body.repeat(times), tail].concat();
    refusal(b"\x8e\0\0\0\0\0\x01\0\0.");
    refusal(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.");
    refusal(b"B\xff\xff\xff\xff.");
    refusal(b"\x8b\xff\xff\xff\x7f.");
    assert!(refusal(vec![b'N'; 65 << 20]).contains("more than 16777216 bytes"));
    assert!(
        refusal(repeated(b"", b"]", 5000, &[b"a".repeat(4999), b".".to_vec()].concat())).contains("deep")
    );
    assert!(
        refusal(repeated(b"", b"(", 5000, &[b"t".repeat(5000), b".".to_vec()].concat())).contains("deep")
    );
    assert!(refusal(repeated(b"N", b"\x85", 900_000, b".")).contains("deep"));
    assert!(refusal(repeated(b"N", b"2\x86", 199, b".")).contains("more than 1000000 parts"));
    assert!(refusal(repeated(b"N", b"\x85", 201, b".")).contains("deep"));
    assert_eq!(read(repeated(b"N", b"\x85", 200, b".")).len(), 4 + 200 * 3);
    assert_eq!(refusal(b"]\x94h\0a."), "the payload holds something that contains itself");
    assert_eq!(refusal(b"]\x94(h\0K\x01ta."), "the payload holds something that contains itself");
    assert!(refusal(repeated(b"", b"N0", 7_000_000, b"N.")).contains("parts"));
    refusal(repeated(b"N", b"2", 30_000_000, b"."));
    refusal(repeated(b"N", b"\x94", 30_000_000, b"."));
    let list = repeated(b"](", b"K\x01", 500_000, b"eq\x000c__builtin__\nset\nq\x010");
    refusal(repeated(&list, b"h\x01h\0\x85R", 500_000, b"t."));
    let text = repeated(b"X\0\0\x10\0", b"1", 1 << 20, b"q\x000cdecimal\nDecimal\nq\x010");
    refusal(repeated(&text, b"h\x01h\0\x85R0", 1_000_000, b"N."));
    refusal(repeated(&text, b"", 1, &repeated(b"(", b"h\0", 600, b"t.")));
    let digits = repeated(b"", &[b"I".to_vec(), b"9".repeat(4300), b"\n0".to_vec()].concat(), 3000, b"N.");
    assert_eq!(read(digits), "None");
}

/// Pseudo-random numbers, the same in each run of the test.
struct SeededRng(u64);

impl SeededRng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn no_input_causes_a_panic() {
    const OPCODES: &[u8] = b"()]}.0122NIJKMLFGVXSTUBCtldaesucioRbpqrghj\x80\x81\x85\x86\x87\x88\x8a\x8c\x8f\x90\x91\x92\x93\x94\x95\n\0\x01";
    let mut rng = SeededRng(42);
    let check = |bytes: &[u8]| {
        if let Ok(value) = unpickle(bytes) {
            let again = unpickle(&pickle(&value)).map(|value: PyValue| value.to_string());
            assert_eq!(again.unwrap(), value.to_string(), "{}", bytes.escape_ascii());
        }
    };
    for _ in 0..100_000 {
        let length = rng.below(40);
        let mut bytes: Vec<u8> = (0..length).map(|_| OPCODES[rng.below(OPCODES.len())]).collect();
        bytes.push(b'.');
        check(&bytes);
        bytes.iter_mut().for_each(|byte| *byte = rng.below(256) as u8);
        check(&bytes);
    }
    for (_, _, bytes) in lines().filter(|(_, _, bytes)| bytes.len() < 1000) {
        for _ in 0..100 {
            let mut bytes = bytes.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len());
                match rng.below(4) {
                    0 => bytes[at] = rng.below(256) as u8,
                    1 => bytes[at] = OPCODES[rng.below(OPCODES.len())],
                    2 => bytes.insert(at, OPCODES[rng.below(OPCODES.len())]),
                    _ => bytes.truncate(at + 1),
                }
            }
            check(&bytes);
        }
    }
}

#[cfg(feature = "worker")]
#[test]
fn check_pickle_accepts_pickles_of_any_classes() {
    use super::check_pickle;
    for (_, _, bytes) in lines() {
        assert_eq!(check_pickle(&bytes), Ok(()), "{}", bytes.escape_ascii());
        for end in 0..bytes.len() {
            assert!(check_pickle(&bytes[..end]).is_err(), "{}", bytes[..end].escape_ascii());
        }
    }
    let user: &[u8] = b"\x80\x04\x8c\x0cmyapp.models\x8c\x04User\x93)\x81}b.";
    let others: [&[u8]; 6] = [
        user,
        b"ccopy_reg\n_reconstructor\n(cmyapp.models\nUser\nc__builtin__\nobject\nNtR.",
        b"\x80\x05\x96\x01\0\0\0\0\0\0\0a.",
        b"P1\n.",
        b"]\x94h\0a.",
        b"cos\nsystem\n(S'true'\ntR.",
    ];
    for bytes in others {
        assert_eq!(check_pickle(bytes), Ok(()), "{}", bytes.escape_ascii());
    }
    let wrong: [&[u8]; 8] =
        [b"", b".", b"\xff\xff\xff", b"{\"a\": 1}", b"null", b"0.", &user[..20], b"cmyapp\nUser\n\xff."];
    for bytes in wrong {
        assert!(check_pickle(bytes).is_err(), "{}", bytes.escape_ascii());
    }
    let deep = [b"]".repeat(5000), b"a".repeat(4999), b".".to_vec()].concat();
    assert!(check_pickle(&deep).unwrap_err().contains("200 deep"));
}
