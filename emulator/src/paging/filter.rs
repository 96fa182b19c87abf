//! Filters ([AIP-160](https://google.aip.dev/160)): a parser that binds each field to the listed
//! message, and the evaluation.
//!
//! `OR` binds closer than `AND`, and a space between two terms is an `AND`. There are no functions. No
//! comparison matches a field of a message that is not set, not even `!=`.

use super::fields::{self, FieldPath, Leaf, Scalar};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use std::cmp::Ordering;

/// The deepest nesting of parentheses.
const MAX_DEPTH: usize = 50;

/// A condition on an item.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// A text that occurs anywhere.
    Word(String),
    Compare(FieldPath, Operator, String),
    /// `labels:key`, or `field:*`.
    Present(FieldPath, Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

impl Filter {
    /// Reads a filter on messages of one type. An empty filter is always true.
    ///
    /// # Errors
    /// The error in the text.
    pub(super) fn parse(text: &str, on: &MessageDescriptor) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim(), on, depth: 0 };
        if parser.rest.is_empty() {
            return Ok(Self::All(Vec::new()));
        }
        let filter = parser.expression()?;
        match parser.rest {
            "" => Ok(filter),
            rest => Err(format!("unexpected '{rest}'")),
        }
    }

    /// Whether every item matches.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::All(terms) if terms.is_empty())
    }

    pub(super) fn matches(&self, item: &DynamicMessage) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.matches(item)),
            Self::Any(terms) => terms.iter().any(|term| term.matches(item)),
            Self::Not(term) => !term.matches(item),
            Self::Word(text) => fields::contains(item, text),
            Self::Present(path, key) => path.is_present(item, key.as_deref()),
            Self::Compare(path, operator, text) if path.leaf == Leaf::Dynamic => {
                path.anys(item).iter().any(|any| {
                    let (leaf, values) = path.within_any(any);
                    fields::parse(&leaf, text)
                        .is_ok_and(|wanted| values.iter().any(|v| operator.holds(v, &wanted)))
                })
            }
            Self::Compare(path, operator, text) => {
                let values = path.scalars_if_set(item);
                fields::parse(&path.leaf, text)
                    .is_ok_and(|wanted| values.iter().any(|v| operator.holds(v, &wanted)))
            }
        }
    }
}

impl Operator {
    fn holds(self, value: &Scalar, wanted: &Scalar) -> bool {
        match self {
            Self::Equal => equals(value, wanted),
            Self::NotEqual => !equals(value, wanted),
            Self::Has => match (value, wanted) {
                (Scalar::Text(value), Scalar::Text(wanted)) => {
                    equals_text(value, wanted) || fields::text_contains(value, wanted)
                }
                _ => equals(value, wanted),
            },
            Self::Less => value.compare(wanted).is_lt(),
            Self::LessOrEqual => value.compare(wanted).is_le(),
            Self::Greater => value.compare(wanted).is_gt(),
            Self::GreaterOrEqual => value.compare(wanted).is_ge(),
        }
    }
}

fn equals(value: &Scalar, wanted: &Scalar) -> bool {
    match (value, wanted) {
        (Scalar::Text(value), Scalar::Text(wanted)) => equals_text(value, wanted),
        _ => value.compare(wanted) == Ordering::Equal,
    }
}

/// Each `*` of the pattern stands for any text.
fn equals_text(value: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

struct Parser<'a> {
    rest: &'a str,
    on: &'a MessageDescriptor,
    depth: usize,
}

