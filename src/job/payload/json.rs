//! The payload of the native dialect: RQ's four items as JSON text.

use serde_json::{Map, Value};

use super::{Arguments, Call};

/// `["handler", null, [args], {kwargs}]`. The `null` is where RQ keeps the object of a method.
pub(crate) fn write_call(handler: &str, arguments: &Arguments) -> String {
    let payload = (handler, (), &arguments.args, &arguments.kwargs);
    serde_json::to_string(&payload).unwrap_or_default()
}

/// Reads a payload; the error says what is wrong with it.
pub(crate) fn read_call(data: &[u8]) -> Result<Call, String> {
    let (handler, instance, args, kwargs): (String, Value, Vec<Value>, Map<String, Value>) =
        serde_json::from_slice(data).map_err(|error| {
            format!("the payload is not [handler, null, [arguments], {{keywords}}]: {error}")
        })?;
    if !instance.is_null() {
        return Err("the payload calls a method of an object, which only Python can".to_owned());
    }
    Ok(Call { handler, args, kwargs })
}
