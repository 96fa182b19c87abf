//! Listings: pages, order and filters ([AIP-158](https://google.aip.dev/158),
//! [AIP-132](https://google.aip.dev/132), [AIP-160](https://google.aip.dev/160)).
//!
//! Filters and orders can name every field of the listed messages.

mod fields;
mod filter;
mod order;
mod token;

pub(super) use token::TokenKey;

use super::{reflection, status};
use fields::Scalar;
use filter::Filter;
use order::Order;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Status;

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// An item of a listing.
pub(super) trait Listed: Clone {
    /// The message that a client sees.
    type Message: prost::Message + prost::Name;

    fn name(&self) -> &str;
    /// Runs `read` on the message.
    fn with_message<T>(&self, read: impl FnOnce(&Self::Message) -> T) -> T;
}

fn descriptor<T: Listed>() -> MessageDescriptor {
    reflection::descriptor::<T::Message>()
}

fn reflect<T: Listed>(item: &T) -> DynamicMessage {
    item.with_message(reflection::reflect)
}

/// The parameters of a listing.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// The parent, as the request has it.
    pub(super) parent: &'a str,
    pub(super) page_size: i32,
    pub(super) page_token: &'a str,
    pub(super) filter: &'a str,
    pub(super) order_by: &'a str,
}

/// The [`Query`] of a list request with a `parent`.
macro_rules! query {
    ($request:expr) => {
        $crate::paging::Query {
            parent: &$request.parent,
            page_size: $request.page_size,
            page_token: &$request.page_token,
            filter: &$request.filter,
            order_by: &$request.order_by,
        }
    };
}
pub(super) use query;

/// A page of resources.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_page_token: String,
    pub(super) unreachable: Vec<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next_page_token: String::new(), unreachable: Vec::new() }
    }
}

/// The token of a page that begins with the first item.
pub(super) fn first_token(query: &Query<'_>, key: TokenKey) -> String {
    key.write(&[query.parent, query.filter, query.order_by], &[], "")
}

