//! The few classes of Python that are plain data.

/// Classes and functions that a pickle may refer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KnownClass {
    Object,
    GetAttr,
    Bytes,
    Set,
    FrozenSet,
    Reconstructor,
    NewObject,
    Encode,
    OrderedDict,
    DateTime,
    Date,
    Time,
    TimeDelta,
    TimeZone,
    Decimal,
    Uuid,
}

/// Every known class with its module and name in Python 3.
const CLASSES: [(KnownClass, &str, &str); 16] = [
    (KnownClass::Object, "builtins", "object"),
    // Known only so that the refusal names the class that it is applied to.
    (KnownClass::GetAttr, "builtins", "getattr"),
    (KnownClass::Bytes, "builtins", "bytes"),
    (KnownClass::Set, "builtins", "set"),
    (KnownClass::FrozenSet, "builtins", "frozenset"),
    (KnownClass::Reconstructor, "copyreg", "_reconstructor"),
    (KnownClass::NewObject, "copyreg", "__newobj__"),
    (KnownClass::Encode, "_codecs", "encode"),
    (KnownClass::OrderedDict, "collections", "OrderedDict"),
    (KnownClass::DateTime, "datetime", "datetime"),
    (KnownClass::Date, "datetime", "date"),
    (KnownClass::Time, "datetime", "time"),
    (KnownClass::TimeDelta, "datetime", "timedelta"),
    (KnownClass::TimeZone, "datetime", "timezone"),
    (KnownClass::Decimal, "decimal", "Decimal"),
    (KnownClass::Uuid, "uuid", "UUID"),
];

impl KnownClass {
    /// Finds a class by its names in Python 3.
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        let found =
            CLASSES.iter().find(|(_, its_module, its_name)| *its_module == module && *its_name == name);
        found.map(|(class, ..)| *class)
    }

    pub(super) fn name(self) -> String {
        CLASSES
            .iter()
            .find(|(class, ..)| *class == self)
            .map_or_else(String::new, |(_, module, name)| format!("{module}.{name}"))
    }

    /// Returns the refusal of an object that its arguments do not make.
    pub(super) fn invalid(self) -> String {
        format!("the payload holds a {} that is not one", self.name())
    }
}

/// Returns the name of a module in Python 3.
pub(super) fn python3_module(module: &str) -> &str {
    match module {
        "__builtin__" => "builtins",
        "copy_reg" => "copyreg",
        other => other,
    }
}
