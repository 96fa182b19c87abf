//! The characters and the lengths that the parts of a name may have.

/// Checks a part of a name by the rule for its variable in the pattern.
pub(super) fn check_variable(variable: &str, value: &str) -> Result<(), &'static str> {
    match variable {
        "project" => {
            check_chars(value, 100, b"-_.:", "may hold ASCII letters, digits and -_.: only")
        }
        "location" | "network" => {
            check_chars(value, 63, b"-", "may hold ASCII letters, digits and - only")
        }
        "operation" => {
            check_chars(value, 255, b"-_.", "may hold ASCII letters, digits and -_. only")
        }
        "secret" | "version" => check_chars(value, 255, b"-_", ID_RULE),
        _ => check_id(value),
    }
}

/// Checks an id by the least strict document of the API. The service definition allows lower-case
/// letters, digits and inner hyphens. The reference of DVR sessions also allows capitals and
/// underscores.
pub(crate) fn check_id(value: &str) -> Result<(), &'static str> {
    check_chars(value, 63, b"-_", ID_RULE)
}

const ID_RULE: &str = "may hold ASCII letters, digits, - and _ only";

fn check_chars(
    value: &str,
    max: usize,
    marks: &[u8],
    rule: &'static str,
) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    if value.is_empty() {
        Err("is empty")
    } else if value.len() > max {
        Err("is too long")
    } else if !value.bytes().all(is_allowed) {
        Err(rule)
    } else {
        Ok(())
    }
}