/// The page for a query, and the token of the next page. The token of the last page is empty.
///
/// # Errors
/// `INVALID_ARGUMENT` for an invalid page size, token, filter or order.
pub(super) fn page<'a, T: Listed + 'a>(
    items: impl IntoIterator<Item = &'a T>,
    query: &Query<'_>,
    key: TokenKey,
) -> Result<(Vec<T>, String), Status> {
    let size = match usize::try_from(query.page_size) {
        Ok(0) => DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(MAX_PAGE_SIZE),
        Err(_) => return Err(status::invalid("page_size", "cannot be negative")),
    };
    let on = descriptor::<T>();
    let order = Order::parse(query.order_by, &on).map_err(|e| status::invalid("order_by", e))?;
    let filter = Filter::parse(query.filter, &on).map_err(|e| status::invalid("filter", e))?;
    let listing = [query.parent, query.filter, query.order_by];
    let start = match query.page_token {
        "" => None,
        token => Some(key.read(&listing, token).map_err(|e| status::invalid("page_token", e))?),
    };

    // Most listings need no field but the name.
    let is_plain = filter.is_empty() && order.is_by_name();
    let mut found: Vec<(Vec<Scalar>, &T)> = Vec::new();
    for item in items {
        if is_plain {
            found.push((Vec::new(), item));
            continue;
        }
        let message = reflect(item);
        if filter.matches(&message) {
            found.push((order.values(&message), item));
        }
    }
    found.sort_by(|(values, item), (others, other)| {
        order.compare((values, item.name()), (others, other.name()))
    });
    let is_before = |values: &[Scalar], item: &T| {
        let start = start.as_ref();
        start
            .is_some_and(|start| order.compare((values, item.name()), (&start.0, &start.1)).is_le())
    };
    let begin = found.partition_point(|(values, item)| is_before(values, item));
    let rest = &found[begin..];
    let page = &rest[..size.min(rest.len())];
    let token = match page.last() {
        Some((values, last)) if page.len() < rest.len() => key.write(&listing, values, last.name()),
        _ => String::new(),
    };
    Ok((page.iter().map(|&(_, item)| item.clone()).collect(), token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestream_client::model::Channel;
    use prost_types::Timestamp;
    use tonic::Code;

    fn item(name: &str, seconds: i64) -> Channel {
        let create_time = Some(Timestamp { seconds, nanos: 0 });
        let labels = [("age".to_owned(), seconds.to_string())].into();
        Channel { name: name.to_owned(), create_time, labels, ..Default::default() }
    }

    fn items() -> [Channel; 4] {
        [item("a", 3), item("b", 1), item("c", 3), item("d", 2)]
    }

    const KEY: fn() -> TokenKey = || TokenKey::new(0);

    fn query<'a>(
        page_size: i32,
        page_token: &'a str,
        filter: &'a str,
        order_by: &'a str,
    ) -> Query<'a> {
        Query { parent: "p", page_size, page_token, filter, order_by }
    }

    /// All items, by pages of `size`.
    fn walk(size: i32, filter: &str, order_by: &str) -> String {
        let (mut names, mut token) = (String::new(), String::new());
        loop {
            let (found, next) =
                page(&items(), &query(size, &token, filter, order_by), KEY()).expect("a page");
            names.extend(found.iter().map(|item| &*item.name));
            if next.is_empty() {
                return names;
            }
            names.push('|');
            token = next;
        }
    }

    #[test]
    fn pages_list_every_item_in_order() {
        assert_eq!(walk(0, "", ""), "abcd");
        assert_eq!(walk(3, "", ""), "abc|d");
        assert_eq!(walk(2, "", "name desc"), "dc|ba");
        assert_eq!(walk(1, "", "create_time"), "b|d|a|c");
        assert_eq!(walk(4, "", "create_time desc, name desc"), "cadb");
        assert_eq!(walk(2, "", "labels.age, createTime desc,name"), "bd|ac");
        assert_eq!(walk(0, "labels.age=3", ""), "ac");
        assert_eq!(walk(1, "labels.age=3", "name desc"), "c|a");
    }

    #[test]
    fn a_page_token_is_valid_after_its_item_was_removed() {
        let (_, token) = page(&items(), &query(2, "", "", ""), KEY()).expect("a page");
        let rest = [item("a", 3), item("bb", 1), item("c", 3)];
        let (found, _) = page(&rest, &query(9, &token, "", ""), KEY()).expect("a page");
        assert_eq!(found.iter().map(|item| &*item.name).collect::<Vec<_>>(), ["bb", "c"]);
    }

    #[test]
    fn a_changed_page_token_is_refused() {
        let key = KEY();
        let (_, token) = page(&items(), &query(2, "", "", ""), key).expect("a page");
        for at in 0..token.len() {
            for c in ["A", "-", "0"].into_iter().filter(|c| token[at..=at] != **c) {
                let changed = format!("{}{c}{}", &token[..at], &token[at + 1..]);
                let refusal = page(&items(), &query(2, &changed, "", ""), key);
                assert_eq!(
                    refusal.expect_err("changed").code(),
                    Code::InvalidArgument,
                    "{changed}"
                );
            }
        }
        assert!(page(&items(), &query(2, &token, "", ""), TokenKey::new(1)).is_err());
        assert!(page(&items(), &query(2, &token, "", ""), TokenKey::new(0)).is_ok());
    }

    #[test]
    fn an_invalid_page_size_token_filter_or_order_is_refused() {
        let (_, token) = page(&items(), &query(2, "", "", ""), KEY()).expect("a page");
        let refused = [
            query(-1, "", "", ""),
            query(0, "nonsense!", "", ""),
            query(0, "bm9uc2Vuc2U", "", ""),
            query(0, &token, "labels.age=3", ""),
            query(0, &token, "", "name"),
            query(0, "", "size=3", ""),
            query(0, "", "(", ""),
            query(0, "", "", "size"),
            query(0, "", "", "labels"),
            query(0, "", "", "output"),
            query(0, "", "", "manifests.key"),
            query(0, "", "", "name up"),
            query(0, "", "", "name,"),
        ];
        for query in refused {
            let none: [Channel; 0] = [];
            let refusal = page(&none, &query, KEY()).expect_err("invalid");
            assert_eq!(refusal.code(), Code::InvalidArgument, "{query:?}");
        }
    }

    #[test]
    fn a_page_has_at_most_the_maximum_page_size() {
        let items = vec![item("x", 0); MAX_PAGE_SIZE + 1];
        let (page, _) = page(&items, &query(i32::MAX, "", "", ""), KEY()).expect("a page");
        assert_eq!(page.len(), MAX_PAGE_SIZE);
    }
}
