//! Update masks: which fields of a resource a request may overwrite, and does.
//!
//! Each resource lists its updatable fields once ([`fields!`]); a listed field knows how to copy
//! itself and whether it is set. A mask names fields ([AIP-161](https://google.aip.dev/161)); an
//! absent one means every updatable field that the request sets
//! ([AIP-134](https://google.aip.dev/134)).

use super::fault;
use prost_types::FieldMask;
use tonic::Status;

/// One updatable field of `T`.
pub(super) struct Field<T> {
    pub(super) path: &'static str,
    pub(super) is_set: fn(&T) -> bool,
    pub(super) copy: fn(&T, &mut T),
}

/// Lists updatable fields of a message: `fields!(Channel: output, manifests)`.
macro_rules! fields {
    ($message:ty: $($field:ident),+ $(,)?) => {
        &[$($crate::mask::Field {
            path: stringify!($field),
            is_set: |message: &$message| message.$field != <$message>::default().$field,
            copy: |from: &$message, to: &mut $message| to.$field.clone_from(&from.$field),
        }),+]
    };
}
pub(super) use fields;

/// The fields that a request changes.
///
/// # Errors
/// `INVALID_ARGUMENT` for a path that is none of `fields`.
pub(super) fn choose<T>(
    fields: &'static [Field<T>],
    mask: Option<&FieldMask>,
    from: &T,
) -> Result<Vec<&'static Field<T>>, Status> {
    let paths = mask.map(|mask| &*mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Ok(fields.iter().filter(|field| (field.is_set)(from)).collect());
    }
    if paths == ["*"] {
        return Ok(fields.iter().collect());
    }
    let find = |path: &String| {
        fields.iter().find(|field| field.path == path).ok_or_else(|| {
            let allowed = fields.iter().map(|field| field.path).collect::<Vec<_>>().join(", ");
            fault::invalid(
                "update_mask",
                format!("'{path}' cannot be updated; these can: {allowed}"),
            )
        })
    };
    paths.iter().map(find).collect()
}

/// Overwrites the chosen fields of `to`.
pub(super) fn apply<T>(chosen: &[&Field<T>], from: &T, to: &mut T) {
    for field in chosen {
        (field.copy)(from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Lamp {
        colour: String,
        watts: u32,
        serial: String,
    }

    const FIELDS: &[Field<Lamp>] = fields!(Lamp: colour, watts);

    fn update(paths: Option<&[&str]>) -> Result<Lamp, Status> {
        let mask =
            paths.map(|paths| FieldMask { paths: paths.iter().map(|&p| p.into()).collect() });
        let from = Lamp { colour: "red".into(), watts: 0, serial: "new".into() };
        let mut to = Lamp { colour: "blue".into(), watts: 40, serial: "old".into() };
        apply(&choose(FIELDS, mask.as_ref(), &from)?, &from, &mut to);
        Ok(to)
    }

    fn lamp(colour: &str, watts: u32) -> Lamp {
        Lamp { colour: colour.into(), watts, serial: "old".into() }
    }

    #[test]
    fn a_listed_field_takes_the_value_of_the_request_even_an_empty_one() {
        assert_eq!(update(Some(&["watts"])).expect("a known path"), lamp("blue", 0));
    }

    #[test]
    fn an_absent_or_empty_mask_changes_what_is_set() {
        assert_eq!(update(None).expect("no mask"), lamp("red", 40));
        assert_eq!(update(Some(&[])).expect("an empty mask"), lamp("red", 40));
    }

    #[test]
    fn a_star_replaces_all_that_can_be_updated() {
        assert_eq!(update(Some(&["*"])).expect("a star"), lamp("red", 0));
    }

    #[test]
    fn refuses_paths_that_cannot_be_updated() {
        for path in ["serial", "Watts", "colour.red", "", "*"] {
            let refusal = update(Some(&["colour", path])).expect_err("not updatable");
            assert_eq!(refusal.code(), Code::InvalidArgument, "{path}");
        }
    }
}
