//! Update masks: the fields of a resource that a request overwrites.
//!
//! A mask names fields ([AIP-161](https://google.aip.dev/161)). An absent mask stands for every
//! updatable field that the request sets ([AIP-134](https://google.aip.dev/134)).

use super::status;
use livestream_client::mask::Maskable;
use prost_types::FieldMask;
use tonic::Status;

/// The fields that a request changes, out of those that can be updated.
///
/// # Errors
/// `INVALID_ARGUMENT` for a path that is not in `updatable`.
pub(super) fn choose<T: Maskable + Default>(
    updatable: &'static [&'static str],
    mask: Option<&FieldMask>,
    from: &T,
) -> Result<Vec<&'static str>, Status> {
    let paths = mask.map(|mask| &*mask.paths).unwrap_or_default();
    if paths.is_empty() {
        let set = from.differing(&T::default());
        return Ok(updatable.iter().copied().filter(|field| set.contains(field)).collect());
    }
    if paths == ["*"] {
        return Ok(updatable.to_vec());
    }
    let find = |path: &String| {
        updatable.iter().copied().find(|field| field == path).ok_or_else(|| {
            let allowed = updatable.join(", ");
            status::invalid(
                "update_mask",
                format!("'{path}' cannot be updated; these can: {allowed}"),
            )
        })
    };
    paths.iter().map(find).collect()
}

/// Overwrites the chosen fields of `to`.
pub(super) fn apply<T: Maskable>(chosen: &[&str], from: &T, to: &mut T) {
    for field in chosen {
        to.overwrite(field, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestream_client::{
        mask::Updatable,
        model::{Input, input::SecurityRule},
    };
    use tonic::Code;

    fn rules(range: &str) -> Option<SecurityRule> {
        Some(SecurityRule { ip_ranges: vec![range.to_owned()] })
    }

    /// An input with a tier and a URI that no update can change.
    fn input(tier: i32, security_rules: Option<SecurityRule>) -> Input {
        Input { tier, security_rules, uri: "old".to_owned(), ..Default::default() }
    }

    /// Updates `input(2, 10.0.0.0/8)` from a request that sets security rules and a URI.
    fn update(paths: Option<&[&str]>) -> Result<Input, Status> {
        let mask =
            paths.map(|paths| FieldMask { paths: paths.iter().map(|&p| p.into()).collect() });
        let from = Input { uri: "new".to_owned(), ..input(0, rules("192.0.2.0/24")) };
        let mut to = input(2, rules("10.0.0.0/8"));
        apply(&choose(Input::FIELDS, mask.as_ref(), &from)?, &from, &mut to);
        Ok(to)
    }

    #[test]
    fn a_mask_overwrites_a_field_with_an_empty_value() {
        let updated = update(Some(&["tier"])).expect("a known path");
        assert_eq!(updated, input(0, rules("10.0.0.0/8")));
    }

    #[test]
    fn an_absent_or_empty_mask_overwrites_the_fields_that_are_set() {
        let expected = input(2, rules("192.0.2.0/24"));
        assert_eq!(update(None).expect("no mask"), expected);
        assert_eq!(update(Some(&[])).expect("an empty mask"), expected);
    }

    #[test]
    fn a_star_mask_overwrites_every_updatable_field() {
        assert_eq!(update(Some(&["*"])).expect("a star"), input(0, rules("192.0.2.0/24")));
    }

    #[test]
    fn a_mask_with_a_field_that_cannot_be_updated_is_refused() {
        for path in ["uri", "Tier", "security_rules.ip_ranges", "", "*"] {
            let refusal = update(Some(&["tier", path])).expect_err("not updatable");
            assert_eq!(refusal.code(), Code::InvalidArgument, "{path}");
        }
    }
}
