//! The declaration of a script: one list of its keys and arguments, which is a struct in Rust and a line of `local`s
//! in Lua. So a key or an argument that is missing, or of another type, does not compile.

use redis::Cmd;

/// A declared script.
pub(crate) struct Script {
    /// Index among all scripts.
    pub(crate) index: usize,
    /// The file in `src/lua/`, without its extension.
    #[cfg(test)]
    pub(crate) name: &'static str,
    /// The text of the file.
    pub(crate) body: &'static str,
    /// Names of the keys; in Lua they have capital letters.
    pub(crate) keys: &'static [&'static str],
    /// `true` if more keys may follow, from `KEYS[FIRST_KEY]` on.
    pub(crate) has_more_keys: bool,
    /// Names of the arguments, and their types.
    pub(crate) arguments: &'static [(&'static str, LuaType)],
    /// `true` if more arguments may follow, from `ARGV[FIRST_ARG]` on.
    pub(crate) has_more_arguments: bool,
}

/// A call of a script: the struct that is made from its declaration.
pub(crate) trait ScriptCall {
    const SCRIPT: &'static Script;

    /// Appends the number of keys, the keys and the arguments. More arguments may follow.
    fn add_to(&self, cmd: &mut Cmd);
}

/// The type of an argument as the script sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LuaType {
    Text,
    /// A number, or nil for an empty argument.
    Number,
    Boolean,
}

impl LuaType {
    /// Lua's expression for the argument at a position.
    pub(super) fn read(self, position: usize) -> String {
        match self {
            LuaType::Text => format!("ARGV[{position}]"),
            LuaType::Number => format!("tonumber(ARGV[{position}])"),
            LuaType::Boolean => format!("ARGV[{position}] == '1'"),
        }
    }
}

/// A type of arguments.
pub(crate) trait Argument {
    const LUA_TYPE: LuaType;

    fn add_to(&self, cmd: &mut Cmd);
}

macro_rules! plain_arguments {
    ($($lua_type:ident: $($type:ty),+;)+) => {$($(
        impl Argument for $type {
            const LUA_TYPE: LuaType = LuaType::$lua_type;

            fn add_to(&self, cmd: &mut Cmd) {
                cmd.arg(self);
            }
        }
    )+)+};
}

plain_arguments! {
    Text: &str, &[u8];
    Number: f64, i64, u32, u64, usize;
}

impl Argument for bool {
    const LUA_TYPE: LuaType = LuaType::Boolean;

    fn add_to(&self, cmd: &mut Cmd) {
        cmd.arg(u8::from(*self));
    }
}

/// `None` is an empty text, or nil in place of a number.
impl<T: Argument> Argument for Option<T> {
    const LUA_TYPE: LuaType = T::LUA_TYPE;

    fn add_to(&self, cmd: &mut Cmd) {
        match self {
            Some(value) => value.add_to(cmd),
            None => {
                cmd.arg("");
            }
        }
    }
}

/// A number that the script only passes on, or compares with a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsText<T>(pub(crate) T);

impl<T: Argument> Argument for AsText<T> {
    const LUA_TYPE: LuaType = LuaType::Text;

    fn add_to(&self, cmd: &mut Cmd) {
        self.0.add_to(cmd);
    }
}

/// Declares all scripts: for each one the struct of its calls, with a field for each key and each argument. `then`
/// declares keys that follow, and that arguments follow, in any number.
macro_rules! scripts {
    ($(
        $(#[$doc:meta])*
        $name:ident($file:literal) {
            keys { $($(#[$key_doc:meta])* $key:ident),* } $(then $more_keys:ident)?
            args { $($(#[$arg_doc:meta])* $arg:ident: $type:ty),* } $(then $more_args:ident)?
        }
    )*) => {
        #[derive(Clone, Copy)]
        pub(super) enum Index { $($name,)* }

        /// Number of scripts.
        pub(super) const COUNT: usize = [$(Index::$name,)*].len();

        /// All scripts.
        #[cfg(test)]
        pub(super) const ALL: [(Index, &Script); COUNT] =
            [$((Index::$name, <$name<'static> as ScriptCall>::SCRIPT),)*];

        $(
            $(#[$doc])*
            pub(crate) struct $name<'a> {
                $($(#[$key_doc])* pub(crate) $key: &'a str,)*
                $(pub(crate) $more_keys: &'a [&'a str],)?
                $($(#[$arg_doc])* pub(crate) $arg: $type,)*
            }

            impl<'a> ScriptCall for $name<'a> {
                const SCRIPT: &'static Script = &Script {
                    index: Index::$name as usize,
                    #[cfg(test)]
                    name: $file,
                    body: include_str!(concat!("../../lua/", $file, ".lua")),
                    keys: &[$(stringify!($key),)*],
                    has_more_keys: <[&str]>::len(&[$(stringify!($more_keys),)?]) > 0,
                    arguments: &[$((stringify!($arg), <$type as Argument>::LUA_TYPE),)*],
                    has_more_arguments: <[&str]>::len(&[$(stringify!($more_args),)?]) > 0,
                };

                fn add_to(&self, cmd: &mut Cmd) {
                    let more_keys: &[&[&str]] = &[$(self.$more_keys,)?];
                    cmd.arg(Self::SCRIPT.keys.len() + more_keys.iter().map(|keys| keys.len()).sum::<usize>());
                    $(cmd.arg(self.$key);)*
                    for keys in more_keys {
                        cmd.arg(*keys);
                    }
                    $(self.$arg.add_to(cmd);)*
                }
            }
        )*
    };
}

pub(super) use scripts;
