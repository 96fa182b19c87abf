//! Listings: pages, order and filters ([AIP-158](https://google.aip.dev/158),
//! [AIP-132](https://google.aip.dev/132), [AIP-160](https://google.aip.dev/160)).
//!
//! A page token has the position of the last item of a page, not the number of items so far: if items
//! are added or removed between two pages, no other item is skipped or repeated. It also has a
//! fingerprint of the query, since a token is valid only for the listing that it comes from.

use super::status;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    borrow::Cow,
    cmp::Ordering,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::{Duration, SystemTime},
};
use tonic::Status;

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// An item of a listing.
pub(super) trait Listed: Clone {
    fn name(&self) -> &str;
    fn created(&self) -> SystemTime;
    /// The value of a field that filters can use; `None` for other fields. A missing label is empty.
    fn field(&self, path: &str) -> Option<Cow<'_, str>>;
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

/// The page for a query, and the token of the next page. The token of the last page is empty.
///
/// # Errors
/// `INVALID_ARGUMENT` for an invalid page size, token, filter or order.
pub(super) fn page<'a, T: Listed + 'a>(
    items: impl IntoIterator<Item = &'a T>,
    query: &Query<'_>,
) -> Result<(Vec<T>, String), Status> {
    let size = match usize::try_from(query.page_size) {
        Ok(0) => DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(MAX_PAGE_SIZE),
        Err(_) => return Err(status::invalid("page_size", "cannot be negative")),
    };
    let order = Order::parse(query.order_by)?;
    let filter = Filter::parse(query.filter)?;
    let start = Position::from_token(query)?;

    let mut found = Vec::new();
    for item in items {
        if filter.admits(item)? {
            found.push((Position::of(item), item));
        }
    }
    found.sort_by(|(one, _), (other, _)| order.compare(one, other));
    let is_before = |position: &Position<'_>| {
        start.as_ref().is_some_and(|start| order.compare(position, start).is_le())
    };
    let begin = found.partition_point(|(position, _)| is_before(position));
    let rest = &found[begin..];
    let page = &rest[..size.min(rest.len())];
    let token = match page.last() {
        Some((last, _)) if page.len() < rest.len() => last.to_token(query),
        _ => String::new(),
    };
    Ok((page.iter().map(|&(_, item)| item.clone()).collect(), token))
}

/// The position of an item in a listing.
#[derive(Debug)]
struct Position<'a> {
    created: SystemTime,
    name: Cow<'a, str>,
}

impl<'a> Position<'a> {
    fn of(item: &'a impl Listed) -> Self {
        Self { created: item.created(), name: item.name().into() }
    }

    fn to_token(&self, query: &Query<'_>) -> String {
        let since = self.created.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
        URL_SAFE_NO_PAD.encode(format!("{} {seconds} {nanos} {}", fingerprint(query), self.name))
    }

    /// `None` for the first page.
    fn from_token(query: &Query<'_>) -> Result<Option<Self>, Status> {
        if query.page_token.is_empty() {
            return Ok(None);
        }
        let parts = read_token(query.page_token)
            .ok_or_else(|| status::invalid("page_token", "is not a token of this service"))?;
        let (print, position) = parts;
        if print != fingerprint(query) {
            return Err(status::invalid("page_token", "is from a listing with other parameters"));
        }
        Ok(Some(position))
    }
}

fn read_token(token: &str) -> Option<(u64, Position<'static>)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.splitn(4, ' ');
    let print = parts.next()?.parse().ok()?;
    let seconds = Duration::from_secs(parts.next()?.parse().ok()?);
    let nanos = Duration::from_nanos(parts.next()?.parse().ok()?);
    let created = SystemTime::UNIX_EPOCH.checked_add(seconds.checked_add(nanos)?)?;
    let name = parts.next()?.to_owned().into();
    Some((print, Position { created, name }))
}

/// A hash of the parameters that must be the same for every page: all but the page size.
fn fingerprint(query: &Query<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (query.parent, query.filter, query.order_by).hash(&mut hasher);
    hasher.finish()
}

/// The sort keys. The name is always the last key, so that no two items are equal.
struct Order(Vec<(Key, Direction)>);

