//! Resource names: the mechanism.
//!
//! [`resource_name!`](resource_name) declares one kind of name. The build writes its invocations from
//! the service definitions. The engine declares only [`OperationName`], which it needs itself.

mod ids;

pub(crate) use ids::check_id;

use ids::check_variable;
use smallvec::SmallVec;
use std::{fmt, hash::Hash, str::FromStr, sync::Arc};

/// A typed resource name ([AIP-122](https://google.aip.dev/122)).
///
/// Clones share one allocation. Names compare, sort and hash as their text. This trait is sealed: the
/// service definitions determine the types of names.
pub trait ResourceName:
    sealed::Sealed
    + Clone
    + fmt::Debug
    + fmt::Display
    + FromStr<Err = InvalidName>
    + AsRef<str>
    + Into<String>
    + Ord
    + Hash
    + Send
    + Sync
    + 'static
{
    /// The resource type, such as `example.googleapis.com/Book`
    /// ([AIP-123](https://google.aip.dev/123)).
    const TYPE: &'static str;
    /// The pattern that whole names match, with a variable in each `{}`.
    const PATTERN: &'static str;

    /// The whole name as text.
    fn as_str(&self) -> &str;

    /// Makes a name of a text that was checked before.
    #[doc(hidden)]
    fn from_checked(text: Arc<str>) -> Self;

    /// Checks that the text is a name of this type.
    ///
    /// # Errors
    /// The part of the text that is invalid, and why.
    fn check(text: &str) -> Result<(), InvalidName> {
        check(Self::TYPE, Self::PATTERN, text)
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The error for a text that is not a name of the wanted type. It says which part is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    resource_type: &'static str,
    pattern: &'static str,
    text: String,
    fault: NameErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NameErrorKind {
    /// A fixed segment of the pattern has another text.
    Segment { expected: &'static str, found: String },
    /// The value of a variable is invalid.
    Variable { variable: &'static str, reason: &'static str },
    /// The text ends before the pattern does.
    Short { missing: &'static str },
    /// The text goes on after the pattern's end.
    Long { rest: String },
}

impl InvalidName {
    /// The variable of the pattern that is at fault, such as `channel`, where it is one.
    pub fn part(&self) -> Option<&'static str> {
        match &self.fault {
            NameErrorKind::Variable { variable, .. } => Some(variable),
            NameErrorKind::Short { missing } => variable(missing),
            NameErrorKind::Segment { .. } | NameErrorKind::Long { .. } => None,
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = noun(self.resource_type);
        let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        write!(f, "not {article} {noun} name (`{}`): {:?}: ", self.pattern, self.text)?;
        match &self.fault {
            NameErrorKind::Segment { expected, found } => {
                write!(f, "expected `{expected}`, found {found:?}")
            }
            NameErrorKind::Variable { variable, reason } => write!(f, "`{{{variable}}}` {reason}"),
            NameErrorKind::Short { missing } => write!(f, "`{missing}` is missing"),
            NameErrorKind::Long { rest } => write!(f, "unexpected {rest:?} at the end"),
        }
    }
}

/// What a resource type is called in a sentence, such as `secret version` for
/// `example.googleapis.com/SecretVersion`.
fn noun(resource_type: &str) -> String {
    let kind = resource_type.rsplit('/').next().unwrap_or(resource_type);
    let mut words = Vec::<String>::new();
    for c in kind.chars() {
        match words.last_mut() {
            Some(word) if c.is_lowercase() => word.push(c),
            _ => words.push(c.to_lowercase().collect()),
        }
    }
    // A word without a vowel is an abbreviation.
    for word in words.iter_mut().filter(|word| !word.contains(['a', 'e', 'i', 'o', 'u', 'y'])) {
        word.make_ascii_uppercase();
    }
    words.join(" ")
}

impl std::error::Error for InvalidName {}

fn check(
    resource_type: &'static str,
    pattern: &'static str,
    text: &str,
) -> Result<(), InvalidName> {
    find_fault(pattern, text).map_or(Ok(()), |fault| {
        Err(InvalidName { resource_type, pattern, text: text.to_owned(), fault })
    })
}

fn find_fault(pattern: &'static str, text: &str) -> Option<NameErrorKind> {
    let mut segments = segments(text);
    for expected in self::segments(pattern) {
        let Some(found) = segments.next() else {
            return Some(NameErrorKind::Short { missing: expected });
        };
        match variable(expected) {
            Some(variable) => {
                if let Err(reason) = check_variable(variable, found) {
                    return Some(NameErrorKind::Variable { variable, reason });
                }
            }
            None if found != expected => {
                return Some(NameErrorKind::Segment { expected, found: found.to_owned() });
            }
            None => {}
        }
    }
    let rest = segments.next()?;
    Some(NameErrorKind::Long { rest: format!("/{rest}") })
}

/// The same as `split('/')`, but faster for short texts: every call checks a name.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.bytes().position(|byte| byte == b'/') else { return rest.take() };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

/// The variable's name in a segment such as `{channel}`.
fn variable(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Puts ids into a pattern's variables, in order.
pub(crate) fn build(
    resource_type: &'static str,
    pattern: &'static str,
    ids: &[&str],
) -> Result<Arc<str>, InvalidName> {
    let mut text = Text::new();
    let mut ids = ids.iter();
    let mut fault = None;
    for segment in segments(pattern) {
        if !text.is_empty() {
            text.push(b'/');
        }
        let Some(variable) = variable(segment) else {
            text.extend_from_slice(segment.as_bytes());
            continue;
        };
        let id = ids.next().copied().unwrap_or_default();
        text.extend_from_slice(id.as_bytes());
        if let Err(reason) = check_variable(variable, id) {
            fault = fault.or(Some(NameErrorKind::Variable { variable, reason }));
        }
    }
    match fault {
        Some(fault) => {
            Err(InvalidName { resource_type, pattern, text: shared(&text).as_ref().into(), fault })
        }
        None => Ok(shared(&text)),
    }
}

/// Puts an id below a checked name, as the last variable of a child's pattern.
pub(crate) fn build_child<N: ResourceName>(parent: &str, id: &str) -> Result<N, InvalidName> {
    let mut last = N::PATTERN.rsplit('/');
    let variable = last.next().and_then(variable).expect("a child's pattern ends in a variable");
    let collection = last.next().expect("a child's pattern has a collection");
    let mut text = Text::new();
    for part in [parent, "/", collection, "/", id] {
        text.extend_from_slice(part.as_bytes());
    }
    match check_variable(variable, id) {
        Ok(()) => Ok(N::from_checked(shared(&text))),
        Err(reason) => Err(InvalidName {
            resource_type: N::TYPE,
            pattern: N::PATTERN,
            text: shared(&text).as_ref().into(),
            fault: NameErrorKind::Variable { variable, reason },
        }),
    }
}

/// The buffer in which a name is built. It is on the stack, so that a name costs one allocation.
type Text = SmallVec<[u8; 384]>;

fn shared(text: &[u8]) -> Arc<str> {
    std::str::from_utf8(text).expect("made of whole strings").into()
}

/// The first `segments` segments of a name.
pub(crate) fn prefix(text: &str, segments: usize) -> &str {
    match text.match_indices('/').nth(segments - 1) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

pub(crate) fn segment(text: &str, at: usize) -> &str {
    segments(text).nth(at).expect("a checked name has all segments of its pattern")
}

/// Declares one kind of name: its type, pattern, variables (each with the segment that it stands at),
/// and the parent (with the number of its segments).
macro_rules! resource_name {
    (
        $(#[$doc:meta])*
        $name:ident = $type:literal, $pattern:literal;
        ids { $($id:ident @ $at:literal),+ }
        $(parent $parent:ty = $segments:literal;)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            #[doc = concat!("Builds `", $pattern, "` from its ids.")]
            ///
            /// # Errors
            /// Names the id that no document of the API allows.
            pub fn new($($id: impl AsRef<str>),+) -> Result<Self, $crate::gax::name::InvalidName> {
                let ids = [$($id.as_ref()),+];
                $crate::gax::name::build($type, $pattern, &ids).map(Self)
            }

            /// The whole name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            $(
                #[doc = concat!("The `{", stringify!($id), "}` part.")]
                pub fn $id(&self) -> &str {
                    $crate::gax::name::segment(&self.0, $at)
                }
            )+

            /// The last part: the id of the resource within its collection.
            pub fn id(&self) -> &str {
                self.0.rsplit('/').next().unwrap_or_default()
            }

            $(
                /// The name of the resource that this one is below.
                pub fn parent(&self) -> $parent {
                    $crate::gax::name::ResourceName::from_checked($crate::gax::name::prefix(&self.0, $segments).into())
                }
            )?
        }

        impl $crate::gax::name::sealed::Sealed for $name {}

        impl $crate::gax::name::ResourceName for $name {
            const TYPE: &'static str = $type;
            const PATTERN: &'static str = $pattern;

            fn as_str(&self) -> &str {
                &self.0
            }

            fn from_checked(text: std::sync::Arc<str>) -> Self {
                Self(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::gax::name::InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <Self as $crate::gax::name::ResourceName>::check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&$name> for String {
            fn from(name: &$name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::gax::name::InvalidName;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::gax::name::InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        /// Writes the name as text.
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        /// Reads the name from text, and checks it.
        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::gax::name::deserialize(deserializer)
            }
        }
    };
}

pub(crate) use resource_name;

#[cfg(feature = "serde")]
pub(crate) fn deserialize<'de, N: ResourceName, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<N, D::Error> {
    struct Text<N>(std::marker::PhantomData<N>);

    impl<N: ResourceName> serde::de::Visitor<'_> for Text<N> {
        type Value = N;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a name of the form `{}`", N::PATTERN)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<N, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(std::marker::PhantomData))
}

resource_name! {
    /// A long-running operation: `projects/{project}/locations/{location}/operations/{operation}`.
    OperationName = "longrunning.googleapis.com/Operation",
        "projects/{project}/locations/{location}/operations/{operation}";
    ids { project @ 1, location @ 3, operation @ 5 }
}
