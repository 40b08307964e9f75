//! The Lua scripts: their declarations, and their texts as they are sent. Their files and rules are in `src/lua/`.

mod constants;
mod declaration;
mod table;
#[cfg(test)]
mod tests;
mod texts;

pub(crate) use self::declaration::{AsText, Script, ScriptCall};
pub(crate) use self::table::*;
pub(crate) use self::texts::ScriptTexts;
