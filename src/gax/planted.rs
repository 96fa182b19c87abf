//! Bugs that the simulation must find, to show that it can find such bugs.
//!
//! They exist only in a build with `--cfg planted`, which only `.ci/planted.sh` makes. The variable
//! `PLANTED` names the one bug that such a build has.

/// Gives a variable another value, or does something else, if the bug with this name is planted. Builds
/// without `--cfg planted` contain no code of it.
macro_rules! planted {
    ($bug:literal, let $variable:ident = $wrong:expr) => {
        #[cfg(planted)]
        let $variable = if $crate::gax::planted::is($bug) { $wrong } else { $variable };
    };
    ($bug:literal if $condition:expr, $wrong:expr) => {
        #[cfg(planted)]
        if $crate::gax::planted::is($bug) && $condition {
            $wrong;
        }
    };
    ($bug:literal, $wrong:expr) => {
        planted!($bug if true, $wrong)
    };
}
pub(crate) use planted;

#[cfg(planted)]
pub(crate) fn is(bug: &str) -> bool {
    use std::{env, sync::LazyLock};
    static PLANTED: LazyLock<Option<String>> = LazyLock::new(|| env::var("PLANTED").ok());
    PLANTED.as_deref() == Some(bug)
}