impl Parser<'_> {
    /// Sequences, joined by `AND`.
    fn expression(&mut self) -> Result<Filter, String> {
        let mut terms = vec![self.sequence()?];
        while self.word("AND") {
            terms.push(self.sequence()?);
        }
        Ok(Filter::All(terms))
    }

    /// Factors, one after the other.
    fn sequence(&mut self) -> Result<Filter, String> {
        let mut terms = vec![self.factor()?];
        while !self.rest.is_empty() && !self.rest.starts_with(')') && !self.is_word("AND") {
            terms.push(self.factor()?);
        }
        Ok(Filter::All(terms))
    }

    /// Terms, joined by `OR`.
    fn factor(&mut self) -> Result<Filter, String> {
        let mut terms = vec![self.term()?];
        while self.word("OR") {
            terms.push(self.term()?);
        }
        Ok(Filter::Any(terms))
    }

    fn term(&mut self) -> Result<Filter, String> {
        let is_negated = self.word("NOT") || self.sign("-");
        if is_negated && (self.is_word("NOT") || self.rest.starts_with('-')) {
            return Err(format!("a second negation is not allowed before '{}'", self.rest));
        }
        let term = if self.sign("(") { self.group()? } else { self.restriction()? };
        Ok(if is_negated { Filter::Not(Box::new(term)) } else { term })
    }

    fn group(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("has more than {MAX_DEPTH} nested parentheses"));
        }
        let group = self.expression()?;
        self.depth -= 1;
        if self.sign(")") { Ok(group) } else { Err("a closing parenthesis is missing".to_owned()) }
    }

    fn restriction(&mut self) -> Result<Filter, String> {
        let is_quoted = self.rest.starts_with(['"', '\'']);
        let mut names = vec![self.name()?];
        while self.rest.starts_with('.') {
            self.rest = &self.rest[1..];
            names.push(self.name()?);
        }
        if self.rest.starts_with('(') && !is_quoted {
            return Err(format!("the function '{}' does not exist", names.join(".")));
        }
        self.rest = self.rest.trim_start();
        let Some(operator) = self.operator() else {
            return Ok(Filter::Word(names.join(".")));
        };
        let (text, is_quoted) = self.argument()?;
        let path = FieldPath::resolve(self.on, &names)?;
        self.bind(&names.join("."), path, operator, text, is_quoted)
    }

    /// Checks that an operator and a value suit the type of a field.
    fn bind(
        &self,
        name: &str,
        path: FieldPath,
        operator: Operator,
        text: String,
        is_quoted: bool,
    ) -> Result<Filter, String> {
        let has = operator == Operator::Has;
        if has && text == "*" && !is_quoted {
            return Ok(Filter::Present(path, None));
        }
        if path.is_repeated && !has {
            return Err(format!("'{name}' has several values; use `:`"));
        }
        match &path.leaf {
            Leaf::Map if has => return Ok(Filter::Present(path, Some(text))),
            Leaf::Message if has => {
                let below = [name.split('.').map(str::to_owned).collect(), vec![text]].concat();
                return FieldPath::resolve(self.on, &below).map(|path| Filter::Present(path, None));
            }
            Leaf::Map | Leaf::Message => {
                return Err(format!("'{name}' has no value of its own; use `:` or a field of it"));
            }
            Leaf::Bool | Leaf::Enum(_)
                if !has && !matches!(operator, Operator::Equal | Operator::NotEqual) =>
            {
                return Err(format!("'{name}' has no order; use `=` or `!=`"));
            }
            Leaf::Dynamic => {}
            leaf => drop(fields::parse(leaf, &text)?),
        }
        Ok(Filter::Compare(path, operator, text))
    }

    fn operator(&mut self) -> Option<Operator> {
        const OPERATORS: [(&str, Operator); 7] = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
            (":", Operator::Has),
        ];
        OPERATORS.into_iter().find(|(sign, _)| self.sign(sign)).map(|(_, operator)| operator)
    }

    /// A field name or a bare word.
    fn name(&mut self) -> Result<String, String> {
        if self.rest.starts_with(['"', '\'']) {
            return self.quoted();
        }
        self.run(|c| c.is_whitespace() || "().,=<>!:\"'".contains(c))
    }

    /// The value after an operator, and whether it is quoted.
    fn argument(&mut self) -> Result<(String, bool), String> {
        if self.rest.starts_with(['"', '\'']) {
            let text = self.quoted()?;
            self.rest = self.rest.trim_start();
            return Ok((text, true));
        }
        let text = self.run(|c| c.is_whitespace() || "(),=<>!\"'".contains(c))?;
        self.rest = self.rest.trim_start();
        Ok((text, false))
    }

    fn run(&mut self, is_end: impl Fn(char) -> bool) -> Result<String, String> {
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        if text.is_empty() {
            let found = if rest.is_empty() { "the end" } else { rest };
            return Err(format!("a name or a value is missing before '{found}'"));
        }
        self.rest = rest;
        Ok(text.to_owned())
    }

    /// A text in quotes; a backslash keeps the next character.
    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c if Some(c) == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err("a closing quote is missing".to_owned())
    }

    fn sign(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn is_word(&self, word: &str) -> bool {
        let after = self.rest.strip_prefix(word);
        after.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == '(')
        })
    }

    fn word(&mut self, word: &str) -> bool {
        self.is_word(word) && self.sign(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflection::{descriptor, reflect};
    use livestream_client::{
        model::{Channel, InputAttachment, OperationMetadata, StaticOverlay, channel::Output},
        proto::google::longrunning::Operation,
    };
    use prost::{Message as _, Name as _};
    use prost_types::Any;

    fn channel() -> Channel {
        let attachment = |key: &str| InputAttachment { key: key.to_owned(), ..Default::default() };
        Channel {
            name: "projects/p/locations/l/channels/news".to_owned(),
            labels: [("tier".to_owned(), "gold".to_owned()), ("a.b".to_owned(), "x".to_owned())]
                .into(),
            create_time: Some("2026-05-01T18:00:00Z".parse().expect("a time")),
            output: Some(Output { uri: "gs://bucket/evening show".to_owned() }),
            input_attachments: vec![attachment("main"), attachment("backup")],
            streaming_state: 2,
            static_overlays: vec![StaticOverlay { opacity: 0.5, ..Default::default() }],
            ..Default::default()
        }
    }

    fn holds(filter: &str) -> Result<bool, String> {
        let filter = Filter::parse(filter, &descriptor::<Channel>())?;
        Ok(filter.matches(&reflect(&channel())))
    }

    #[test]
    fn a_filter_compares_fields_of_every_type() {
        let state = channel().streaming_state().as_str_name();
        let is_state = format!("streaming_state = {state}");
        let expected = [
            ("", true),
            ("name = \"projects/p/locations/l/channels/news\"", true),
            ("name=projects/p/locations/l/channels/news", true),
            ("name = '*/news'", true),
            ("name = \"projects/*/channels/n*s\"", true),
            ("name = \"*/sports\"", false),
            ("name = '*news*'", true),
            ("name = '*news*news'", false),
            ("labels:*", true),
            ("create_time < 2026-05-01T18:00:00.500Z", true),
            ("create_time > 2026-05-01T17:59:59.900Z", true),
            ("static_overlays.opacity:0.5", true),
            ("static_overlays.opacity:0.75", false),
            ("labels.tier = gold", true),
            ("labels.tier != gold", false),
            ("labels.absent != gold", true),
            ("labels.'a.b' = x", true),
            ("labels:tier", true),
            ("labels:absent", false),
            ("labels.tier:*", true),
            ("labels.absent:*", false),
            (&is_state, true),
            ("streamingState = STOPPING", false),
            ("create_time > 2026-05-01T17:59:59Z", true),
            ("create_time >= \"2026-05-01T20:00:00+02:00\"", true),
            ("createTime < \"2026-05-01T18:00:00Z\"", false),
            ("output.uri : show", true),
            ("output.uri = \"gs://bucket/evening show\"", true),
            ("output:uri", true),
            ("output:*", true),
            ("retention_config:*", false),
            // A message that is not set has no fields to compare.
            ("retention_config.retention_window_duration < 20s", false),
            ("streamingError.code = 0", false),
            ("streamingError.code != 5", false),
            ("NOT streamingError.code = 5", true),
            ("streamingError.message : x", false),
            ("output.uri != nonsense", true),
            ("active_input = ''", true),
            ("input_attachments.key:backup", true),
            ("input_attachments.key:other", false),
            ("input_attachments:*", true),
        ];
        for (filter, expected) in expected {
            assert_eq!(holds(filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn or_binds_closer_than_and_and_a_space_is_an_and() {
        let (yes, no) = ("labels.tier=gold", "labels.tier=silver");
        let expected = [
            (format!("{yes} AND {no}"), false),
            (format!("{yes} OR {no}"), true),
            (format!("{no} AND {yes} OR {yes}"), false),
            (format!("({no} AND {yes}) OR {yes}"), true),
            (format!("{yes} {no}"), false),
            (format!("NOT {no} -{no} NOT({no})"), true),
            (format!("-({yes} OR {no})"), false),
            ("gold".to_owned(), true),
            ("\"evening show\" AND NEWS".to_owned(), true),
            ("silver".to_owned(), false),
            ("backup".to_owned(), true),
            (channel().streaming_state().as_str_name().to_lowercase(), true),
            (format!("\"evening show\"({yes})"), true),
            (format!("{}{yes}{}", "(".repeat(50), ")".repeat(50)), true),
            (format!("({yes})").repeat(60), true),
        ];
        for (filter, expected) in expected {
            assert_eq!(holds(&filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn an_invalid_filter_is_refused_even_for_an_empty_listing() {
        let deep = format!("{}labels:a{}", "(".repeat(51), ")".repeat(51));
        let refused = [
            "nonsense = 3",
            "labels.tier =",
            "= 3",
            "labels.tier = \"open",
            "(labels:tier",
            "labels:tier)",
            "labels.tier.deep = 3",
            "streaming_state = ON_AIR",
            "streaming_state > STOPPED",
            "create_time > yesterday",
            "retention_config.retention_window_duration > 20",
            "output = 3",
            "output = uri",
            "create_time.seconds > 3",
            "labels = 3",
            "input_attachments.key = main",
            "name.id = 3",
            "size(labels) > 3",
            "size(labels:tier)",
            "labels:a AND",
            "NOT",
            "NOT NOT labels:a",
            "NOT -labels:a",
            "-NOT labels:a",
            "--labels:a",
            "- -labels:a",
            &deep,
        ];
        for filter in refused {
            assert!(holds(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn bytes_have_no_value_in_a_filter() {
        assert!(Filter::parse("value = 3", &descriptor::<Any>()).is_err());
    }

    #[test]
    fn a_filter_reads_the_metadata_of_operations() {
        let metadata = OperationMetadata { verb: "create".to_owned(), ..Default::default() };
        let operation = Operation {
            done: true,
            metadata: Some(Any {
                type_url: OperationMetadata::type_url(),
                value: metadata.encode_to_vec(),
            }),
            ..Default::default()
        };
        let item = reflect(&operation);
        for (filter, expected) in [
            ("done = true", true),
            ("done=false", false),
            ("metadata.verb = create AND done=true", true),
            ("metadata.verb = delete", false),
            ("metadata.requestedCancellation = false", true),
            ("metadata.absent = 3", false),
        ] {
            let filter = Filter::parse(filter, &descriptor::<Operation>()).expect(filter);
            assert_eq!(filter.matches(&item), expected, "{filter:?}");
        }
    }
}
