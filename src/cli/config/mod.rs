//! The sources of options: the command line goes before the environment, the environment before the file of
//! `--config`, and the file before the defaults. An option has the same name in all of them.

pub(super) mod entries;
pub(super) mod environment;
mod file;
mod file_options;
mod option_names;
pub(super) mod parse_error;
pub(super) mod parsed_args;
mod section;
pub(super) mod show;
mod suggest;
pub(super) mod unknown_names;