#[derive(Clone, Copy)]
enum Key {
    Name,
    Created,
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Order {
    fn parse(text: &str) -> Result<Self, Status> {
        let refuse = |part: &str| {
            status::invalid(
                "order_by",
                format!(
                    "cannot order by '{part}'; use `name` or `create_time`, with or without `desc`"
                ),
            )
        };
        let parts = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        let mut keys = parts
            .map(|part| {
                let (key, direction) = match part.split_whitespace().collect::<Vec<_>>()[..] {
                    [key] | [key, "asc"] => (key, Direction::Up),
                    [key, "desc"] => (key, Direction::Down),
                    _ => return Err(refuse(part)),
                };
                match key {
                    "name" => Ok((Key::Name, direction)),
                    "create_time" => Ok((Key::Created, direction)),
                    _ => Err(refuse(part)),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        keys.push((Key::Name, Direction::Up));
        Ok(Self(keys))
    }

    fn compare(&self, one: &Position<'_>, other: &Position<'_>) -> Ordering {
        self.0.iter().fold(Ordering::Equal, |settled, (key, direction)| {
            settled.then_with(|| {
                let up = match key {
                    Key::Name => one.name.cmp(&other.name),
                    Key::Created => one.created.cmp(&other.created),
                };
                match direction {
                    Direction::Up => up,
                    Direction::Down => up.reverse(),
                }
            })
        })
    }
}

/// Comparisons that must all be true: `state=LIVE AND labels.tier!="gold"`.
struct Filter<'a>(Vec<Comparison<'a>>);

struct Comparison<'a> {
    path: &'a str,
    value: &'a str,
    is_equal: bool,
}

impl<'a> Filter<'a> {
    fn parse(text: &'a str) -> Result<Self, Status> {
        let clauses = text.split(" AND ").map(str::trim).filter(|_| !text.trim().is_empty());
        clauses.map(Comparison::parse).collect::<Result<_, _>>().map(Self)
    }

    fn admits(&self, item: &impl Listed) -> Result<bool, Status> {
        for Comparison { path, value, is_equal } in &self.0 {
            let found = item
                .field(path)
                .ok_or_else(|| status::invalid("filter", format!("cannot filter by '{path}'")))?;
            if (found == *value) != *is_equal {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<'a> Comparison<'a> {
    fn parse(clause: &'a str) -> Result<Self, Status> {
        let refuse = || {
            status::invalid("filter", format!("'{clause}' is not `field=value` or `field!=value`"))
        };
        let (left, right) = clause.split_once('=').ok_or_else(refuse)?;
        let (path, is_equal) = match left.strip_suffix('!') {
            Some(path) => (path.trim(), false),
            None => (left.trim(), true),
        };
        let right = right.trim();
        let quoted = right.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = quoted.unwrap_or(right);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        let is_path = !path.is_empty() && path.chars().all(is_plain);
        let is_value = match quoted {
            Some(inner) => !inner.contains('"'),
            None => !value.is_empty() && value.chars().all(is_plain),
        };
        if is_path && is_value { Ok(Self { path, value, is_equal }) } else { Err(refuse()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    #[derive(Clone, Debug)]
    struct Item(&'static str, u64);

    impl Listed for Item {
        fn name(&self) -> &str {
            self.0
        }
        fn created(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.1)
        }
        fn field(&self, path: &str) -> Option<Cow<'_, str>> {
            match path {
                "name" => Some(self.0.into()),
                "age" => Some(self.1.to_string().into()),
                _ => None,
            }
        }
    }

    const ITEMS: [Item; 4] = [Item("a", 3), Item("b", 1), Item("c", 3), Item("d", 2)];

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
            let (items, next) =
                page(&ITEMS, &query(size, &token, filter, order_by)).expect("a page");
            names.extend(items.iter().map(|item| item.0));
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
    }

    #[test]
    fn a_page_token_is_valid_after_its_item_was_removed() {
        let (_, token) = page(&ITEMS, &query(2, "", "", "")).expect("a page");
        let rest = [Item("a", 3), Item("bb", 1), Item("c", 3)];
        let (items, _) = page(&rest, &query(9, &token, "", "")).expect("a page");
        assert_eq!(items.iter().map(|item| item.0).collect::<Vec<_>>(), ["bb", "c"]);
    }

    #[test]
    fn a_page_token_with_a_time_out_of_range_is_refused() {
        let print = fingerprint(&query(2, "", "", ""));
        for time in [format!("{} {}", u64::MAX, u32::MAX), format!("{} 0", u64::MAX)] {
            let token = URL_SAFE_NO_PAD.encode(format!("{print} {time} a"));
            let refusal = page(&ITEMS, &query(2, &token, "", "")).expect_err("out of range");
            assert_eq!(refusal.code(), Code::InvalidArgument, "{time}");
        }
    }

    #[test]
    fn a_filter_combines_comparisons() {
        assert_eq!(walk(0, "age=3", ""), "ac");
        assert_eq!(walk(0, "age = \"3\" AND name!=a", ""), "c");
        assert_eq!(walk(0, "name=nobody", ""), "");
    }

    #[test]
    fn an_invalid_page_size_token_filter_or_order_is_refused() {
        let (_, token) = page(&ITEMS, &query(2, "", "", "")).expect("a page");
        let refused = [
            query(-1, "", "", ""),
            query(0, "nonsense!", "", ""),
            query(0, "bm9uc2Vuc2U", "", ""),
            query(0, &token, "age=3", ""),
            query(0, &token, "", "name"),
            query(0, "", "age", ""),
            query(0, "", "age>3", ""),
            query(0, "", "age=3 OR age=1", ""),
            query(0, "", "size=3", ""),
            query(0, "", "", "size"),
            query(0, "", "", "name up"),
            query(0, "", "", "name,"),
        ];
        for query in refused {
            let refusal = page(&ITEMS, &query).expect_err("invalid");
            assert_eq!(refusal.code(), Code::InvalidArgument, "{query:?}");
        }
    }

    #[test]
    fn a_page_has_at_most_the_maximum_page_size() {
        let items = vec![Item("x", 0); MAX_PAGE_SIZE + 1];
        let (page, _) = page(&items, &query(i32::MAX, "", "", "")).expect("a page");
        assert_eq!(page.len(), MAX_PAGE_SIZE);
    }
}
