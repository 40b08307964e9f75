//! Preview of a call from the beginning of its payload, for lists, which do not read arguments.

use serde_json::de::SliceRead;

use super::decode::read_call;
use super::python::opcode;
use super::serializer::Serializer;
use super::zlib::inflate_head;

/// Number of inflated bytes that are read.
const MAX_READ: usize = 16 * 1024;
/// Number of characters of the arguments that are kept, as many as of one argument in a description.
const MAX_ARGUMENTS_CHARS: usize = 75;

/// The call as far as the beginning of the payload shows it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CallPreview {
    /// `None` if it cannot be read, or if the payload calls a method of an object.
    pub(crate) handler: Option<String>,
    /// The call as source code, with dots for arguments that were not read.
    pub(crate) description: Option<String>,
}

/// Reads the beginning of a payload, or all of it.
pub(crate) fn preview_call(bytes: &[u8], is_whole: bool) -> CallPreview {
    let (plain, is_all) = inflate_head(bytes, MAX_READ);
    if is_whole
        && is_all
        && plain.len() <= MAX_READ
        && let Ok(call) = read_call(&plain, false)
    {
        return CallPreview { description: Some(call.describe()), handler: Some(call.handler) };
    }
    let plain = &plain[..plain.len().min(MAX_READ)];
    match Serializer::detect(plain) {
        Serializer::Json => preview_json(plain).unwrap_or_default(),
        Serializer::Pickle => {
            let handler = pickled_handler(plain);
            CallPreview { description: handler.as_ref().map(|name| format!("{name}(...)")), handler }
        }
    }
}

/// Reads `["handler", null, [` and the beginning of the arguments.
fn preview_json(text: &[u8]) -> Option<CallPreview> {
    let rest = text.trim_ascii_start().strip_prefix(b"[")?;
    let mut items = serde_json::StreamDeserializer::<_, String>::new(SliceRead::new(rest));
    let handler = items.next()?.ok()?;
    let rest = after_comma(&rest[items.byte_offset()..])?.strip_prefix(b"null")?;
    let arguments = after_comma(rest).and_then(|rest| rest.strip_prefix(b"[")).unwrap_or_default();
    let shown: String = String::from_utf8_lossy(arguments).chars().take(MAX_ARGUMENTS_CHARS).collect();
    Some(CallPreview { description: Some(format!("{handler}({shown}...)")), handler: Some(handler) })
}

fn after_comma(text: &[u8]) -> Option<&[u8]> {
    Some(text.trim_ascii_start().strip_prefix(b",")?.trim_ascii_start())
}

/// Returns the first item of a pickled tuple or list if the second one is `None`.
fn pickled_handler(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let mut name = None;
    loop {
        let (op, operand) = rest.split_first()?;
        let operand_size = match *op {
            opcode::MARK | opcode::EMPTY_LIST | opcode::LIST | opcode::MEMOIZE => 0,
            opcode::PROTO | opcode::BINPUT => 1,
            opcode::LONG_BINPUT => 4,
            opcode::FRAME => 8,
            opcode::PUT => line_length(operand)? + 1,
            opcode::NONE if name.is_some() => return name,
            _ if name.is_some() => return None,
            op => {
                let (text, size) = read_string(op, operand)?;
                name = Some(text);
                size
            }
        };
        rest = operand.get(operand_size..)?;
    }
}

/// Returns the string of an opcode, and the size of its operand; `None` for an opcode that is not a string.
fn read_string(op: u8, operand: &[u8]) -> Option<(String, usize)> {
    let width = match op {
        opcode::SHORT_BINUNICODE => 1,
        opcode::BINUNICODE => 4,
        opcode::BINUNICODE8 => 8,
        opcode::UNICODE => {
            let end = line_length(operand)?;
            let text = String::from_utf8(operand[..end].to_vec()).ok().filter(|text| !text.contains('\\'))?;
            return Some((text, end + 1));
        }
        _ => return None,
    };
    let mut length = [0; 8];
    length[..width].copy_from_slice(operand.get(..width)?);
    let end = usize::try_from(u64::from_le_bytes(length)).ok()?.checked_add(width)?;
    let text = String::from_utf8(operand.get(width..end)?.to_vec()).ok()?;
    Some((text, end))
}

fn line_length(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::super::{PyValue, Serializer, deflate, write_call};
    use super::{CallPreview, preview_call};
    use crate::job::Arguments;

    fn named(bytes: &[u8], is_whole: bool) -> Option<String> {
        preview_call(bytes, is_whole).handler
    }

    #[test]
    fn the_handler_is_read_from_the_beginning_of_any_payload() {
        let text = format!("[\"mark\", null, [{}1], {{}}]", "1, ".repeat(300_000));
        let bomb = deflate(text.as_bytes());
        assert!(bomb.len() < 5_000);
        let shown = CallPreview {
            handler: Some("mark".into()),
            description: Some(format!("mark({}...)", &"1, ".repeat(25))),
        };
        assert_eq!(preview_call(&bomb, true), shown);
        assert_eq!(preview_call(&bomb[..300], false), shown);
        assert_eq!(preview_call(&text.as_bytes()[..1000], false), shown);
        let arguments = Arguments { args: vec![PyValue::bytes(&vec![7; 100_000])], ..Arguments::default() };
        let pickled = write_call("tasks.größe", &arguments, Serializer::Pickle).unwrap();
        for bytes in [&pickled, &deflate(&pickled)] {
            assert_eq!(named(&bytes[..100.min(bytes.len())], false).as_deref(), Some("tasks.größe"));
        }
        assert_eq!(preview_call(&pickled, true).description.as_deref(), Some("tasks.größe(...)"));
    }

    #[test]
    fn payloads_of_all_pickle_protocols_are_previewed() {
        for bytes in [
            b"(Vtasks.add\np0\nN(I1\ntp1\n(dp2\ntp3\n.".as_slice(),
            b"\x80\x02(X\x09\x00\x00\x00tasks.addq\x00NK\x01\x85q\x01}q\x02tq\x03.",
            b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00(\x8c\ttasks.add\x94NK\x01\x85\x94}\x94t\x94.",
            b"\x80\x04](\x8c\ttasks.addNK\x01\x85}e.",
        ] {
            assert_eq!(named(&bytes[..bytes.len() - 3], false).as_deref(), Some("tasks.add"), "{bytes:?}");
        }
        // Cut, a method of an object, or no call at all.
        for bytes in [
            b"\x80\x04(\x8c\x20tasks".as_slice(),
            b"\x80\x04(\x8c\x01aK\x01",
            b"",
            b"\x80\x04K\x01.",
            b"[7, null",
            b"[\"a\", {}, [",
        ] {
            assert_eq!(named(bytes, false), None, "{bytes:?}");
        }
    }
}
