//! Catches panics of handlers, with message and location, and keeps them off stderr.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Installs, once, a hook that records the location of a panic inside [`catch_panic`]. Other panics go to the
/// previous hook.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if IS_CATCHING.get() {
                let location = info.location().map(ToString::to_string).unwrap_or_default();
                LOCATION.with(|last| *last.borrow_mut() = location);
            } else {
                previous(info);
            }
        }));
    });
}

/// Runs `body` and turns a panic into an error: "panicked at FILE:LINE:COLUMN: MESSAGE".
pub(crate) fn catch_panic<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    let outer = IS_CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    IS_CATCHING.set(outer);
    result.map_err(|payload| {
        let location = LOCATION.take();
        let message = message_of(payload.as_ref());
        // Dropping the payload may panic as well; the second payload is leaked.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
        format!("panicked at {location}: {message}")
    })
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".to_owned())
}
